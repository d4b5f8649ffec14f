"""Statistics of what enters the linear modules of a layer, over the unmasked tokens of calibration batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import model_inputs

Statistic = Callable[[Tensor], Tensor]


def input_statistics(
    model: PreTrainedModel,
    linears: Mapping[str, nn.Linear],
    batches: Sequence[Mapping[str, Tensor]],
    statistic: Statistic,
) -> dict[str, Tensor]:
    """Return the sum over all batches of a statistic of each module's inputs, float64 by the module's name.

    Args:
        model: The model that the modules are in.
        linears: Name → module.
        batches: ``input_ids`` and ``attention_mask``, ``(batch, tokens)`` each.
        statistic: Inputs, float64 ``(unmasked tokens, inputs)`` → a tensor of one shape for all batches.

    Raises:
        UnsupportedModelError: A module does not see every token, as an expert.
    """
    sums: dict[str, Tensor] = {}
    for batch in batches:
        with _noting(linears, batch["attention_mask"].to(model.device).bool().flatten(), statistic, sums):
            model(**model_inputs(model, *(batch[name].to(model.device) for name in ("input_ids", "attention_mask"))))
    missing = next((name for name in linears if name not in sums), None)
    if missing is not None:
        raise UnsupportedModelError(
            f"no calibration token reaches {missing} of {type(model).__name__}; it cannot be compressed"
        )
    return sums


@contextmanager
def _noting(
    linears: Mapping[str, nn.Linear], unmasked: Tensor, statistic: Statistic, sums: dict[str, Tensor]
) -> Iterator[None]:
    """Add the statistic of what enters each module to ``sums``."""

    def note(name: str, inputs: Tensor) -> None:
        rows = inputs.reshape(-1, inputs.shape[-1])
        if len(rows) != len(unmasked):
            raise UnsupportedModelError(f"{name} sees {len(rows)} of {len(unmasked)} tokens; it cannot be compressed")
        part = statistic(rows[unmasked].double())
        sums[name] = sums[name] + part if name in sums else part

    with ExitStack() as stack:
        for name, linear in linears.items():
            handle = linear.register_forward_pre_hook(lambda _module, args, name=name: note(name, args[0]))
            stack.callback(handle.remove)
        yield
