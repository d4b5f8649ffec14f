"""Laws of importance scorers."""
