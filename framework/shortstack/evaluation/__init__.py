"""How good is a ranker? Ranks, metrics, intervals over users, floors and paired comparisons."""
