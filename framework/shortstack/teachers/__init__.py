"""What a teacher must be, and how it learns the items of the data."""
