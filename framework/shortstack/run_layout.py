"""Names of all folders and files in the folder of a run. It imports nothing, so that whoever reads or writes there may use it.

A schedule adds folders of the earlier rounds, such as ``importance-2`` and ``student-1``.
"""

from typing import Final

RUN: Final = "run.json"
"""The settings."""
RESULT: Final = "result.json"
"""Figures of the finished run, with the settings that they are of."""
REPORT: Final = "report.html"
"""The same for people."""

DATA: Final = "data"
TEACHER: Final = "teacher"
IMPORTANCE: Final = "importance"
SELECTION: Final = "selection"
PRUNED: Final = "pruned"
"""The model that the selected layers make, before distillation."""
STUDENT: Final = "student"
"""The same after distillation."""
SCRATCH: Final = "scratch"
EVALUATION: Final = "evaluation"
AUDIT: Final = "audit"

RECORD: Final = "stage.json"
"""In the folder of each stage that is done: its key, settings and costs."""
SEQUENCES: Final = "sequences.safetensors"
IMPRESSIONS: Final = "impressions.safetensors"
FACTS: Final = "facts.json"
"""Counts of the prepared data."""
SCORES: Final = "importance.json"
SELECTED: Final = "selection.json"
TRAINING: Final = "training.json"
"""Losses and validations of a training; beside the model that it made."""
METRICS: Final = "evaluation.json"
AUDITED: Final = "audit.json"
KEY: Final = "key"
"""In the folder of a stage that is not done: what it is for."""
CHECKPOINTS: Final = "checkpoints"
PRECISION: Final = "precision"
"""What a training that is not done computes in."""
