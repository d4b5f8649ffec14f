"""Recipes: small frozen values from which models, corpora, tables and tensors are made; their ``repr`` can be pasted."""
