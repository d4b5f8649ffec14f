"""Teachers: the requirements on them, and the ways in which they learn the items of the data."""
