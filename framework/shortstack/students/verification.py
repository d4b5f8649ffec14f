"""Proofs that every student must pass before it is returned. All are cheap; a failure raises a ``ProofError``."""

import tempfile
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from shortstack.errors import ProofError, UnsupportedModelError
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.logits_check import logits_agree, random_prompt, uncached_logits
from shortstack.models.saving import save_model
from shortstack.models.ties import is_tied
from shortstack.students.config_comparison import different_settings

CACHES = ("past_key_values", "cache_params", "state")
"""Names of the cache among the families' arguments and outputs."""


def verify(teacher: PreTrainedModel, student: PreTrainedModel, copies: Mapping[str, str], planned: int) -> None:
    """Run every proof.

    Args:
        teacher: The source of the weights; not modified.
        student: The finished student, in eval mode.
        copies: Student tensor → teacher tensor, for every plain copy.
        planned: Number of parameters by the config.

    Raises:
        ProofError: A proof failed; the student must not be used.
    """
    prove_filled(student, copies)
    prove_settings(teacher, student)
    prove_copies(teacher, student, copies)
    prove_unshared(teacher, student)
    prove_ties(teacher, student, copies)
    prove_count(student, planned)
    prove_cache(teacher, student)
    prove_reload(student)


def prove_filled(student: PreTrainedModel, copies: Mapping[str, str]) -> None:
    """Prove that every tensor was written: the builder filled them with NaN before the transfer."""
    for name, tensor in student.state_dict().items():
        if name not in copies and tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise ProofError(f"the architecture left {name} unfilled: it must write every tensor of the student")


def prove_settings(teacher: PreTrainedModel, student: PreTrainedModel) -> None:
    """Prove that the config equals the teacher's, apart from layers and widths, and that the vocabulary is the same.

    Raises:
        ProofError: A field differs; names it.
    """
    rows = [model.get_input_embeddings().num_embeddings for model in (teacher, student)]
    different = [f"the vocabulary has {rows[1]} tokens instead of {rows[0]}"] if rows[0] != rows[1] else []
    different += different_settings(teacher, student)
    if different:
        raise ProofError(f"the student's config is another than the teacher's: {'; '.join(different[:3])}")


def prove_copies(teacher: PreTrainedModel, student: PreTrainedModel, copies: Mapping[str, str]) -> None:
    """Prove that every plain copy equals the teacher's tensor, bit for bit and in dtype."""
    ours, theirs = student.state_dict(), teacher.state_dict()
    for name, source in copies.items():
        if name not in ours or source not in theirs:
            raise ProofError(f"the map says {name} ← {source}, but there is no such tensor")
        if ours[name].dtype != theirs[source].dtype or not torch.equal(ours[name], theirs[source]):
            raise ProofError(f"{name} is not the teacher's {source}, of which it should be a copy")


def prove_unshared(teacher: PreTrainedModel, student: PreTrainedModel) -> None:
    """Prove that no tensor of the student shares memory with the teacher."""
    owners = {_storage(tensor): name for name, tensor in teacher.state_dict().items() if tensor.numel()}
    for name, tensor in student.state_dict().items():
        if tensor.numel() and _storage(tensor) in owners:
            raise ProofError(f"{name} shares memory with the teacher's {owners[_storage(tensor)]}")


def prove_ties(teacher: PreTrainedModel, student: PreTrainedModel, copies: Mapping[str, str]) -> None:
    """Prove that tensors are tied in the student exactly where they are tied in the teacher."""
    ours, theirs = student.state_dict(), teacher.state_dict()
    partners: dict[int, set[int]] = defaultdict(set)
    for name, source in copies.items():
        partners[_storage(theirs[source])].add(_storage(ours[name]))
    untied = any(len(copied_to) > 1 for copied_to in partners.values())
    if untied or is_tied(teacher) != is_tied(student) or len(set().union(*partners.values())) != len(partners):
        raise ProofError(
            "tied weights differ: what the teacher keeps in one tensor the student must keep in one, and no more"
        )


