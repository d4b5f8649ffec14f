"""Benchmarks of speed, each with a baseline or a peer in the same run."""
