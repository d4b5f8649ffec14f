"""The differences between new distributions of the four kinds, apart from their modules."""

from collections.abc import Mapping
from typing import Final

import attrs

from shortstack.registry import Kind


@attrs.frozen(kw_only=True)
class Wording:
    """The texts for one kind.

    Attributes:
        article: The kind with its article.
        suite: Its suite in ``shortstack.testing``.
        summary: Summary of the component in one sentence.
        about: A longer description for the README.
        use: The tables of a run's TOML file that use it; ``$name`` stands for the component's name.
    """

    article: str
    suite: str
    summary: str
    about: str
    use: str


WORDINGS: Final[Mapping[Kind, Wording]] = {
    "scorer": Wording(
        article="an importance scorer",
        suite="ScorerSuite",
        summary="How much the layer changes the hidden states, beside how large they are.",
        about=(
            "It is a fold over hidden states: one pass over the calibration examples, in any batches, keeps two sums for\n"
            "each layer, `‖H_out − H_in‖²` and `‖H_in‖²`; the score is the root of their ratio, and higher means keep."
        ),
        use='[importance]\nscorers = ["$name"]\n\n[selection]\nscorer = "$name"\nkeep_ratio = 0.25',
    ),
    "student": Wording(
        article="a student architecture",
        suite="StudentSuite",
        summary="The kept layers, each averaged with the dropped layers that followed it; a stock model.",
        about=(
            "A stock model of the kept layers, as `layer-subset` makes it; then each kept layer becomes the mean of itself\n"
            "and the dropped layers that followed it."
        ),
        use='[student]\narchitecture = "$name"',
    ),
    "dataset": Wording(
        article="a dataset adapter",
        suite="DatasetSuite",
        summary="Interactions in RecBole's atomic files (.inter).",
        about=(
            "It reads tab-separated `.inter` files, whose first line tells each column's name and type, and reports a bad\n"
            "row by file and line."
        ),
        use='[data]\nadapter = "$name"\nsource = "path/to/NAME.inter"',
    ),
    "loss": Wording(
        article="a distillation loss",
        suite="LossSuite",
        summary="Total variation between the teacher's distribution over the candidates and the student's.",
        about=(
            "`½ Σ_v |p_v − q_v|` at each supervised position: between 0 and 1, the same both ways, and forgiving where the\n"
            "teacher is sure and wrong. It returns a sum and says how many terms the sum has."
        ),
        use="[distillation.losses]\nlabels = 1.0\n$name = { weight = 1.0, temperature = 2.0 }",
    ),
}
