"""The numbers of a study's report: settings, Pareto fronts, ablations, curves."""
