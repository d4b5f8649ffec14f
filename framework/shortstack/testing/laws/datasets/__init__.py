"""Laws of dataset adapters."""
