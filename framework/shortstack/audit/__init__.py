"""Audit of scorers: agreement of their ranking with the oracle's, and the loss of their selections."""
