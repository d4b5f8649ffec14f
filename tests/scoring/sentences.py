"""Twelve words, and texts made of them."""

UNKNOWN = "<unk>"
WORDS = ["<unk>", "the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "dogs", "run"]
TEXTS = [
    {"text": "the cat sat on a mat"},
    {"text": "two dogs run"},
    {"prompt": "the cat saw", "completion": "two dogs", "id": 7},
    {"text": "a mat and a cat and two dogs sat"},
    {"text": "dogs"},
    {"prompt": "a cat and", "completion": "a dogs run and run"},
    {"text": "the dogs saw the cat run and sat on the mat and"},
]
"""One of them has a single token, so that nothing can be predicted."""
