"""The service: a recommender behind HTTP, for ``shortstack serve``; needs the extra ``serve``."""
