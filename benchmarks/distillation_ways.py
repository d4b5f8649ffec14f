"""Ways to distil a language model, each with the same models, batches, arithmetic and optimiser."""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)

from benchmarks.step_parts import Parts
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation.fitting import fit
from shortstack.distillation.teacher_cache import TeacherCache, write_teacher_cache
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.models.hf_logging import silenced_transformers

TEMPERATURE = 2.0
"""Of soft targets, in our losses and in the plain loop."""

TWO = {"labels": 1.0, "soft-targets": {"temperature": TEMPERATURE}}
THREE = {**TWO, "hidden-states": 1.0}
EXTRAS = (
    "hidden-states",
    "reverse-kl",
    "skew-kl",
    "jensen-shannon",
    "logits-mse",
    "ranking",
    "attention-relations",
    "contrastive",
)


@attrs.frozen(kw_only=True)
class Shape:
    """Sizes of the models and of a batch.

    Attributes:
        words: Tokens of the vocabulary that are no items.
        items: Items, one token each, after the words: the candidates.
        width: Width of the hidden states; the layers are 8/3 as wide inside, and each head has 64, or all, of it.
        teacher: Layers of the teacher.
        student: Layers of the student.
        batch: Histories in a batch.
        tokens: Tokens of a history; all but the first are supervised.
        steps: Steps of a training; if there is more than one, the first is not counted.
    """

    words: int = 49_152
    items: int = 3_496
    width: int = 576
    teacher: int = 30
    student: int = 8
    batch: int = 32
    tokens: int = 51
    steps: int = 3

    def model(self, layers: int) -> PreTrainedModel:
        """Return a model of this many layers, with random weights and a tied head."""
        torch.manual_seed(layers)
        heads = max(self.width // 64, 1)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=self.words + self.items,
                hidden_size=self.width,
                intermediate_size=self.width * 8 // 3,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                num_key_value_heads=heads // 3 if heads % 3 == 0 else heads,
                tie_word_embeddings=True,
                pad_token_id=None,
            )
        ).eval()

    def candidates(self) -> Tensor:
        """Return the items' tokens, int64 ``(items,)``."""
        return torch.arange(self.words, self.words + self.items)

    def selection(self) -> Selection:
        """Return layers of the teacher at equal distances, the first and the last among them."""
        kept = torch.linspace(0, self.teacher - 1, self.student).round().int().tolist()
        return Selection(kept=tuple(kept), of=self.teacher)

    def examples(self) -> list[dict[str, Tensor]]:
        """Draw the histories of all steps: speed does not depend on the items."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.batch * self.steps, self.tokens)
        rows = torch.randint(self.words, self.words + self.items, shape, generator=generator)
        return [{"input_ids": row, "attention_mask": torch.ones_like(row), "labels": row} for row in rows]


@attrs.frozen(kw_only=True, eq=False)
class Setting:
    """What all ways share.

    Attributes:
        shape: The sizes.
        student: The student.
        teacher: The teacher, or the cache of its final states.
        examples: The training examples.
        arguments: Training arguments.
    """

    shape: Shape
    student: PreTrainedModel
    teacher: PreTrainedModel | TeacherCache
    examples: list[dict[str, Tensor]]
    arguments: TrainingArguments

    @classmethod
    def of(cls, shape: Shape, folder: Path, *, bfloat16: bool, cached: bool) -> "Setting":
        """Make the models; with a cache nothing of the teacher stays in memory but its head."""
        settings = FitSettings(
            steps=shape.steps,
            batch_size=shape.batch,
            learning_rate=1e-5,
            warmup_steps=0,
            precision="bfloat16" if bfloat16 else "float32",
            evaluate_every=shape.steps,
            patience=0,
        )
        arguments = training_arguments(folder / "checkpoints", settings, seed=0, device="cpu", validated=False)
        arguments.save_strategy = "no"
        teacher, examples = shape.model(shape.teacher), shape.examples()
        return cls(
            shape=shape,
            student=shape.model(shape.student),
            teacher=_cache(folder, teacher, examples, bfloat16=bfloat16) if cached else teacher,
            examples=examples,
            arguments=arguments,
        )


def _cache(folder: Path, teacher: PreTrainedModel, examples: Any, *, bfloat16: bool) -> TeacherCache:
    return write_teacher_cache(folder / "cache", teacher, examples, collate=default_data_collator, bfloat16=bfloat16)


class Clock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Measures the seconds from the end of a step to the end of the next, loading and logging included."""

    def __init__(self, parts: Parts | None = None) -> None:
        """Store what else is measured; it starts anew after the first step."""
        self._parts = parts
        self._ends: list[float] = []

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Start."""
        self._ends = [perf_counter()]

    def on_step_end(self, *_: object, **__: object) -> None:
        """Take the time."""
        self._ends.append(perf_counter())
        if len(self._ends) == 2 and self._parts is not None:
            self._parts.reset()

    @property
    def seconds(self) -> list[float]:
        """Seconds of each step but the first, which is a warm-up; of the first if it is the only one."""
        steps = [end - start for start, end in zip(self._ends, self._ends[1:], strict=False)]
        return steps[1:] or steps


@attrs.frozen(kw_only=True)
class Trained:
    """What a training took.

    Attributes:
        seconds: Seconds of each step that counts.
        parts: Seconds of each part of those steps, all together; empty where they are not measured apart.
    """

    seconds: list[float]
    parts: Mapping[str, float] = attrs.field(factory=dict)


def ours(setting: Setting, losses: Mapping[str, object], *, whole: bool = False) -> Trained:
    """Train with this package.

    Args:
        setting: The models and the examples.
        losses: The losses.
        whole: All tokens are candidates, not the items alone.
    """
    parts = Parts()
    clock = Clock(parts)
    trainer = DistillationTrainer(
        setting.student,
        setting.arguments,
        setting.examples,
        losses=losses,
        teacher=setting.teacher,
        balancing="fixed",
        candidates=None if whole else setting.shape.candidates(),
        selection=setting.shape.selection(),
        callbacks=[clock],
    )
    with parts.watched(setting.student):
        fit(trainer)
    return Trained(seconds=clock.seconds, parts=parts.seconds)


def trl(setting: Setting, *, beta: float) -> Trained:
    """Train with TRL's GKD loss in a plain trainer; its own trainer would tokenize texts.

    Args:
        setting: The models and the examples.
        beta: 0 for the forward KL divergence, which is soft targets; 0.5, GKD's default, for Jensen-Shannon.
    """
    from trl.experimental.gkd.gkd_trainer import GKDTrainer

    class Gkd(Trainer):  # type: ignore[misc]  # transformers is untyped
        compute_loss = GKDTrainer.compute_loss
        generalized_jsd_loss = staticmethod(GKDTrainer.generalized_jsd_loss)

    clock = Clock()
    trainer = Gkd(model=setting.student, args=setting.arguments, train_dataset=setting.examples, callbacks=[clock])
    trainer.teacher_model = trainer.accelerator.prepare_model(setting.teacher, evaluation_mode=True)
    trainer.beta = beta
    with silenced_transformers():
        trainer.train()
    return Trained(seconds=clock.seconds)


def plain_loop(setting: Setting) -> Trained:
    """Train with a loop as tutorials have it: the model's own loss, and soft targets of all logits."""
    student, clock = setting.student.train(), Clock()
    optimiser = torch.optim.AdamW(student.parameters(), lr=setting.arguments.learning_rate, fused=True)
    clock.on_train_begin()
    for batch in DataLoader(setting.examples, setting.shape.batch, collate_fn=default_data_collator):
        with torch.autocast("cpu", torch.bfloat16, enabled=setting.arguments.bf16):
            loss = _plain_loss(student, setting.teacher, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), setting.arguments.max_grad_norm)
        optimiser.step()
        optimiser.zero_grad()
        clock.on_step_end()
    return Trained(seconds=clock.seconds)


