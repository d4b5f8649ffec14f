"""Layer importance: one sweep of the model feeds every scorer at once."""
