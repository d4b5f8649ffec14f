"""Planning a student from the config alone."""

import copy
from collections.abc import Mapping
from typing import Any

from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import WHOLE_LAYERS, built
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import prunings
from shortstack.testing.subject import Subject


@law("student", when=WHOLE_LAYERS, pruning=prunings())
def planned_depth(subject: Subject, *, pruning: Pruning) -> None:
    """The student's config has as many layers as are kept; planning needs no model."""
    planned = subject.build().shrink(pruning.teacher.config(), pruning.selection)
    depth = planned.get_text_config().num_hidden_layers

    require(depth == len(pruning.kept), f"the config says {depth} layers, where {len(pruning.kept)} are kept")


@law("student", pruning=prunings())
def parameter_count(subject: Subject, *, pruning: Pruning) -> None:
    """The planned number of parameters is that of the finished model, shared storage counted once."""
    result = built(subject, pruning)
    sizes = {p.data_ptr(): p.numel() for p in result.student.parameters()}
    actual, promised = sum(sizes.values()), subject.build().count_parameters(result.planned)

    require(promised == actual, f"{promised:,} parameters were promised, the student has {actual:,}")


@law("student", pruning=prunings())
def same_scalars(subject: Subject, *, pruning: Pruning) -> None:
    """The student's vocabulary, special tokens, epsilons and rotary positions are the teacher's, defaults or not."""
    config = pruning.teacher.config()
    for name, value in _odd(config.to_dict()).items():
        setattr(config, name, value)
    theirs = copy.deepcopy(config.to_dict())
    ours = subject.build().shrink(config, pruning.selection).to_dict()
    changed = [name for name in sorted(theirs) if _is_kept(name) and ours.get(name) != theirs[name]]
    differences = ", ".join(f"{name} = {ours.get(name)!r} instead of {theirs[name]!r}" for name in changed)
    require(not changed, f"the student has {differences}")


@law("student", pruning=prunings())
def config_untouched(subject: Subject, *, pruning: Pruning) -> None:
    """Planning leaves the teacher's config as it was."""
    config = pruning.teacher.config()
    before = copy.deepcopy(config.to_dict())
    subject.build().shrink(config, pruning.selection)
    after = config.to_dict()
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))

    require(not changed, f"planning changed {', '.join(changed)} of the teacher's config")


def _odd(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return config values away from their defaults; a vocabulary that is no multiple of 8."""
    changed: dict[str, Any] = {name: 1e-3 for name in fields if name.endswith(("_eps", "_epsilon"))}
    if fields.get("rope_parameters"):
        changed["rope_parameters"] = _with_another_base(fields["rope_parameters"])
    return {**changed, "vocab_size": 43}


def _with_another_base(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return rotary parameters, of all layers or of each kind, with another base."""
    return {
        name: _with_another_base(value) if isinstance(value, Mapping) else 50.0 if name == "rope_theta" else value
        for name, value in parameters.items()
    }


def _is_kept(name: str) -> bool:
    """Return True for a field of a config that does not depend on the number of layers or their width."""
    return name in {
        "vocab_size",
        "max_position_embeddings",
        "n_positions",
        "rope_parameters",
        "tie_word_embeddings",
    } or (name.endswith(("_token_id", "_eps", "_epsilon", "_softcapping")))
