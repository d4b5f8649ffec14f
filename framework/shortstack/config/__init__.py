"""Settings as validated values, the strict reader of tables, and names resolved to objects."""
