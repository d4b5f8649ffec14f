"""Figures of a study, one a file; each draws a summary, and gives None where it has no data for it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.errors import EmptyDataError, UnknownNameError
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.figures.ablations import ablations_figure
from shortstack.studies.figures.convergence import convergence_figure
from shortstack.studies.figures.layers import layers_figure
from shortstack.studies.figures.pareto import pareto_figure
from shortstack.studies.figures.scorers import scorers_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@attrs.frozen(kw_only=True)
class Drawing:
    """A kind of figure.

    Attributes:
        draw: Draws it; None where the summary has no data for it.
        needs: The data that it needs, for the error where there are none.
        description: Description for screen readers.
        caption: The text below it.
    """

    draw: "Callable[[Summary], Figure | None]"
    needs: str
    description: str
    caption: str


FIGURES: Final[Mapping[str, Drawing]] = {
    "pareto": Drawing(
        draw=pareto_figure,
        needs="a finished run",
        description="Quality of every student and teacher against bytes on disk, parameters and milliseconds a user, with the Pareto front",
        caption=(
            "Quality against the size of the weights on disk, all parameters, and the measured time for one user alone. A point is a "
            "mean over the seeds; the line joins the models that no other beats in both."
        ),
    ),
    "ablations": Drawing(
        draw=ablations_figure,
        needs="an axis or variants, with two finished values on one data set",
        description="Change of the student's quality by each value of each axis against the axis's first value, with intervals",
        caption=(
            "The student's change against the first value of each axis, all else equal: the mean over pairs of runs with its 95% interval "
            "over users and seeds; where no cases are on the disk, with the lowest and the highest pair."
        ),
    ),
    "scorers": Drawing(
        draw=scorers_figure,
        needs="two scorers or strategies on two data sets",
        description="The share of the teacher's quality that students keep, by scorer and data set",
        caption="The student's quality as a share of its teacher's, a mean over seeds and sizes, by what selected the layers and by data set.",
    ),
    "layers": Drawing(
        draw=layers_figure,
        needs="a finished run",
        description="The teacher's layers that each setting's students kept",
        caption="The teacher's layers in each student; a paler cell was kept with some of the seeds only. 0 is nearest the embeddings.",
    ),
    "convergence": Drawing(
        draw=convergence_figure,
        needs="a student that was trained",
        description="Validation metric of students and teachers against the optimiser step",
        caption="Validation users, means over the seeds; the dashed line is the teacher's own training.",
    ),
}
"""Figures by their names, in the order of the report."""


def figure_named(name: str, summary: Summary) -> "Figure":
    """Draw a study's figure; see ``StudyResult.figure``.

    Raises:
        UnknownNameError: There is no figure of that name.
        EmptyDataError: The study has no data for it.
    """
    if name not in FIGURES:
        raise UnknownNameError("figure of a study", name, FIGURES)
    figure = FIGURES[name].draw(summary)
    if figure is None:
        raise EmptyDataError(
            f"the study {summary.folder} has no data for the figure {name!r}, which needs {FIGURES[name].needs}; "
            "choose another figure, or let the study vary more"
        )
    return figure
