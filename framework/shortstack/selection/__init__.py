"""Which layers stay? Scores and a budget in, a selection out."""
