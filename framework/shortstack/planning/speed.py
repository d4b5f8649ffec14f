"""How long models of a shape take on a device: timed on a few of their layers with made-up weights, or told from operations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any, Final, Protocol

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from shortstack.models.candidates import candidate_logits
from shortstack.models.parameters import count_parameters

REPEATS: Final = 3
FEW, MORE = 1, 4
"""Layers of the models that are timed; what lies between tells what a layer takes."""

Cut = Callable[[int], PreTrainedConfig]
"""The config with so many layers."""


@attrs.frozen(kw_only=True)
class Work:
    """What goes through a model at once.

    Attributes:
        examples: How many.
        tokens: Of each, padding included.
        positions: At how many of each the candidates are scored.
        candidates: How many there are.
    """

    examples: int
    tokens: int
    positions: int
    candidates: int


@attrs.frozen(kw_only=True)
class Taken:
    """What a pass over some work takes.

    Attributes:
        seconds: Of the pass, forwards and, in training, backwards.
        optimiser: Seconds of the optimiser's step; 0 without training.
        activations: Bytes that are kept for the way back; 0 without training.
    """

    seconds: float
    optimiser: float = 0.0
    activations: float = 0.0

    @property
    def step(self) -> float:
        """Seconds of all of it."""
        return self.seconds + self.optimiser

    def beyond(self, few: "Taken", layers: int, more: int) -> "Taken":
        """What ``layers`` take, if ``few`` is of ``FEW`` of them and this one of ``more``."""
        share = (layers - FEW) / (more - FEW) if more > FEW else 1.0
        grown = {
            name: getattr(few, name) + share * max(0.0, getattr(self, name) - getattr(few, name))
            for name in ("seconds", "optimiser", "activations")
        }
        return Taken(**grown)


class Speed(Protocol):
    """Tells what models take."""

    def of(self, cut: Cut, layers: int, work: Work, *, trained: bool) -> Taken:
        """What a model with so many layers takes for some work."""


@attrs.frozen(kw_only=True)
class Measured:
    """On this machine.

    Attributes:
        device: Where.
        bfloat16: Whether the arithmetic is.
        recomputed: Whether activations are computed again on the way back.
    """

    device: torch.device
    bfloat16: bool
    recomputed: bool = False

    def of(self, cut: Cut, layers: int, work: Work, *, trained: bool) -> Taken:
        """Timed with few layers and with some more; the rest is in proportion."""
        more = min(layers, MORE)
        few = self._timed(cut(FEW), work, trained=trained)
        return self._timed(cut(more), work, trained=trained).beyond(few, layers, more)

    def _timed(self, config: PreTrainedConfig, work: Work, *, trained: bool) -> Taken:
        with torch.device(self.device), torch.random.fork_rng(devices=[]):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            ids = torch.randint(work.candidates, (work.examples, work.tokens))
            mask = torch.ones_like(ids)
            wanted = torch.arange(work.tokens).expand_as(ids) >= work.tokens - work.positions
            candidates = torch.arange(work.candidates)
        if self.recomputed and trained:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train(trained)

        def forwards() -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
                return candidate_logits(model, ids, mask, wanted, candidates)

        return self._training(model, forwards) if trained else self._reading(forwards)

    def _reading(self, forwards: Callable[[], Tensor]) -> Taken:
        with torch.no_grad():
            return Taken(seconds=self._median(forwards))

    def _training(self, model: PreTrainedModel, forwards: Callable[[], Tensor]) -> Taken:
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-6)

        def both() -> None:
            logits = forwards().float()
            F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=self.device)).backward()

        with _kept_bytes() as kept:
            both()
        return Taken(seconds=self._median(both), optimiser=self._median(optimiser.step), activations=kept())

    def _median(self, job: Callable[[], Any]) -> float:
        job()
        found = []
        for _ in range(REPEATS):
            start = perf_counter()
            job()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            found.append(perf_counter() - start)
        return median(found)


@contextmanager
def _kept_bytes() -> Iterator[Callable[[], int]]:
    """Inside, what is kept for the way back is counted, shared storage once, parameters not."""
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield lambda: sum(seen.values())


@attrs.frozen(kw_only=True)
class Assumed:
    """On a machine that is not this one.

    Source of the count: Kaplan et al. 2020, arXiv 2001.08361, section 2.1: two operations a parameter and token forwards,
    four backwards.

    Attributes:
        tflops: How many million million operations a second its training reaches.
        recomputed: Whether activations are computed again on the way back.
    """

    tflops: float
    recomputed: bool = False

    def of(self, cut: Cut, layers: int, work: Work, *, trained: bool) -> Taken:
        """From parameters and tokens alone; attention over few tokens hardly counts."""
        config = cut(layers)
        width = config.get_text_config().hidden_size
        tokens, each = work.examples * work.tokens, (4 if self.recomputed else 3) if trained else 1
        body = 2 * count_parameters(config).body * tokens
        head = 2 * work.candidates * width * work.examples * work.positions
        kept = layers * tokens * width * (1 if self.recomputed else ACTIVATIONS) * 2 if trained else 0
        return Taken(seconds=each * (body + head) / (self.tflops * 1e12), activations=kept)


ACTIVATIONS: Final = 17
"""Numbers a token, layer and channel that are kept for the way back, about; of Llama with fused attention: norms, queries, keys, values, what
attention gives, and an MLP 3.5 times as wide."""