def prove_count(student: PreTrainedModel, planned: int) -> None:
    """Prove that the number of parameters is the planned one."""
    actual = sum(p.numel() for p in student.parameters())
    if actual != planned:
        raise ProofError(f"the student has {actual:,} parameters, but its config promises {planned:,}")


def prove_cache(teacher: PreTrainedModel, student: PreTrainedModel) -> None:
    """Prove that generation token by token with a cache gives the logits of one pass without.

    Raises:
        ProofError: The logits differ.
        UnsupportedModelError: They differ in the teacher too, so that nothing can be proved.
    """
    problem = _cache_problem(student)
    if problem and _cache_problem(teacher):
        raise UnsupportedModelError(
            f"{type(teacher).__name__} ({teacher.config.model_type}) is not sure of its own cache, so a student of it "
            f"cannot be proved: {_cache_problem(teacher)}"
        )
    if problem:
        raise ProofError(problem)


def _cache_problem(model: PreTrainedModel) -> str:
    """Return the error of generation with a cache; empty if it is correct, or if the family has no cache."""
    try:
        whole, steps = _with_and_without_cache(model, random_prompt(model))
    except (IndexError, RuntimeError, ValueError) as error:
        return f"generation with a cache fails: {str(error).splitlines()[0]}"
    if logits_agree(whole, steps):
        return ""
    return "generation with a cache differs from generation without: a layer writes to the wrong place"


def _with_and_without_cache(model: PreTrainedModel, prompt: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits from the middle of the prompt on, in one pass and token by token."""
    mask, half = torch.ones_like(prompt), prompt.shape[1] // 2
    whole = uncached_logits(model)[:, half - 1 :]
    with torch.no_grad():
        output = model(input_ids=prompt[:, :half], attention_mask=mask[:, :half], use_cache=True)
        cache = next((name for name in CACHES if output.get(name) is not None), None)
        if cache is None:
            return whole[:, :1], output.logits[:, -1:]
        steps = [output.logits[:, -1:]]
        for place in range(half, prompt.shape[1]):
            # recurrent states have no length that a mask could have
            seen = {"attention_mask": mask[:, : place + 1]} if cache == CACHES[0] else {}
            output = model(input_ids=prompt[:, place : place + 1], use_cache=True, **{cache: output[cache]}, **seen)
            steps.append(output.logits)
    return whole, torch.cat(steps, dim=1)


def prove_reload(student: PreTrainedModel) -> None:
    """Prove that the student is the same model after saving, and loading by stock transformers."""
    with tempfile.TemporaryDirectory() as folder, silenced_transformers():
        save_model(student, folder)
        student.config.dtype = student.dtype  # saving replaces the dtype by its name
        reloaded, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=student.dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        # files do not say how experts are computed, and not every way can compute every dtype
        reloaded.set_experts_implementation(student.config._experts_implementation)  # noqa: SLF001 -- its only name
        _prove_same(student, reloaded.eval(), {key: sorted(map(str, names)) for key, names in report.items() if names})


def _prove_same(student: PreTrainedModel, reloaded: PreTrainedModel, report: Mapping[str, list[str]]) -> None:
    if type(reloaded) is not type(student):
        raise ProofError(f"a reload gives {type(reloaded).__name__} instead of {type(student).__name__}")
    if report:
        raise ProofError(f"a reload does not find what was saved: {dict(report)}")
    ours, again = student.state_dict(), reloaded.state_dict()
    different = [n for n in ours if n not in again or not torch.equal(ours[n].cpu(), again[n])]
    if different or ours.keys() != again.keys():
        raise ProofError(f"a reload changes {', '.join(different) or 'the names of tensors'}")
    if not logits_agree(uncached_logits(student), uncached_logits(reloaded.to(student.device))):
        raise ProofError("a reload has the same tensors but other logits: the config does not say all")


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
