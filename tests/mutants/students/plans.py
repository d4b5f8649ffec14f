"""Wrong plans: configs that do not match the kept layers, wrong parameter counts, settings that change on reload."""

import copy

import attrs
from torch import nn

from mutants.students.plain import PER_LAYER, Plain, blocks, descriptor, plain, planned, sources, write, wrong
from shortstack.contracts import Selection, StudentDescriptor
from shortstack.models import count_parameters


@attrs.frozen
class Sliced:
    """The teacher with the dropped layers taken off its list and the config left alone."""

    def shrink(self, config, selection):
        """Return the teacher's config."""
        return copy.deepcopy(config)

    def count_parameters(self, config):
        """Count those of the teacher."""
        return count_parameters(config).total

    def transfer(self, teacher, student, selection, calibration):
        """Copy all, then slice."""
        write(teacher, student, {name: name for name in student.state_dict()})
        parent, name = blocks(student)
        layers = getattr(parent, name)
        setattr(parent, name, nn.ModuleList(layers[layer] for layer in selection.kept))
        return sources(student, lambda new: selection.kept[new])


def first_kinds(config, selection):
    """Truncate per-layer lists to the new depth, regardless of which layers are kept."""
    student = planned(config, selection)
    for name in PER_LAYER:
        if name in config.to_dict():
            setattr(student, name, config.to_dict()[name][: len(selection.kept)])
    return student


def in_place(config, selection):
    """Change the teacher's own config and return it."""
    vars(config).update(vars(planned(config, selection)))
    return config


def first_layers(selection):
    """Select the first layers, as many as were selected."""
    return Selection(kept=tuple(range(len(selection.kept))), of=selection.of)


def tied_by_all_means(config, selection):
    """Tie the output rows to the input embeddings in every model."""
    student = planned(config, selection)
    student.tie_word_embeddings = True
    return student


def tied_twice(config):
    """Count the output rows even if they are tied."""
    extra = config.vocab_size * config.hidden_size if config.tie_word_embeddings else 0
    return count_parameters(config).total + extra


@attrs.frozen(kw_only=True)
class Percent:
    """A setting whose converter is not idempotent."""

    strength: float = attrs.field(default=50.0, converter=lambda percent: percent / 100)


MUTANTS = (
    wrong(
        descriptor("sliced", Sliced),
        "The list of layers is sliced, but the config keeps the old depth: a reload makes up the missing layers.",
        breaks={
            *("planned-depth", "parameter-count", "round-trip", "stock", "cached-generation", "composition"),
            *("others-skipped", "identity-layer"),  # the config's kinds of layers are taken by place
            "accounted-for",
        },
        pitfall=12,
    ),
    wrong(
        plain("first-kinds", plan=first_kinds),
        "The depth is cut, and layer_types after it: the kinds are those of the first layers, not of the kept ones.",
        breaks={"others-skipped", "identity-layer"},
        pitfall=14,
    ),
    wrong(
        plain("in-place", plan=in_place),
        "The teacher's config is changed instead of a copy.",
        breaks={"config-untouched", "teacher-untouched", "no-memory"},
    ),
    wrong(
        plain(
            "first-whatever",
            plan=lambda config, selection: planned(config, first_layers(selection)),
            layer_for=lambda _selection, new: new,
        ),
        "The selection's length is used, its layers are not: the first layers are always kept.",
        breaks={"others-skipped", "identity-layer"},
    ),
    wrong(
        plain("layers-as-text", layer_for=lambda selection, new: sorted(selection.kept, key=str)[new]),
        "The kept layers are sorted as text.",
        breaks={"others-skipped"},
    ),
    wrong(
        plain("tied-by-all-means", plan=tied_by_all_means),
        "Embeddings that the teacher keeps apart are tied.",
        breaks={"ties", "copies", "keep-all", "others-skipped", "identity-layer", "same-scalars"},
        pitfall=16,
    ),
    wrong(
        plain("tied-twice", count=tied_twice),
        "Tied embeddings are counted twice.",
        breaks={"parameter-count"},
        pitfall=16,
    ),
    wrong(
        plain("body-only", count=lambda config: count_parameters(config).body),
        "Embeddings are not counted.",
        breaks={"parameter-count"},
        pitfall=16,
    ),
    wrong(
        StudentDescriptor(
            name="percent", summary="A student to check.", build=lambda _settings: Plain(), config=Percent
        ),
        "A percentage becomes a share when it is read, and a smaller share when what was written is read again.",
        breaks={"settings"},
    ),
)
