"""Form of every strategy's choice, and the absence of side effects."""

from shortstack.errors import ConfigurationError
from shortstack.selection.selector import AdaptiveLayerSelector, Budget
from shortstack.testing.broken import UntriedError
from shortstack.testing.comparing import require
from shortstack.testing.law import law, promises
from shortstack.testing.laws.strategies.choosing import answered, choices
from shortstack.testing.random_states import random_states, seeded
from shortstack.testing.recipes.questions import LayerQuestion, ParameterBudget
from shortstack.testing.shared import shared_settings
from shortstack.testing.strategies import layer_questions, parameter_budgets
from shortstack.testing.subject import Subject

EXACT = promises("exact")


@law("strategy", question=layer_questions())
def within_budget(subject: Subject, *, question: LayerQuestion) -> None:
    """A strategy allowed ``k`` layers keeps 1 to ``k``: distinct indices in ascending order."""
    for keep, kept in choices(subject, question).items():
        require(1 <= len(kept) <= keep, f"{len(kept)} layers are kept, where 1 to {keep} may be")
        require(list(kept) == sorted(set(kept)), f"{list(kept)} are not distinct and ascending")
        require(set(kept) <= set(range(len(question.scores))), f"{list(kept)}: there are {len(question.scores)} layers")


@law("strategy", when=EXACT, question=layer_questions())
def exact(subject: Subject, *, question: LayerQuestion) -> None:
    """A strategy allowed ``k`` layers keeps exactly ``k``."""
    for keep, kept in choices(subject, question).items():
        require(len(kept) == keep, f"{len(kept)} layers are kept, where {keep} may be")


@law("strategy", when=EXACT, question=layer_questions())
def keep_all(subject: Subject, *, question: LayerQuestion) -> None:
    """A ratio of 1 keeps all layers."""
    _require_no_refusal(subject, question)
    selector = AdaptiveLayerSelector(strategy=subject.build(), budget=Budget(keep_ratio=1.0))
    kept = selector.select(list(question.scores), probe=question.probe).kept

    require(kept == tuple(range(len(question.scores))), f"layers {list(kept)} of {len(question.scores)} are kept")


@law("strategy", question=layer_questions(), budget=parameter_budgets())
def parameter_budget(subject: Subject, *, question: LayerQuestion, budget: ParameterBudget) -> None:
    """The layers kept under a budget of parameters cost no more than the budget."""
    layers = len(question.scores)
    selector = AdaptiveLayerSelector(strategy=subject.build(), budget=budget.budget(layers=layers))
    try:
        kept = selector.select(list(question.scores), probe=question.probe, **budget.prices(layers=layers)).kept
    except ConfigurationError:
        _require_no_refusal(subject, question)
        raise
    spent, allowed = budget.spent(kept), budget.allowed(layers=layers)

    require(spent <= allowed, f"layers {list(kept)} cost {spent} parameters, where {allowed} are allowed")


@law("strategy", question=layer_questions())
def determinism(subject: Subject, *, question: LayerQuestion) -> None:
    """The same question gets the same answer, from a fresh strategy or the same one, whatever the random state."""
    same, built, answers_by_keep = subject.build(), question.build(), []
    for seed in (1, 2):
        with seeded(seed):
            answers_by_keep += [choices(subject, question), choices(subject, question, strategy=same, built=built)]
    for keep, first in answers_by_keep[0].items():
        answers = [each.get(keep) for each in answers_by_keep]

        require(len(set(answers)) == 1, f"of {keep} layers sometimes {first} are kept, sometimes others: {answers}")


@law("strategy", question=layer_questions())
def question_untouched(subject: Subject, *, question: LayerQuestion) -> None:
    """Choosing changes neither the question, nor the global random state, nor process-wide settings."""
    shared = shared_settings()
    for keep in choices(subject, question):
        built = question.build()
        probe = built.probe
        # not 0: Hypothesis seeds each example with 0, which would hide a strategy that seeds with 0 itself
        with seeded(77):
            before = random_states()
            subject.build().choose(built, keep)
            changed = [name for name, state in random_states().items() if state != before[name]]

        require(built.scores == question.scores, f"the scores are {built.scores} now")
        require(built.probe is probe, "the question has another probe now")
        require(not changed, f"the global random state of {' and '.join(changed)} is another now")
    set_anew = [name for name, value in shared_settings().items() if value != shared[name]]
    require(not set_anew, f"choosing changed {', '.join(set_anew)}")


@law("strategy", examples=5, question=layer_questions(layers=(40, 40)))
def many_layers(subject: Subject, *, question: LayerQuestion) -> None:
    """With 40 layers too, a strategy keeps as many as may stay, whether few or nearly all."""
    layers = len(question.scores)
    for keep in (1, 2, layers - 2, layers - 1, layers):
        try:
            kept = answered(subject.build(), question.build(), keep)
        except ConfigurationError:
            continue
        least = keep if EXACT.holds(subject) else 1
        require(least <= len(kept) <= keep, f"{len(kept)} of {layers} layers are kept, where {least} to {keep} may be")
        require(list(kept) == sorted(set(kept)), f"{list(kept)} are not distinct and ascending")


@law("strategy", question=layer_questions())
def reason(subject: Subject, *, question: LayerQuestion) -> None:
    """Every choice gives its reason, in one line of text."""
    for keep in choices(subject, question):
        said = subject.build().choose(question.build(), keep).reason

        require(isinstance(said, str) and said.strip() and len(said.splitlines()) == 1, f"the reason is {said!r}")


def _require_no_refusal(subject: Subject, question: LayerQuestion) -> None:
    """Leave the example untried if the strategy refuses some number of layers: a selector cannot overcome that."""
    refused = len(question.scores) - len(choices(subject, question))
    if refused:
        raise UntriedError(f"the strategy refuses {refused} of {len(question.scores)} numbers of layers")
