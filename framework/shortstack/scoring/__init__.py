"""Scoring of any stock causal language model on plain texts: resumable, and sharded over processes."""
