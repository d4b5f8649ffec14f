"""Settings as values that check themselves, the strict reader of tables, and names resolved to objects."""
