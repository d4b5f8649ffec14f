"""Ranking protocols: the candidates of a target, all items or a fixed sample, independent of the target.

Items of the history are either not candidates (``seen = "exclude"``), and then a target that was seen cannot be ranked,
or candidates like all others (``"include"``). If a seen target were the only seen candidate, this alone would reveal
it.
"""

from typing import Literal, Protocol

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortstack.data.sequences import Cases, Seen
from shortstack.errors import ConfigurationError
from shortstack.evaluation.metrics import mid_ranks

ProtocolName = Literal["full", "sampled"]

NEGATIVES = 999
"""Number of negatives per target in the sampled protocol."""

Rows = NDArray[np.int64]


class RankingProtocol(Protocol):
    """Converts scores to ranks; if seen items are excluded, only for cases whose target was not seen."""

    def ranks(self, scores: Tensor, cases: Cases, rows: Rows) -> Tensor:
        """Return the mid-rank of each target.

        Args:
            scores: ``(rows, items)``, finite; not modified.
            cases: All cases.
            rows: Indices of the cases that the scores are for.

        Returns:
            float64 ``(rows,)``.
        """


def without_seen(scores: Tensor, cases: Cases, rows: Rows) -> Tensor:
    """Return a copy of the scores, −inf where an item is in the case's history.

    Raises:
        ConfigurationError: An item of a history has no column.
    """
    scores = scores.clone(memory_format=torch.contiguous_format)  # of transposed scores too, for the flat view below
    seen = [cases.history(row) for row in rows]
    owner, items = np.repeat(np.arange(len(rows)), [len(history) for history in seen]), np.concatenate(seen)
    if items.max(initial=0) >= scores.shape[1]:
        raise ConfigurationError(
            f"scores have {scores.shape[1]} columns, and a history holds item {items.max()}; give one column for each item"
        )
    flat = torch.from_numpy(owner * scores.shape[1] + items).to(scores.device)
    scores.view(-1).index_fill_(0, flat, -torch.inf)
    return scores


@attrs.frozen(kw_only=True)
class FullCatalogue:
    """Ranks the target among all items, or all items not seen before."""

    seen: Seen = "exclude"

    def ranks(self, scores: Tensor, cases: Cases, rows: Rows) -> Tensor:
        """Return the mid-rank of each target, float64 ``(rows,)``."""
        targets = torch.from_numpy(cases.targets[rows]).to(scores.device)[:, None]
        target_scores = scores.gather(1, targets)
        if self.seen == "exclude":
            scores = without_seen(scores, cases, rows)
        return mid_ranks(scores, target_scores[:, 0])


@attrs.frozen(kw_only=True)
class SampledNegatives:
    """Ranks the target among unseen items drawn uniformly, and all seen ones if these are candidates.

    A case's negatives depend on the seed, the user and the history alone, except that the target is never a negative.

    Sampled metrics can reverse the order of models: use them only beside published tables that do.
    Source: Krichene & Rendle, On Sampled Metrics for Item Recommendation, KDD 2020.
    """

    seed: int
    seen: Seen = "exclude"
    negatives: int = NEGATIVES

    def ranks(self, scores: Tensor, cases: Cases, rows: Rows) -> Tensor:
        """Return the mid-rank of each target among its negatives, float64 ``(rows,)``."""
        drawn = [torch.from_numpy(self.draw(cases, row, scores.shape[1])).to(scores.device) for row in rows]
        sampled = [mid_ranks(scores[i, columns][None], scores[i, columns[0]][None]) for i, columns in enumerate(drawn)]
        return torch.cat(sampled)

    def draw(self, cases: Cases, row: int, items: int) -> Rows:
        """Return the target and its negatives, all distinct; fewer if the catalogue has no more unseen items."""
        target, seen = cases.targets[row], np.unique(cases.history(row))
        # seeded by the case and not by its row, so that batches and order do not matter
        generator = np.random.default_rng([self.seed, int(cases.users[row]), len(cases.history(row))])
        # enough for all negatives, even if every seen item and the target are drawn
        distinct = generator.choice(items, size=min(items, self.negatives + len(seen) + 1), replace=False)
        unseen = distinct[~np.isin(distinct, seen) & (distinct != target)][: self.negatives]
        known = seen[seen != target] if self.seen == "include" else seen[:0]
        return np.concatenate([[target], known, unseen])


def ranking_protocol(name: ProtocolName, *, seen: Seen, seed: int) -> RankingProtocol:
    """Return the protocol with a name in a configuration.

    >>> ranking_protocol("full", seen="include", seed=0)
    FullCatalogue(seen='include')
    """
    protocols: dict[ProtocolName, RankingProtocol] = {
        "full": FullCatalogue(seen=seen),
        "sampled": SampledNegatives(seen=seen, seed=seed),
    }
    return protocols[name]
