"""Drafts of a run's file: for one's own data and teacher, with the meaning of every setting beside it."""
