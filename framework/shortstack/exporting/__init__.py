"""Recommenders for other runtimes: one graph from histories to the best items, proven before it is there."""
