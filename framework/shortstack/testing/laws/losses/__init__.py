"""Laws of distillation losses."""
