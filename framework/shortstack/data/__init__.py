"""From records to histories: filtered, numbered, ordered in time, split; and the catalogue of items."""
