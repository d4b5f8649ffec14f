"""What a model costs, and what a budget would leave of it, from its config alone."""
