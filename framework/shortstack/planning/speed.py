"""Time and memory of models of a shape on a device: timed on a few random layers, or estimated from operation counts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any, Final, Protocol

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from shortstack.errors import ConfigurationError
from shortstack.models.candidates import candidate_logits
from shortstack.models.memory_needs import Learning, free_bytes, memory_needed
from shortstack.models.parameters import count_parameters
from shortstack.models.thread_generator import thread_generator

REPEATS: Final = 3
FEW, MORE = 1, 4
"""Depths of the two models that are timed; their difference gives the time of a layer."""

Cut = Callable[[int], PreTrainedConfig]
"""Returns the config with the given number of layers."""


@attrs.frozen(kw_only=True)
class Work:
    """The size of a batch.

    Attributes:
        examples: Number of examples.
        tokens: Tokens of each example, padding included.
        positions: Positions of each example at which the candidates are scored.
        candidates: Number of candidates.
    """

    examples: int
    tokens: int
    positions: int
    candidates: int


@attrs.frozen(kw_only=True)
class Taken:
    """The time and memory of a pass.

    Attributes:
        seconds: Seconds of the forward and, in training, the backward pass.
        optimiser: Seconds of the optimiser's step; 0 without training.
        activations: Bytes of activations that are kept for the backward pass; 0 without training.

    >>> Taken(seconds=5.0).beyond(Taken(seconds=2.0), layers=10, more=4).seconds
    11.0
    """

    seconds: float
    optimiser: float = 0.0
    activations: float = 0.0

    def beyond(self, few: "Taken", layers: int, more: int) -> "Taken":
        """Extrapolate linearly to ``layers`` layers, where ``few`` is for ``FEW`` of them and this one for ``more``."""
        share = (layers - FEW) / (more - FEW) if more > FEW else 1.0

        def drawn_on(first: float, second: float) -> float:
            return first + share * max(0.0, second - first)

        return Taken(
            seconds=drawn_on(few.seconds, self.seconds),
            optimiser=drawn_on(few.optimiser, self.optimiser),
            activations=drawn_on(few.activations, self.activations),
        )


@attrs.frozen(kw_only=True)
class How:
    """The mode of a pass.

    Attributes:
        learning: The part of the model that is trained.
        bfloat16: Whether the arithmetic is in bfloat16; else it is in float32.
        recomputed: Whether activations are recomputed in the backward pass (gradient checkpointing).
    """

    learning: Learning = "nothing"
    bfloat16: bool = False
    recomputed: bool = False


class Speed(Protocol):
    """Estimates the time and memory of models."""

    def of(self, cut: Cut, layers: int, work: Work, how: How) -> Taken:
        """Return the time and memory of a model with ``layers`` layers for some work."""


@attrs.frozen(kw_only=True, eq=False)
class Measured:
    """Speed as timed on this machine; the same work is timed once.

    Attributes:
        device: The device to time on.
    """

    device: torch.device
    _known: dict[tuple[str, Work, How], Taken] = attrs.field(factory=dict, init=False)

    def of(self, cut: Cut, layers: int, work: Work, how: How) -> Taken:
        """Time a model of few layers and one of some more, and extrapolate linearly.

        Raises:
            ConfigurationError: Even these few layers do not fit into memory.
        """
        more = min(layers, MORE)
        most = self._timed(cut(more), work, how)  # the larger first: it may not fit
        return most.beyond(self._timed(cut(FEW), work, how), layers, more)

    def _timed(self, config: PreTrainedConfig, work: Work, how: How) -> Taken:
        # configs are not hashable, their JSON is
        key = (config.to_json_string(), work, how)
        if key not in self._known:
            self._require_room(config, how)
            self._known[key] = self._tried(config, work, how)
        return self._known[key]

    def _require_room(self, config: PreTrainedConfig, how: How) -> None:
        free, needed = free_bytes(self.device), memory_needed(config, how.learning)
        if free is not None and needed > free:
            raise ConfigurationError(
                f"{self.device} has {free / 2**30:.1f} GiB free, too little to time even "
                f"{config.get_text_config().num_hidden_layers} of the layers, which take {needed / 2**30:.1f}: say with --tflops "
                "the TFLOP/s that the intended machine reaches"
            )

    def _tried(self, config: PreTrainedConfig, work: Work, how: How) -> Taken:
        with torch.device(self.device), thread_generator():
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            ids = torch.randint(work.candidates, (work.examples, work.tokens))
            mask = torch.ones_like(ids)
            wanted = torch.arange(work.tokens).expand_as(ids) >= work.tokens - work.positions
            candidates = torch.arange(work.candidates)
        if how.recomputed:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train(how.learning != "nothing")

        def forwards() -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=how.bfloat16):
                return candidate_logits(model, ids, mask, wanted, candidates)

        if how.learning == "nothing":
            with torch.no_grad():
                return Taken(seconds=self._median(forwards))
        return self._training(model, forwards, how.learning)

    def _training(self, model: PreTrainedModel, forwards: Callable[[], Tensor], learning: Learning) -> Taken:
        """Time a training step; with adapters, which are few, gradients only pass through the frozen layers."""
        if learning != "all":
            model.requires_grad_(False)
            model.get_input_embeddings().requires_grad_(True)
        optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-6, fused=True)

        def both() -> None:
            logits = forwards().float()
            # the labels do not change the time
            F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=self.device)).backward()

        with _kept_bytes() as kept:
            both()
        seconds, step = self._median(both), 0.0 if learning == "little" else self._median(optimiser.step)
        return Taken(seconds=seconds, optimiser=step, activations=kept())

    def _median(self, job: Callable[[], Any]) -> float:
        job()
        times = []
        for _ in range(REPEATS):
            start = perf_counter()
            job()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            times.append(perf_counter() - start)
        return median(times)


@contextmanager
def _kept_bytes() -> Iterator[Callable[[], int]]:
    """Within the context, count the bytes kept for the backward pass: shared storage once, parameters not at all."""
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield lambda: sum(seen.values())


PASSES: Final[Mapping[Learning, int]] = {"nothing": 1, "little": 2, "embeddings": 2, "all": 3}
"""Operations in forward passes: a backward pass is two for all gradients, one where gradients only pass through."""
FLOAT32: Final = 6
"""Slowdown of a GPU in float32, roughly: an H100 peaks at 67 TFLOP/s, and at 989 in bfloat16, of which training reaches less."""
ACTIVATIONS: Final = 17
"""Values per token, layer and channel that are kept for the backward pass, roughly; for Llama with fused attention: norms, queries, keys,
values, the attention's output, and an MLP 3.5 times as wide."""


@attrs.frozen(kw_only=True)
class Assumed:
    """Speed on a machine that is not this one, from operation counts.

    Source of the count: Kaplan et al. 2020, arXiv 2001.08361, section 2.1: two operations a parameter and token forwards,
    four backwards.

    Attributes:
        tflops: TFLOP/s that training reaches there in bfloat16.
    """

    tflops: float = attrs.field(validator=attrs.validators.gt(0))

    def of(self, cut: Cut, layers: int, work: Work, how: How) -> Taken:
        """Estimate from parameters and tokens alone; attention over few tokens hardly counts."""
        config = cut(layers)
        width = config.get_text_config().hidden_size
        tokens = work.examples * work.tokens
        body = 2 * count_parameters(config).body * tokens
        head = 2 * work.candidates * width * work.examples * work.positions
        rate = self.tflops * 1e12 / (1 if how.bfloat16 else FLOAT32)
        kept = layers * tokens * width * (1 if how.recomputed else ACTIVATIONS) * (2 if how.bfloat16 else 4)
        return Taken(
            seconds=(PASSES[how.learning] + how.recomputed) * (body + head) / rate,
            activations=kept if how.learning != "nothing" else 0,
        )
