"""Selection of the kept layers from scores and a budget."""
