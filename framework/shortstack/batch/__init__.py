"""Recommendations for all users of a file: bounded memory, resumable, spread over processes."""
