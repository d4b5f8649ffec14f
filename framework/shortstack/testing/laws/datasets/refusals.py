"""Sources that an adapter recognises, and those that it leaves to others."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st

from shortstack.contracts import Edition
from shortstack.errors import DataError, SourceNotFoundError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import WRITES, failure_of, read, written
from shortstack.testing.recipes.damage import OtherSource, other_sources
from shortstack.testing.recipes.tables import InteractionTable, interaction_tables
from shortstack.testing.subject import Subject


@law("dataset", when=WRITES, table=interaction_tables())
def detects_its_own(subject: Subject, *, table: InteractionTable) -> None:
    """The adapter recognises what it can read, given as a path or a string, as the edition that it reads."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        name = read(subject, place.source).edition.name
        for source in (place.source, str(place.source)):
            edition: Edition | None = subject.build().detect(source)
            require(edition is not None, "it can be read, but is not recognised")
            require(
                isinstance(edition, Edition) and edition.name == name, f"recognised as {edition}, but read as {name!r}"
            )


@law("dataset", source=other_sources())
def other_sources_are_left(subject: Subject, *, source: OtherSource) -> None:
    """An empty folder and files of something else are not recognised, and reading them is a DataError."""
    with TemporaryDirectory(prefix="shortstack-") as name:
        place = source.write(Path(name))
        edition = subject.build().detect(place)
        error = failure_of(subject, place)
    require(edition is None, f"{source} is recognised as {edition}")
    require(isinstance(error, DataError), f"reading {source} gives {error!r}, not a DataError")


NAMES = st.sampled_from(["nothing", "nothing.csv", "nothing.tsv", "nothing.zip", "nothing.jsonl", "no/where.dat"])


@law("dataset", name=NAMES)
def missing_source(subject: Subject, *, name: str) -> None:
    """A source that does not exist is not recognised, and reading it is a SourceNotFoundError that names it."""
    with TemporaryDirectory(prefix="shortstack-") as folder:
        place = Path(folder) / name
        edition = subject.build().detect(place)
        error = failure_of(subject, place)
    require(edition is None, f"a source that is not there is recognised as {edition}")
    require(isinstance(error, SourceNotFoundError), f"reading it gives {error!r}, not a SourceNotFoundError")
    require(str(place) in str(error), f"the error does not name {place}: {error}")
