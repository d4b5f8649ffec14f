"""What every strategy answers, and what it leaves alone."""

from shortstack.errors import ConfigurationError
from shortstack.selection.selector import AdaptiveLayerSelector, Budget
from shortstack.testing.broken import UntriedError
from shortstack.testing.comparing import require
from shortstack.testing.law import law, promises
from shortstack.testing.laws.strategies.asking import answered, choices
from shortstack.testing.random_states import random_states, seeded
from shortstack.testing.recipes.questions import LayerQuestion, ParameterBudget
from shortstack.testing.shared import shared_settings
from shortstack.testing.strategies import layer_questions, parameter_budgets
from shortstack.testing.subject import Subject

EXACT = promises("exact")


@law("strategy", 24, question=layer_questions())
def within_budget(subject: Subject, *, question: LayerQuestion) -> None:
    """Of ``k`` layers that may stay, a strategy keeps 1 to ``k``: distinct layers of the teacher's, in ascending order."""
    for keep, found in choices(subject, question).items():
        require(1 <= len(found) <= keep, f"{len(found)} layers are kept, where 1 to {keep} may be")
        require(list(found) == sorted(set(found)), f"{list(found)} are not distinct and ascending")
        require(
            set(found) <= set(range(len(question.scores))), f"{list(found)}: there are {len(question.scores)} layers"
        )


@law("strategy", 24, when=EXACT, question=layer_questions())
def exact(subject: Subject, *, question: LayerQuestion) -> None:
    """Of ``k`` layers that may stay, all ``k`` do."""
    for keep, found in choices(subject, question).items():
        require(len(found) == keep, f"{len(found)} layers are kept, where {keep} may be")


@law("strategy", 24, when=EXACT, question=layer_questions())
def keep_all(subject: Subject, *, question: LayerQuestion) -> None:
    """A ratio of 1 keeps all layers."""
    _require_no_refusal(subject, question)
    selector = AdaptiveLayerSelector(strategy=subject.build(), budget=Budget(keep_ratio=1.0))
    found = selector.select(list(question.scores), probe=question.probe).kept

    require(found == tuple(range(len(question.scores))), f"layers {list(found)} of {len(question.scores)} are kept")


@law("strategy", 24, question=layer_questions(), budget=parameter_budgets())
def parameter_budget(subject: Subject, *, question: LayerQuestion, budget: ParameterBudget) -> None:
    """What is kept under a budget of parameters costs no more than that."""
    layers = len(question.scores)
    selector = AdaptiveLayerSelector(strategy=subject.build(), budget=budget.budget(layers=layers))
    try:
        found = selector.select(list(question.scores), probe=question.probe, **budget.prices(layers=layers)).kept
    except ConfigurationError:
        _require_no_refusal(subject, question)
        raise
    spent, allowed = budget.spent(found), budget.allowed(layers=layers)

    require(spent <= allowed, f"layers {list(found)} cost {spent} parameters, where {allowed} are allowed")


@law("strategy", 24, question=layer_questions())
def determinism(subject: Subject, *, question: LayerQuestion) -> None:
    """The same question gets the same answer, from a fresh strategy and from the same one, whatever the random state."""
    same, asked, found = subject.build(), question.build(), []
    for seed in (1, 2):
        with seeded(seed):
            found += [choices(subject, question), choices(subject, question, strategy=same, asked=asked)]
    for keep, first in found[0].items():
        answers = [each.get(keep) for each in found]

        require(len(set(answers)) == 1, f"of {keep} layers sometimes {first} are kept, sometimes others: {answers}")


@law("strategy", 24, question=layer_questions())
def question_untouched(subject: Subject, *, question: LayerQuestion) -> None:
    """Choosing leaves the question, its scores above all, the world's random state, and what a process shares as they were."""
    shared = shared_settings()
    for keep in choices(subject, question):
        asked = question.build()
        probe = asked.probe
        with seeded(77):  # Hypothesis starts each example at 0, and so does who seeds without need
            before = random_states()
            subject.build().choose(asked, keep)
            changed = [name for name, state in random_states().items() if state != before[name]]

        require(asked.scores == question.scores, f"the scores are {asked.scores} now")
        require(asked.probe is probe, "the question has another probe now")
        require(not changed, f"the global random state of {' and '.join(changed)} is another now")
    set_anew = [name for name, value in shared_settings().items() if value != shared[name]]
    require(not set_anew, f"choosing changed {', '.join(set_anew)}")


@law("strategy", 24, examples=5, question=layer_questions(layers=(40, 40)))
def many_layers(subject: Subject, *, question: LayerQuestion) -> None:
    """Of 40 layers too, a strategy keeps as many as may stay, be these the first few or all but a few."""
    layers = len(question.scores)
    for keep in (1, 2, layers - 2, layers - 1, layers):
        try:
            found = answered(subject.build(), question.build(), keep)
        except ConfigurationError:
            continue
        least = keep if EXACT.holds(subject) else 1
        require(
            least <= len(found) <= keep, f"{len(found)} of {layers} layers are kept, where {least} to {keep} may be"
        )
        require(list(found) == sorted(set(found)), f"{list(found)} are not distinct and ascending")


@law("strategy", 24, question=layer_questions())
def reason(subject: Subject, *, question: LayerQuestion) -> None:
    """Every answer says why, in one line of text."""
    for keep in choices(subject, question):
        said = subject.build().choose(question.build(), keep).reason

        require(isinstance(said, str) and said.strip() and len(said.splitlines()) == 1, f"the reason is {said!r}")


def _require_no_refusal(subject: Subject, question: LayerQuestion) -> None:
    """What a strategy refuses, a selector cannot do with it."""
    refused = len(question.scores) - len(choices(subject, question))
    if refused:
        raise UntriedError(f"the strategy refuses {refused} of {len(question.scores)} numbers of layers")