def _plain_loss(student: PreTrainedModel, teacher: Any, batch: Mapping[str, Tensor]) -> Tensor:
    with torch.no_grad():
        wanted = teacher(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    given = student(**batch)
    log_q, log_p = (F.log_softmax(logits[:, :-1] / TEMPERATURE, dim=-1) for logits in (given.logits, wanted))
    divergence = F.kl_div(log_q.flatten(0, 1), log_p.flatten(0, 1), reduction="batchmean", log_target=True)
    loss: Tensor = given.loss + TEMPERATURE**2 * divergence
    return loss


WAYS: Mapping[str, Callable[[Setting], Trained]] = {
    "trl": partial(trl, beta=0.0),
    "trl-default": partial(trl, beta=0.5),
    "loop": plain_loop,
    "candidates": partial(ours, losses=TWO),
    "three losses": partial(ours, losses=THREE),
    "vocabulary": partial(ours, losses=TWO, whole=True),
    "candidates, cache": partial(ours, losses=TWO),
    "vocabulary, cache": partial(ours, losses=TWO, whole=True),
}
"""Those whose name ends in "cache" learn from the cache of the teacher's states."""


def train(way: str, shape: Shape, *, bfloat16: bool, started: Callable[[], object] = lambda: None) -> Trained:
    """Train in one of the ways.

    Args:
        way: Name in ``WAYS``.
        shape: The sizes.
        bfloat16: Multiply in bfloat16.
        started: Called when the models are made.
    """
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting.of(shape, Path(folder), bfloat16=bfloat16, cached=way.endswith("cache"))
        started()
        return WAYS[way](setting)


def extra_seconds(shape: Shape, *, bfloat16: bool, turns: int = 2) -> dict[str, float]:
    """Return the seconds of a step with two losses, ``""``, and with each further one, the trainings taking turns."""
    best = dict.fromkeys(("", *EXTRAS), float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting.of(shape, Path(folder), bfloat16=bfloat16, cached=False)
        for name in list(best) * turns:
            losses = {**TWO, name: 1.0} if name else TWO
            best[name] = min(best[name], *ours(setting, losses).seconds)
    return best
