"""Deliberately wrong plugins, each with the laws that it breaks; and correct ones in unusual styles, which break none."""
