"""Data preparation: records are filtered, numbered, ordered and split into histories; and the item catalogue."""
