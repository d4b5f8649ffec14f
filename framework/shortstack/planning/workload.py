"""Workload of a run's models: counted in the data, or assumed from numbers of users and items."""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from shortstack.config.given import Given
from shortstack.contracts.labels import IGNORED
from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.data.sequences import Sequences
from shortstack.run_layout import SEQUENCES
from shortstack.tasks import feedback_of, task_of
from shortstack.teachers.items import (
    brings_items,
    brought_catalogue,
    given_tokenizer,
    in_words,
    known_to,
    learns_items,
    texts_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedConfig

    from shortstack.config.run import RunConfig
    from shortstack.config.training import FitSettings


@attrs.frozen(kw_only=True, eq=False)
class Histories:
    """A run's data, read and split.

    Attributes:
        sequences: The users' histories.
        catalogue: The items, and ratings where models learn those as well.
        valid, test: int64: numbers of items before each case of these splits.
    """

    sequences: Sequences
    catalogue: Catalogue
    valid: "NDArray[np.int64]"
    test: "NDArray[np.int64]"

    @classmethod
    def load(cls, folder: Path, run: "RunConfig") -> "Histories":
        """Load what the data stage of a run wrote."""
        before = feedback_of(task_of(run.task).reads).history_lengths
        return cls(
            sequences=Sequences.load(folder / SEQUENCES),
            catalogue=Catalogue.load(folder),
            valid=before(folder, "valid"),
            test=before(folder, "test"),
        )

    def rows(self, run: "RunConfig") -> int:
        """Return the number of tokens that they add to the vocabulary of a teacher that learns them."""
        return self.catalogue.vocabulary - 1 if run.teacher.path is None else len(self.catalogue)


@attrs.frozen(kw_only=True)
class Workload:
    """The amount of data that a run's models process.

    Attributes:
        vocabulary: Rows of the embeddings.
        candidates: Number of candidates.
        examples: Number of training examples.
        lengths: int64: tokens of each training example, or of one like all.
        supervised: The mean number of labels a training example.
        cases: Numbers of validation and test cases.
        case_tokens: The mean number of tokens of a case.
    """

    vocabulary: int
    candidates: int
    examples: int
    lengths: "NDArray[np.int64]"
    supervised: float
    cases: tuple[int, int]
    case_tokens: int

    @classmethod
    def of_data(cls, run: "RunConfig", config: "PreTrainedConfig", data: Histories) -> "Workload":
        """Count the workload in the data."""
        from shortstack.data.rated_histories import RatedHistories

        sequences, catalogue = data.sequences, _spelt(run, data.catalogue)
        task = task_of(run.task)
        examples = task.training_examples(sequences, catalogue)
        # a sample of 256 examples, evenly spaced, is enough for a mean
        some = [examples[int(index)] for index in np.unique(np.linspace(0, len(examples) - 1, 256).astype(int))]
        if catalogue.options:
            test = sequences.cases("test")
            first = np.maximum(test.starts, test.stops + 1 - task.window)
            lengths = RatedHistories.of(sequences, catalogue).question_lengths(first, test.stops, test.stops)
        else:
            lengths = len(catalogue.opening) + np.minimum(data.test, task.window)
        return cls(
            vocabulary=_vocabulary(run, config, catalogue),
            candidates=len(catalogue.options) or len(catalogue),
            examples=len(examples),
            lengths=examples.lengths,
            supervised=float(np.mean([sum(label != IGNORED for label in example["labels"]) for example in some])),
            cases=(len(data.valid), len(data.test)),
            case_tokens=max(1, round(float(lengths.mean()))),
        )

    @classmethod
    def assumed(cls, run: "RunConfig", config: "PreTrainedConfig", users: int, items: int) -> "Workload":
        """Assume that every user has a full window and one case in each split."""
        task, options = task_of(run.task), feedback_of(task_of(run.task).reads).rates
        whole = [Item(id="", title="", token=token) for token in range(1, items + 1)]
        # a scale of five ratings is assumed
        scale = [Option(value=value, token=items + value) for value in range(1, 6)]
        catalogue = _spelt(run, Catalogue(items=whole, options=scale if options else ()))
        longest = catalogue.longest(task.window) + 1
        return cls(
            vocabulary=_vocabulary(run, config, catalogue),
            candidates=5 if options else items,
            examples=users,
            lengths=np.array([longest]),
            supervised=float(task.window),
            cases=(users, users),
            case_tokens=longest,
        )

    @property
    def widest(self) -> int:
        """Tokens of the longest training example, to which the batch that takes most memory is padded."""
        return int(self.lengths.max())

    def width(self, fit: "FitSettings") -> int:
        """Return the mean number of tokens of an example in a batch, padding included."""
        # the widest examples of 64 random batches; batches of similar lengths have hardly any padding
        drawn = np.random.default_rng(0).choice(self.lengths, size=(64, fit.batch_size // fit.accumulate))
        return ceil(float(np.mean(self.lengths) if fit.group_by_length else drawn.max(1).mean()))


def is_here(run: "RunConfig") -> bool:
    """Return True if a run's data can be read on this machine."""
    source = run.data.source
    return isinstance(source, Given) or Path(source).exists() or ":" in source


def _spelt(run: "RunConfig", catalogue: Catalogue) -> Catalogue:
    """Return the items as the teacher will read them; texts have the greatest length where its tokenizer is not here."""
    from shortstack.models.stored import stored_tokenizer
    from shortstack.models.verbalizer import opening_of

    if run.teacher.path is None:
        return catalogue
    folder = Path(run.teacher.path)
    if brings_items(run.teacher):
        return known_to(str(folder), brought_catalogue(run.teacher), catalogue)
    tokenizer_given = given_tokenizer(run.teacher)
    if tokenizer_given is not None or folder.is_dir():
        tokenizer = tokenizer_given or stored_tokenizer(folder)
        if catalogue.options:
            return in_words(run.teacher, tokenizer, texts_of(run.teacher, catalogue), catalogue)
        return attrs.evolve(catalogue, opening=opening_of(tokenizer, run.teacher.items.opening))
    if not catalogue.options:
        # about four letters per token; the values of the tokens do not matter
        return attrs.evolve(catalogue, opening=[1] * (len(run.teacher.items.opening) // 4))
    longest = run.teacher.prompt.longest + len(run.teacher.prompt.line) // 4
    items = [attrs.evolve(item, words=[1] * longest) for item in catalogue.items]
    return attrs.evolve(catalogue, items=items, opening=[1] * (len(run.teacher.prompt.opening) // 4))


def _vocabulary(run: "RunConfig", config: "PreTrainedConfig", catalogue: Catalogue) -> int:
    """Return the number of rows of the embeddings."""
    if run.teacher.path is None:
        return catalogue.vocabulary
    known: int = config.get_text_config().vocab_size
    return known + len(catalogue) if learns_items(run) else known
