"""Reading for all adapters: sources, archives, lines, typed columns, and bad rows that are raised or counted."""
