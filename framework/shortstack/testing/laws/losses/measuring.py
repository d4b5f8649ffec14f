"""Helpers of the laws of losses: prepare a loss, compute its result, compare results."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import attrs
import torch
from torch import Tensor, nn

from shortstack.config.reader import structure
from shortstack.contracts import AttentionInputs, DistillationLoss, ModelOutputs, Output
from shortstack.distillation.weighted_losses import WeightedLoss
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import Condition
from shortstack.testing.recipes.loss_inputs import Given, LossInputs
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import A_TERM, DOUBLE, SINGLE, Tolerance


def needs_any(*outputs: Output) -> Condition:
    """Return the condition that a loss needs one of these outputs."""
    return Condition(
        words=f"it needs {' or '.join(output.value for output in outputs)}",
        holds=lambda subject: not subject.build().needs.isdisjoint(outputs),
    )


ON_LOGITS = needs_any(Output.STUDENT_LOGITS)
ON_STATES = needs_any(Output.STUDENT_STATES)
ON_ATTENTION = needs_any(Output.STUDENT_ATTENTION)
OF_TEACHER = needs_any(Output.TEACHER_LOGITS, Output.TEACHER_STATES, Output.TEACHER_ATTENTION)


@attrs.frozen(kw_only=True, eq=False)
class Ready:
    """Loss with the module that it prepared for two models."""

    loss: DistillationLoss
    module: nn.Module | None


@attrs.frozen(kw_only=True, eq=False)
class Answer:
    """Result of a loss on one batch.

    Attributes:
        value: The sum, detached.
        count: Number of terms.
        gradients: Gradients of the sum with respect to the student's outputs and the loss's own parameters, by name.
    """

    value: Tensor
    count: Tensor
    gradients: Mapping[str, Tensor]


def ready(subject: Subject, inputs: LossInputs, *, alone: bool = False) -> Ready:
    """Return a fresh loss, prepared as the trainer does it, with or without a teacher; its module in eval mode."""
    loss: DistillationLoss = WeightedLoss(name=subject.name, loss=subject.build()).loss  # raises if it is no loss
    teacher = (None, None) if alone else (inputs.teacher_config(), inputs.selection())
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        module = loss.prepare(teacher[0], inputs.student_config(), teacher[1])
    return Ready(loss=loss, module=module and module.to(getattr(torch, inputs.dtype)).eval())


def answer(subject: Subject, inputs: LossInputs, given: Given | None = None, *, seed: int = 0) -> Answer:
    """Return the result of a fresh loss on one batch: ``given``, or else the recipe's."""
    return answered(ready(subject, inputs), given or inputs.build(), seed=seed)


def answered(one: Ready, given: Given, *, seed: int = 0) -> Answer:
    """Return the result of a loss on copies of one batch, with the random state seeded."""
    leaves = outputs_by_name(given.student)
    for leaf in leaves.values():
        leaf.requires_grad_()
    parameters = dict(one.module.named_parameters()) if one.module else {}
    learning = {**leaves, **{f"the loss's own {name}": p for name, p in parameters.items() if p.requires_grad}}
    student, teacher = rebuilt(given.student, leaves), rebuilt(given.teacher, outputs_by_name(given.teacher))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        value = one.loss(student, teacher, given.batch, one.module)
    count = one.loss.count(given.batch)
    require(isinstance(value, Tensor), f"the loss gave {value!r:.80}; a loss is one sum in float32 or float64")
    require(isinstance(count, Tensor), f"the loss counted {count!r:.80}; a count is the number of terms, one int64")
    return Answer(value=value.detach(), count=count, gradients=gradients_of(value, learning))


