"""Scorers do not depend on earlier measurements, other scorers, the process, the machine or other threads."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs
import torch

from shortstack.errors import EmptyDataError, UnsupportedModelError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.scorers.measuring import PAIRS, importance, one_batch, require_same, scores
from shortstack.testing.laws.scorers.witness import WITNESS, Witness, company
from shortstack.testing.other_process import FINDABLE, asked_elsewhere
from shortstack.testing.recipes.corpora import Corpus
from shortstack.testing.recipes.models import TinyModel
from shortstack.testing.strategies import corpora, models
from shortstack.testing.subject import Subject
from shortstack.testing.turns import frequent_turns

_FEW: Final = Corpus(lengths=(5, 3, 6, 4))
QUESTIONS: Final = (
    (TinyModel(layers=5), _FEW),
    (TinyModel(layers=5), attrs.evolve(_FEW, seed=1)),
    (TinyModel(family="gpt2", layers=4, odd=True), _FEW),
    (TinyModel(family="qwen3", layers=5, idle=(2,)), attrs.evolve(_FEW, seed=2)),
    (TinyModel(layers=5, seed=1), _FEW),
)
"""Models of one config with other weights, examples of the same lengths with other tokens, other families."""


@law("scorer", examples=PAIRS, model=models(layers=(1, 3)), first=corpora(), second=corpora())
def no_memory(subject: Subject, *, model: TinyModel, first: Corpus, second: Corpus) -> None:
    """A scorer keeps nothing from one measurement for the next: all that it accumulates is in the state."""
    scorer, built = subject.build(), model.build()
    importance(subject, built, one_batch(first), scorer=scorer)
    again = importance(subject, built, one_batch(second), scorer=scorer).scores
    fresh = importance(subject, built, one_batch(second)).scores

    require(
        torch.equal(again.nan_to_num(), fresh.nan_to_num()),
        f"{again.tolist()} from a scorer that was used before, {fresh.tolist()} from a fresh one",
    )


@law("scorer", examples=10, model=models(layers=(1, 3)), corpus=corpora())
def other_weights(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """A model whose weights were changed in place scores as another model with those weights does."""
    other = attrs.evolve(model, seed=model.seed + 1)
    built, batches = model.build(), one_batch(corpus)
    scores(subject, built, batches)
    built.load_state_dict(other.build().state_dict())
    again, fresh = scores(subject, built, batches), scores(subject, other.build(), batches)

    require_same(subject, model, again, fresh, "scores of a model that was measured before, with other weights since")


@law("scorer", when=FINDABLE)
def other_process(subject: Subject) -> None:
    """A scorer gives the same scores in another process, where the questions come in another order.

    That process has another ``PYTHONHASHSEED``, time zone, locale and working directory.
    """
    order = range(len(QUESTIONS))
    here, there = answers(subject, order), asked_elsewhere(subject, answers, order[::-1])
    for (model, corpus), ours, theirs in zip(QUESTIONS, here, there, strict=True):
        require(ours == theirs, f"of {model} and {corpus}: {ours} here, {theirs} in another process")


def answers(subject: Subject, order: Sequence[int]) -> list[str]:
    """Return a fresh scorer's answer to each question, in the order of ``QUESTIONS``."""
    results = {}
    for number in order:
        model, corpus = QUESTIONS[number]
        try:
            results[number] = str(scores(subject, model.build(), one_batch(corpus)).tolist())
        except (EmptyDataError, UnsupportedModelError) as error:
            results[number] = f"{type(error).__name__}: {error}"
    return [results[number] for number in sorted(results)]


@law("scorer", examples=10, model=models(layers=(2, 3)), corpus=corpora())
def company_counts_not(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """Measuring other scorers in the same pass changes no score: neither this scorer's nor theirs."""
    built, batches = model.build(), one_batch(corpus)
    alone = scores(subject, built, batches)
    theirs = company(subject, built, batches, {WITNESS: Witness()})[WITNESS].details
    everyone = {"before": Witness(), subject.name: subject.settings, WITNESS: Witness()}
    together = company(subject, built, batches, everyone)

    require_same(subject, model, together[subject.name].scores.double(), alone, "scores beside other scorers")
    for name, value in together[WITNESS].details.items():
        require(
            abs(value - theirs[name]) <= 1e-5 * abs(theirs[name]),
            f"another scorer that comes after it is given other signals: {name} is {value!r} instead of {theirs[name]!r}",
        )


@law("scorer", examples=2, model=models(layers=(2, 3), dtypes=("float64",)), corpus=corpora(examples=(3, 6)))
def threads(subject: Subject, *, model: TinyModel, corpus: Corpus) -> None:
    """One scorer used in several threads, each with its own model, gives the scores it gives in one."""
    built = [attrs.evolve(model, seed=seed, layers=model.layers + seed).build() for seed in range(4)]
    expected = [scores(subject, each, one_batch(corpus)) for each in built]
    scorer = subject.build()
    with frequent_turns(), ThreadPoolExecutor(len(built)) as pool:
        running = [pool.submit(importance, subject, each, one_batch(corpus), scorer=scorer) for each in built]
        results = [each.result().scores.double() for each in running]

    for actual, alone in zip(results, expected, strict=True):
        require_same(subject, model, actual, alone, "scores of one of four threads")
