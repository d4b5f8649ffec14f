"""The teacher of a distillation: the model itself, or a cache of its final states in the run's folder."""

import hashlib
import json
import shutil
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shortstack.digests import contents, read_record
from shortstack.distillation.checks import check_cache
from shortstack.distillation.teacher_cache import (
    TeacherCache,
    bytes_of,
    cache_pays,
    content_of,
    positions_of,
    write_teacher_cache,
)
from shortstack.distillation.weighted_losses import weighted_losses
from shortstack.errors import DataError, DiskFullError, UnsupportedModelError
from shortstack.files import link
from shortstack.pipeline.stage import Context
from shortstack.pipeline.stage_model import StageModel
from shortstack.run_layout import CACHE_RECORD, RECORD, TEACHER_STATES, TRAINING
from shortstack.tasks import Examples, collate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SPARE: Final = 1 << 30
"""Bytes that a cache leaves free on the disk."""


def teacher_for(
    context: Context, folder: str, examples: Examples, *, bfloat16: bool
) -> "PreTrainedModel | TeacherCache":
    """Return the model in a folder of the run or, as ``distillation.cache`` has it, a cache of its final states.

    Args:
        context: The run.
        folder: Folder of the model that teaches, below the run's folder.
        examples: The student's training examples.
        bfloat16: The student's arithmetic is bfloat16.

    Raises:
        ConfigurationError: A cache is asked for, and a loss needs more than final states.
        UnsupportedModelError: A cache is asked for, and the teacher's logits are no function of its final states.
        DiskFullError: A cache is asked for, and the disk has no room for it.
    """
    if not _is_wanted(context, len(examples)):
        return StageModel.load(context, folder).model
    made: TeacherCache | None = None

    def make() -> Path | None:
        nonlocal made
        place = context.root / TEACHER_STATES / _key(context.root / folder, examples, bfloat16=bfloat16)
        made = (
            _existing(context, place)
            or _taken(context, place)
            or _written(context, folder, place, examples, bfloat16=bfloat16)
        )
        return None if made is None else place

    place = context.world.first(make)
    if place is None:
        return StageModel.load(context, folder).model
    return made or TeacherCache.open(place)


def _is_wanted(context: Context, examples: int) -> bool:
    settings = context.run.distillation
    if settings.cache == "off" or context.is_sharded:  # one process alone writes it, with a whole teacher
        return False
    losses = weighted_losses(settings.losses, context.registry)
    if settings.cache == "on":
        check_cache(losses)
        return True
    return cache_pays(losses, seen=settings.fit.steps * settings.fit.batch_size, examples=examples)


def _existing(context: Context, place: Path) -> TeacherCache | None:
    """Return a complete cache; None if there is none, or if it is damaged, which is said."""
    if read_record(place / CACHE_RECORD) == {}:
        return None
    try:
        return TeacherCache.open(place)
    except DataError as error:
        context.progress.note(f"{error}: it is written again")
        shutil.rmtree(place)
        return None


def _taken(context: Context, place: Path) -> TeacherCache | None:
    """Return another run's cache with this key, linked into this run's folder; None if there is none, or it is damaged."""
    source = context.finished.get(place.name)
    if source is None:
        return None
    copy = place.with_name(f".{place.name}.partial")  # renamed, so that a kill leaves no half of a cache
    for rest in (copy, place):
        shutil.rmtree(rest, ignore_errors=True)
    Path(shutil.copytree(source, copy, copy_function=link)).rename(place)
    context.progress.note(f"teacher states: taken from {source}")
    return _existing(context, place)


def _written(context: Context, folder: str, place: Path, examples: Examples, *, bfloat16: bool) -> TeacherCache | None:
    """Write the cache of a teacher; return None if there is no room, or it has no use, and it need not be."""
    teacher, fit = StageModel.load(context, folder).model, context.run.distillation.fit
    for older in place.parent.glob("*"):
        if older != place:
            shutil.rmtree(older)
    batch_size = fit.batch_size // fit.accumulate
    try:
        _require_room(place, teacher, examples, bfloat16=bfloat16)
        with context.progress.job("teacher states", total=ceil(len(examples) / batch_size)) as step:
            return write_teacher_cache(
                place, teacher, examples, collate=collate, batch_size=batch_size, bfloat16=bfloat16, step=step
            )
    except (UnsupportedModelError, DiskFullError) as error:
        if context.run.distillation.cache == "on":
            raise
        context.progress.note(f"the teacher runs at every step: {error}")
        shutil.rmtree(place, ignore_errors=True)
        return None


def _require_room(place: Path, teacher: "PreTrainedModel", examples: Examples, *, bfloat16: bool) -> None:
    """Raise if the disk has no room for what is still to be written.

    Raises:
        DiskFullError: It has none.
    """
    needed = bytes_of(positions_of(examples), teacher.config.get_text_config().hidden_size, bfloat16=bfloat16)
    there = next(path for path in place.parents if path.exists())
    written = sum(path.stat().st_size for path in place.glob("*.bin"))
    free = shutil.disk_usage(there).free + written - _SPARE
    if needed > free:
        raise DiskFullError(
            f"the teacher's final states take {needed / 1e9:.1f} GB, and the disk of {there} has {max(free, 0) / 1e9:.1f} GB to "
            'spare; make room for them, or set distillation.cache = "off"'
        )


def _key(folder: Path, examples: Examples, *, bfloat16: bool) -> str:
    """Return a hash of all that the states depend on: the teacher's files, the examples and the precision."""
    record = read_record(folder / RECORD) or {}
    teacher = contents(record, frozenset({TRAINING})) or record.get("key")
    return hashlib.sha256(json.dumps([teacher, content_of(examples), bfloat16]).encode()).hexdigest()[:16]
