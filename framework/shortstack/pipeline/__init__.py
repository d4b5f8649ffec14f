"""The stages of a run: data, teacher, calibration, importance, selection, pruning, distillation, scratch, sasrec, evaluation, report.

Stages import torch and polars inside functions: commands that need neither start quickly, and run without polars.
"""
