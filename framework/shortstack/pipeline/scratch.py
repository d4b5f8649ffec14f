"""Stage 8: the baseline from scratch: the student's config, data and number of examples, but no teacher."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.config.writer import unstructure
from shortstack.files import digest, read_json
from shortstack.pipeline.stage import Context, Stage, judged_by, training_of, with_digests
from shortstack.planning.schedule import Round
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.run_layout import CARD, PRUNED, RECORD, SCRATCH

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.registry import Registry


def _depends_on(run: "RunConfig", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    settings = [run.task, run.seed, run.device, labels.identity, source_digest_of_name(run.task.name)]
    return [*settings, *judged_by(run), with_digests(run.callbacks)]


def _looks_at(context: Context, steps: tuple[Round, ...]) -> object:
    """Return the student's config, items, words and training settings; not its weights, nor which layers it keeps."""
    folder = context.root / PRUNED
    config = read_json(folder / "config.json")
    config.pop("shortstack", None)  # names the kept layers, which a model from scratch does not depend on
    settings = context.run.untracked.scratch_fit(_examples(context, steps))
    files = [path for path in sorted(folder.iterdir()) if path.name != "config.json" and _is_plain(path)]
    return [config, [digest(path) for path in files], unstructure(settings)]


def _is_plain(path: Path) -> bool:
    return path.is_file() and path.name not in {CARD, RECORD} and path.suffix != ".safetensors"


def _examples(context: Context, steps: tuple[Round, ...]) -> int:
    """Return the number of examples that trained the student, and its teachers as far as they were trained in this run."""
    trained = ("teacher", *(round_.named("student") for round_ in steps))
    return sum(int(training_of(context.root / name).get("examples", 0)) for name in trained)


def _execute(context: Context, folder: Path, steps: tuple[Round, ...]) -> None:
    from shortstack.models.initial import initial_model
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.pipeline.training import train

    pruned = StageModel.load(context, PRUNED)
    scratch = StageModel.of(context, initial_model(pruned.model.config), pruned.catalogue, pruned.tokenizer)
    settings = context.run.scratch_fit(_examples(context, steps))
    train(context, "scratch", scratch, settings, folder)


def scratch_stage(steps: tuple[Round, ...]) -> Stage:
    """Return the stage that trains the last step's student from scratch."""
    return Stage(
        name="scratch",
        folder=SCRATCH,
        after=("data",),
        depends_on=_depends_on,
        looks_at=partial(_looks_at, steps=steps),
        execute=partial(_execute, steps=steps),
        shared=True,
    )
