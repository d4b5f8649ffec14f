"""Evaluation of rankers: ranks, metrics, bootstrap intervals over users, baselines and paired comparisons."""
