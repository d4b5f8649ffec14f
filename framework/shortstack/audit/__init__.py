"""How far can a scorer be trusted? Its order against the oracle's, and what its choice costs."""
