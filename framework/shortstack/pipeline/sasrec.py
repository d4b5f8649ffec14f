"""The stage of the baseline SASRec: each setting of its grid is trained to its best, and validation users choose one."""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.files import link, read_json, write_json
from shortstack.pipeline.stage import Context, Stage, judged_by, with_digests
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.run_layout import DATA, SASREC, TRAINING
from shortstack.tasks import task_of

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.evaluation.sasrec import SASRec
    from shortstack.registry import Registry

Trial = Mapping[str, Any]
"""A setting of the grid, with its best value on the validation cases, its steps and its seconds."""


def _depends_on(run: "RunConfig", registry: "Registry") -> object:
    from shortstack.evaluation.sasrec import GRID

    labels = registry.find("loss", "labels")
    settings = [run.task, run.seed, run.device, labels.identity, source_digest_of_name(run.task.name)]
    # what each setting comes to with few examples and with many, in which every constant of its training shows
    trainings = [[one.config(1), *(attrs.asdict(one.fit(examples)) for examples in (1, 10**6))] for one in GRID]
    return [trainings, *settings, *judged_by(run), with_digests(run.callbacks)]


def _execute(context: Context, folder: Path) -> None:
    from shortstack.evaluation.sasrec import GRID
    from shortstack.pipeline.task_evaluation import headlines_of

    selected_by = headlines_of(context.run).selected_by
    places = [_trained(context, folder, number) for number in range(len(GRID))]
    context.world.first(partial(_keep_best, folder, places, selected_by))


def _trained(context: Context, folder: Path, number: int) -> Path:
    """Train one setting of the grid, unless that is done; return its folder.

    That is beside the result, so that an interrupted search goes on where it was.
    """
    place = folder.with_name(f"setting-{number}") / folder.name
    if not context.world.first((place / TRAINING).is_file):
        context.world.first(partial(place.mkdir, parents=True, exist_ok=True))
        _train(context, place, number)
    return place


def _train(context: Context, place: Path, number: int) -> None:
    import torch

    from shortstack.data.catalogue import Catalogue
    from shortstack.evaluation.sasrec import GRID
    from shortstack.models.initial import initial_config, initial_model
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.pipeline.training import train
    from shortstack.tasks.next_item import NextItem

    torch.manual_seed(context.run.seed)  # whichever settings an interrupted search has behind it
    catalogue, setting = Catalogue.load(context.root / DATA), GRID[number]
    # the teacher's window, but none of the settings that were chosen for its training
    task = NextItem(window=task_of(context.run.task).window)
    config = initial_config(setting.config(task.longest), vocabulary=catalogue.vocabulary)
    model = attrs.evolve(StageModel.of(context, initial_model(config), catalogue), task=task)
    examples = task.training_examples(model.sequences, catalogue)
    name = f"{SASREC}, setting {number + 1} of {len(GRID)}"
    train(context, name, model, setting.fit(len(examples)), place)


def _keep_best(folder: Path, places: Sequence[Path], selected_by: str) -> None:
    """Keep the setting with the best validation, the first of equal ones, and the record of all."""
    from shortstack.evaluation.sasrec import GRID

    trainings = [read_json(place / TRAINING) for place in places]
    tried = [_trial(*one, selected_by) for one in zip(GRID, trainings, strict=True)]
    best = max(range(len(tried)), key=lambda number: tried[number][selected_by])
    shutil.copytree(places[best], folder, copy_function=link, dirs_exist_ok=True)
    write_json(folder / TRAINING, {**trainings[best], "setting": attrs.asdict(GRID[best]), "tried": tried})


def _trial(setting: "SASRec", training: Mapping[str, Any], selected_by: str) -> Trial:
    values = [point[selected_by] for point in training["curve"] if point[selected_by] is not None]
    return {**attrs.asdict(setting), selected_by: max(values), **{key: training[key] for key in ("steps", "seconds")}}


SASREC_STAGE = Stage(
    name="sasrec", folder=SASREC, after=("data",), depends_on=_depends_on, execute=_execute, shared=True
)
