"""Costs of a model, and what a budget would leave of it, from its config alone."""
