"""What a student architecture plans from the config alone."""

import copy

from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import WHOLE_LAYERS, built
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import prunings
from shortstack.testing.subject import Subject


@law("student", 32, when=WHOLE_LAYERS, pruning=prunings())
def planned_depth(subject: Subject, *, pruning: Pruning) -> None:
    """The student's config has as many layers as are kept; planning needs no model."""
    planned = subject.build().shrink(pruning.teacher.config(), pruning.selection)
    depth = planned.get_text_config().num_hidden_layers

    require(depth == len(pruning.kept), f"the config says {depth} layers, where {len(pruning.kept)} are kept")


@law("student", 32, pruning=prunings())
def parameter_count(subject: Subject, *, pruning: Pruning) -> None:
    """The count that is promised for a config is that of the finished model, shared storage counted once."""
    found = built(subject, pruning)
    sizes = {p.data_ptr(): p.numel() for p in found.student.parameters()}
    actual, promised = sum(sizes.values()), subject.build().count_parameters(found.planned)

    require(promised == actual, f"{promised:,} parameters were promised, the student has {actual:,}")


@law("student", 35, pruning=prunings())
def config_untouched(subject: Subject, *, pruning: Pruning) -> None:
    """Planning leaves the teacher's config as it was."""
    config = pruning.teacher.config()
    before = copy.deepcopy(config.to_dict())
    subject.build().shrink(config, pruning.selection)
    after = config.to_dict()
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))

    require(not changed, f"planning changed {', '.join(changed)} of the teacher's config")
