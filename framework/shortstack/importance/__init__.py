"""How much does each layer matter? One sweep of the model feeds every scorer at once."""
