"""Files of every adapter with something odd in them."""

import json
from pathlib import Path

from campaign.case import Case
from campaign.recipes import damaged, odd_field, odd_object
from hypothesis import strategies as st

OPTIONS = (
    (),
    ("--json",),
    ("--core", "0"),
    ("--core", "2", "--skip-bad-rows"),
    ("--split", "ratio"),
    ("--order", "file"),
)
TABLE = (
    "--set",
    "user=user",
    "--set",
    "item=item",
    "--set",
    "rating=rating",
    "--set",
    "timestamp=time",
    "--set",
    "title=title",
)


def samples(bases: Path) -> dict[str, tuple[str, str]]:
    """Return each folder of an adapter's files: the adapter's name, and the path of the source in it."""
    return {
        name: tuple(pair) for name, pair in json.loads((bases / "samples.json").read_text(encoding="utf-8")).items()
    }


def cases(bases: Path) -> st.SearchStrategy[Case]:
    """Draw a source of which one file is odd, and how it is looked into."""
    return st.sampled_from(sorted(samples(bases))).flatmap(lambda name: _of_sample(bases, name))


@st.composite
def _of_sample(draw: st.DrawFn, bases: Path, name: str) -> Case:
    adapter, source = samples(bases)[name]
    files = sorted(path for path in (bases / name).rglob("*") if path.is_file())
    path = draw(st.sampled_from(files))
    content = path.read_bytes()
    new = draw(st.one_of(damaged(content), odd_field(content), odd_object(content), st.none()))
    options = draw(st.sampled_from(OPTIONS)) + (draw(st.sampled_from([(), TABLE])) if adapter == "table" else ())
    return Case(
        base=name,
        files={path.relative_to(bases / name).as_posix(): new},
        command=("data", "inspect", adapter, source, *options),
    )
