"""Files of users for many recommendations at once, with something odd in them."""

from pathlib import Path

from campaign.case import Case
from campaign.recipes import damaged, odd_field, odd_object
from hypothesis import strategies as st

OPTIONS = ((), ("--skip-unknown",), ("--titles", "--top", "99"), ("--seen", "include"), ("--skip-unknown", "--titles"))
OUT = "answers.parquet"


def cases(bases: Path) -> st.SearchStrategy[Case]:
    """Draw a file of users that is odd, of each kind that may be given, and how it is answered."""
    return st.sampled_from(sorted((bases / "users").iterdir())).flatmap(_of_kind)


def _of_kind(file: Path) -> st.SearchStrategy[Case]:
    content = file.read_bytes()
    return st.builds(
        lambda new, options: Case(
            base="run",
            files={file.name: new},
            command=("recommend", "out", "--users", file.name, "--out", OUT, *options),
            writes=(OUT, f".{OUT}.parts"),
        ),
        st.one_of(damaged(content), odd_field(content), odd_object(content)),
        st.sampled_from(OPTIONS),
    )
