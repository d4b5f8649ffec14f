"""The teacher teaches the student: balanced sums of losses on ``transformers.Trainer``."""
