"""A run, stage by stage: data, teacher, importance, selection, pruning, distillation, scratch, evaluation, report, audit."""
