"""Laws of selection strategies."""
