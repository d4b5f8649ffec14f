"""The methods of a result: their order, labels, and colours in all figures."""

from collections.abc import Iterable, Mapping

import attrs

from shortstack.result import RunResult


@attrs.frozen
class Method:
    """The presentation of a method.

    Attributes:
        key: Its key in ``result.json``.
        label: Its displayed name.
        colour: Its colour, from the palette of Okabe & Ito, which colour-blind readers can tell apart; baselines are grey.
        marker: Its shape in figures, so that colour is never the only difference.
    """

    key: str
    label: str
    colour: str
    marker: str

    @property
    def step(self) -> int:
        """Number of the step that made it, if it is an intermediate student; else 0."""
        name, _, number = self.key.partition("-")
        return int(number) if name == "step" else 0

    @property
    def compressed(self) -> str:
        """Key of the model that was compressed to this one, if one was; else empty."""
        model, _, method = self.key.partition(" ")
        return model if method and model in {"teacher", "student"} else ""

    @property
    def about(self) -> str:
        """Short explanation of the method; empty for methods that are not built in."""
        if self.compressed:
            return f"the {self.compressed}, whose weights are compressed without training"
        return "a student on the way, the next one's teacher" if self.step else EXPLANATIONS.get(self.key, "")

    @property
    def swatch(self) -> str:
        """The colour as CSS: the page's variable of this name, which dark mode changes."""
        return f"var(--{self.key}, {self.colour})" if self.key.replace("-", "").isalpha() else self.colour


METHODS = (
    # the greys of methods in one figure differ, so that ``canvas`` can replace each by its own CSS variable
    Method("mode", "mode", "#8a929c", "v"),
    Method("global-mean", "global mean", "#8a929d", "p"),
    Method("user-mean", "user mean", "#8a929e", "^"),
    Method("popularity", "popularity", "#8a929c", "v"),
    Method("personal-popularity", "personal", "#8a929b", "<"),
    Method("item-knn", "item-KNN", "#8a929d", "p"),
    Method("markov", "Markov", "#8a929e", "^"),
    Method("ease", "EASE", "#8a929a", "d"),
    Method("sasrec", "SASRec", "#8a9299", "h"),
    Method("scratch", "scratch", "#009e73", "D"),
    Method("pruned", "pruned", "#cc79a7", "s"),
    Method("student", "student", "#d55e00", "o"),
    Method("teacher", "teacher", "#0072b2", "o"),
)
"""From baselines to the teacher; a method that is not among these comes first, in grey, and a compressed model before the one that it was."""

EXPLANATIONS: Mapping[str, str] = {
    "mode": "the most frequent rating for everything",
    "global-mean": "the mean rating for everything",
    "user-mean": "the mean of the user's own earlier ratings",
    "popularity": "the same list for everyone",
    "personal-popularity": "personal popularity: what the user had most often",
    "item-knn": "items that the same users had",
    "markov": "what most often came after the last item",
    "ease": "a linear model of items, in closed form",
    "sasrec": "a small self-attentive model of item ids, tuned and trained from scratch",
    "scratch": "the student's size, trained without the teacher",
    "pruned": "the teacher's kept layers, before distillation",
    "student": "the kept layers, distilled",
    "teacher": "the large model",
}


SIZES: Mapping[str, str] = {
    "disk_bytes": "MB on the disk",
    "sparse_bytes": "MB, without zeros",
    "memory_bytes": "MB in memory",
}
"""Kind of size in ``cost.sizes`` → its heading."""


def megabytes(size: int | None) -> str:
    """Return a number of bytes as megabytes; empty for none.

    >>> megabytes(1_234_567)
    '1.235'
    """
    return "" if size is None else f"{size / 1e6:,.3f}"


def methods_of(metrics: Iterable[str]) -> list[Method]:
    """Return the methods of some keys, in the order of ``METHODS``; intermediate students precede the teacher."""
    return sorted(map(_method, metrics), key=_place)


def label_of(key: str) -> str:
    """Return the displayed name of a method.

    >>> label_of("item-knn"), label_of("step-1"), label_of("mine")
    ('item-KNN', 'after step 1', 'mine')
    """
    return _method(key).label


def _place(method: Method) -> float:
    keys = [known.key for known in METHODS]
    if method.step:
        # later steps are further from the teacher
        return keys.index("teacher") - method.step / 1000
    if method.compressed:
        return keys.index(method.compressed) - 0.5
    return keys.index(method.key) if method.key in keys else -1


def _method(key: str) -> Method:
    """Return the method of a key: one of ``METHODS``, an intermediate student, or a method that is not built in."""
    known = next((method for method in METHODS if method.key == key), Method(key, key, "#8a929c", "X"))
    if known.compressed:
        whole = next(method for method in METHODS if method.key == known.compressed)
        return attrs.evolve(known, colour=whole.colour)
    return attrs.evolve(known, label=f"after step {known.step}", colour="#e69f00", marker="P") if known.step else known


def estimate_of(result: RunResult, method: str, metric: str) -> tuple[float, float, float] | None:
    """Return a method's value with its interval, (value, low, high); None where undefined."""
    value = result.metrics.get(method, {}).get(metric)
    ends = result.intervals.get(method, {}).get(metric)
    if value is None:
        return None
    return (value, value, value) if ends is None else (value, ends[0], ends[1])
