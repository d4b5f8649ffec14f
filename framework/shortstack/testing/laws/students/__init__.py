"""Laws of student architectures."""
