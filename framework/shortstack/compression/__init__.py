"""Compression of a trained model's weights, without training: the methods beside which students are compared."""