def gradients_of(value: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the gradient with respect to each leaf, 0 where the value does not depend on it."""
    if not value.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    gradients = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(leaves, gradients, strict=True))


def outputs_by_name(outputs: ModelOutputs) -> dict[str, Tensor]:
    """Return detached copies of all outputs of a model."""
    named = {} if outputs.logits is None else {"logits": outputs.logits}
    named.update({_states(layer): state for layer, state in (outputs.states or {}).items()})
    for layer, inputs in (outputs.attention or {}).items():
        named.update({_part(name, layer): part for name, part in parts_of(inputs).items()})
    return {name: tensor.detach().clone() for name, tensor in named.items()}


def rebuilt(outputs: ModelOutputs, tensors: Mapping[str, Tensor]) -> ModelOutputs:
    """Return outputs with other tensors, cloned so that none is a leaf: the outputs of a real model are none either."""
    attention = outputs.attention and {
        layer: AttentionInputs(**{name: tensors[_part(name, layer)].clone() for name in parts_of(inputs)})
        for layer, inputs in outputs.attention.items()
    }
    return ModelOutputs(
        logits=None if outputs.logits is None else tensors["logits"].clone(),
        states=outputs.states and {layer: tensors[_states(layer)].clone() for layer in outputs.states},
        attention=attention,
    )


def parts_of(inputs: AttentionInputs) -> dict[str, Tensor]:
    """Return queries, keys and values by name, each ``(batch, heads, tokens, head_size)``."""
    return {"queries": inputs.queries, "keys": inputs.keys, "values": inputs.values}


def of_attention(name: str) -> bool:
    """Return True if ``outputs_by_name`` gives this name to queries, keys or values."""
    return name.startswith(("queries", "keys", "values"))


def _states(layer: int) -> str:
    return f"states of layer {layer}"


def _part(name: str, layer: int) -> str:
    return f"{name} of layer {layer}"


def at_tokens(outputs: ModelOutputs, change: Callable[[Tensor], Tensor]) -> ModelOutputs:
    """Return outputs with other states and attention: ``change`` gets each with its tokens in dimension 1."""

    def changed(inputs: AttentionInputs) -> AttentionInputs:
        return AttentionInputs(
            **{name: change(x.transpose(1, 2)).transpose(1, 2) for name, x in parts_of(inputs).items()}
        )

    return attrs.evolve(
        outputs,
        states=outputs.states and {layer: change(state) for layer, state in outputs.states.items()},
        attention=outputs.attention and {layer: changed(inputs) for layer, inputs in outputs.attention.items()},
    )


def everywhere(outputs: ModelOutputs, change: Callable[[Tensor], Tensor]) -> ModelOutputs:
    """Return outputs with every tensor changed, logits too."""
    return at_tokens(attrs.evolve(outputs, logits=change(logits_of(outputs))), change)


def with_logits(given: Given, change: Callable[[Tensor], Tensor]) -> Given:
    """Return the inputs with other logits of both models."""
    return of_both(given, lambda outputs: attrs.evolve(outputs, logits=change(logits_of(outputs))))


def of_both(given: Given, change: Callable[[ModelOutputs], ModelOutputs]) -> Given:
    """Return the inputs with other outputs of both models."""
    return attrs.evolve(given, student=change(given.student), teacher=change(given.teacher))


def logits_of(outputs: ModelOutputs) -> Tensor:
    """Return the logits, which recipes always make."""
    return cast("Tensor", outputs.logits)


def temperature_of(subject: Subject) -> float:
    """Return the setting ``temperature``; 1 where there is no such setting."""
    config: Any = structure(subject.descriptor.config, subject.settings, subject.name)
    temperature = attrs.asdict(config, recurse=False).get("temperature")
    return float(temperature) if isinstance(temperature, int | float) else 1.0


def at_temperature(subject: Subject, temperature: float) -> Subject:
    """Return the same loss at another temperature; the subject itself where there is no such setting."""
    if "temperature" not in {field.name for field in attrs.fields(subject.descriptor.config)}:
        return subject
    return attrs.evolve(subject, settings={**subject.settings, "temperature": temperature})


def slack(subject: Subject, given: Given, dtype: torch.dtype) -> float:
    """Return the rounding allowed for one term: it grows with the largest logit and with ``T²`` or ``1/T``."""
    temperature = temperature_of(subject)
    logits = torch.cat([logits_of(given.student).flatten(), logits_of(given.teacher).flatten(), torch.ones(1)])
    largest = float(logits[logits.isfinite()].abs().max())
    return A_TERM["float64" if dtype == torch.float64 else "float32"] * max(temperature**2, 1 / temperature) * largest


def tolerance_of(value: Tensor) -> Tolerance:
    """Return the tolerance for sums of this dtype; a loss may compute in float32 whatever it is given."""
    return DOUBLE if value.dtype == torch.float64 else SINGLE


def require_same(subject: Subject, given: Given, actual: Answer, expected: Answer, what: str) -> None:
    """Raise unless two results have the same value, count and gradients, up to rounding."""
    terms = max(1, int(actual.count))
    tolerance = tolerance_of(actual.value)
    a_term = slack(subject, given, actual.value.dtype)
    assert_close(actual.count, expected.count, tolerance, f"the count {what}")
    assert_close(actual.value, expected.value, attrs.evolve(tolerance, absolute=terms * a_term), f"the sum {what}")
    for name, gradient in expected.gradients.items():
        assert_close(
            actual.gradients[name], gradient, attrs.evolve(tolerance, absolute=a_term), f"the gradient of {name} {what}"
        )
