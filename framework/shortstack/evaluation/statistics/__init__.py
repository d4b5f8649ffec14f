"""Statistics of paired models over users and seeds: intervals, tests of difference and equivalence, Holm's correction."""
