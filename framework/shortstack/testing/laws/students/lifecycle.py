"""Uses of a student after it was built: generating, training, saving."""

import tempfile

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.parameters import planned_model
from shortstack.models.saving import save_model
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import (
    TOKENS,
    built,
    logits,
    prompt,
    require_equal,
    require_same_tensors,
)
from shortstack.testing.recipes.models import EXPERTS
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import prunings
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import CACHED, EXACT

HALF = TOKENS // 2


@law("student", pruning=prunings(dtypes=("float64", "float32")))
def cached_generation(subject: Subject, *, pruning: Pruning) -> None:
    """Token by token with a cache, a student gives the logits that it gives in one pass without one."""
    student = built(subject, pruning).student
    expected = logits(student)[:, HALF - 1 :]

    assert_close(_token_by_token(student, prompt()), expected, CACHED[pruning.teacher.dtype], "logits with a cache")


@law("student", pruning=prunings())
def round_trip(subject: Subject, *, pruning: Pruning) -> None:
    """Saved and loaded by stock transformers, it is the same model: class, config, names, tensors and logits."""
    student = built(subject, pruning).student
    with tempfile.TemporaryDirectory() as folder, silenced_transformers():
        save_model(student, folder)
        loaded, report = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    # files do not store the experts' implementation, and not every implementation supports every dtype
    loaded.set_experts_implementation(student.config._experts_implementation)  # noqa: SLF001 -- its only name

    odd = {kind: sorted(map(str, names)) for kind, names in report.items() if names}
    require(not odd, f"what was saved is not what is loaded: {odd}")
    require(type(loaded) is type(student), f"{type(loaded).__name__} is loaded, {type(student).__name__} was saved")
    require_same_tensors(loaded.state_dict(), student.state_dict(), "what was loaded and what was saved")
    # loading sets _name_or_path to the folder
    ours, theirs = ({**model.config.to_dict(), "_name_or_path": None} for model in (student, loaded))
    changed = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    require(not changed, f"the config says otherwise when it is loaded: {', '.join(changed)}")
    require_equal(logits(loaded), logits(student), "the logits of what was loaded and of what was saved")


@law("student", pruning=prunings())
def stock(subject: Subject, *, pruning: Pruning) -> None:
    """The student is what ``AutoModelForCausalLM`` makes of its config, module by module, without hooks."""
    student = built(subject, pruning).student
    ours, theirs = (
        {name: type(module).__qualname__ for name, module in model.named_modules()}
        for model in (student, planned_model(student.config))
    )
    odd = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    require(not odd, "; ".join(f"{name} is {ours.get(name)}, stock is {theirs.get(name)}" for name in odd[:3]))
    for name, module in student.named_modules():
        hooked = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)  # noqa: SLF001
        require(not hooked, f"{name or 'the student'} has a hook, or a forward of its own, that no file carries")


@law("student", pruning=prunings(dtypes=("float64", "float32")))
def causality(subject: Subject, *, pruning: Pruning) -> None:
    """Changing a token leaves the logits at earlier positions."""
    student, tokens = built(subject, pruning).student, prompt()
    changed = tokens.clone()
    changed[:, HALF] = (tokens[:, HALF] + 1) % student.config.vocab_size
    before, after = (logits(student, each)[:, :HALF] for each in (tokens, changed))
    grouped = pruning.teacher.family in EXPERTS  # experts process tokens in groups, whose size changes the rounding

    assert_close(after, before, CACHED[pruning.teacher.dtype] if grouped else EXACT, "logits before the other token")


@law("student", pruning=prunings())
def trainable(subject: Subject, *, pruning: Pruning) -> None:
    """After one backward pass every parameter has a finite gradient that is not all 0.

    Keys without rotary positions are the exception: their bias moves all scores of a query alike, so its gradient is 0.
    """
    student, tokens = built(subject, pruning).student, prompt()
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": tokens}
    student(**batch, use_cache=False).loss.backward()
    for name, parameter in student.named_parameters():
        gradient = parameter.grad
        require(gradient is not None, f"{name} has no gradient")
        require(gradient is None or bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")
        moot = pruning.teacher.family == "opt" and name.endswith("k_proj.bias")
        require(moot or gradient is None or bool(gradient.any()), f"the gradient of {name} is 0")


@law("student", pruning=prunings())
def evaluation_mode(subject: Subject, *, pruning: Pruning) -> None:
    """The student is returned in evaluation mode, with every module that computes something."""
    for name, module in built(subject, pruning).student.named_modules():
        listed = isinstance(module, nn.ModuleList)
        require(listed or not module.training, f"{name or 'the student'} is in training mode")


def _token_by_token(student: PreTrainedModel, tokens: Tensor) -> Tensor:
    """Return the logits from the last position of the first half on, with a cache: ``(2, tokens, vocabulary)``."""
    mask = torch.ones_like(tokens)
    with torch.no_grad():
        output = student(input_ids=tokens[:, :HALF], attention_mask=mask[:, :HALF], use_cache=True)
        steps = [output.logits[:, -1:]]
        for place in range(HALF, tokens.shape[1]):
            output = student(
                input_ids=tokens[:, place : place + 1],
                attention_mask=mask[:, : place + 1],
                past_key_values=output.past_key_values,
                use_cache=True,
            )
            steps.append(output.logits)
    return torch.cat(steps, dim=1)
