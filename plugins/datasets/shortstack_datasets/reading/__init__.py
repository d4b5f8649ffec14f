"""What all adapters read with: places, packed files, lines, typed columns, and bad rows that are told or counted."""
