"""The next items after histories, by onnxruntime and numpy alone: ``python recommend.py TITLE_OR_ID …``, oldest first."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class Reader:
    """An exported recommender."""

    def __init__(self, folder: Path = Path(__file__).parent) -> None:
        """Load the graph and the catalogue of a folder; of items with the same title the first counts."""
        self.catalogue = json.loads((folder / "catalogue.json").read_text("utf-8"))
        self.graph = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        self.places = {i[f]: n for f in ("title", "id") for n, i in [*enumerate(self.catalogue["items"])][::-1] if i[f]}

    def recommend(self, histories: Any, k: int | None = None, *, exclude_seen: bool | None = None) -> list[list[Any]]:
        """Return (id, title, log-probability) of the best items after each history of titles or ids, oldest first."""
        rows = [[self.places[name] for name in ([] if isinstance(history, str) else history)] for history in histories]
        if not all(rows) or k not in (None, *range(1, self.catalogue["k"] + 1)):
            raise ValueError(f"every history is a list of items, and k is from 1 to {self.catalogue['k']}, got k={k!r}")
        recent = padded([row[-self.catalogue["window"] :] for row in rows])
        exclude = self.catalogue["seen"] == "exclude" if exclude_seen is None else exclude_seen
        best = self.graph.run(None, {"histories": recent, "left_out": padded(rows if exclude else [[]] * len(rows))})
        items, pairs = self.catalogue["items"], [[*zip(*row, strict=True)][:k] for row in zip(*best, strict=True)]
        return [[(items[n]["id"], items[n]["title"], float(s)) for n, s in row if s > -np.inf] for row in pairs]


def padded(rows: list[list[int]]) -> Any:
    """Return rows of places in the catalogue as an array, filled up with -1 at the end."""
    width = max(map(len, rows), default=0)
    return np.array([row + [-1] * (width - len(row)) for row in rows], dtype=np.int64).reshape(len(rows), width)


if __name__ == "__main__":
    print(*Reader().recommend([sys.argv[1:]])[0], sep="\n")  # noqa: T201 -- its output
