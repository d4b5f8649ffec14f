"""Preparation of a release: lowest versions, licences of dependencies, the tag. ``.github/workflows/`` calls these."""
