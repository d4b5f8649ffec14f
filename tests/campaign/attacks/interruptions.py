"""Commands that write: killed at any moment of their CPU time, or with a disk that is full."""

from pathlib import Path

from campaign.bases import RUN, STUDY, USERS, score
from campaign.case import Case, Limit
from hypothesis import strategies as st

MERGE = ("merge", "scores.json.1-of-2.safetensors", "scores.json.2-of-2.safetensors", "--json", "merged.json")
PLACES = (
    ("inputs", RUN, ("out",)),
    ("inputs", STUDY, ("out",)),
    ("run", ("audit", "out"), ("out",)),
    ("model", score(), ("scores.json",)),
    ("parts", MERGE, ("merged.json",)),
    ("run", USERS, ("users.parquet", ".users.parquet.parts")),
    ("study", ("study-report", "out"), ("out",)),
)
SIZES = st.integers(0, 20).map(lambda power: 1 << power) | st.integers(0, 1 << 20)


def kills(_bases: Path) -> st.SearchStrategy[Case]:
    """Draw a command and a moment, uniform over the CPU time that it takes."""
    return _interrupted(st.integers(0, 9_999).map(lambda part: Limit(killed_at=part / 10_000)))


def full_disks(_bases: Path) -> st.SearchStrategy[Case]:
    """Draw a command and the bytes that its disk has left."""
    return _interrupted(SIZES.map(lambda size: Limit(disk_bytes=size)))


def file_limits(_bases: Path) -> st.SearchStrategy[Case]:
    """Draw a command and the bytes that a file may have."""
    return _interrupted(SIZES.map(lambda size: Limit(file_bytes=size)))


def _interrupted(limits: st.SearchStrategy[Limit]) -> st.SearchStrategy[Case]:
    return st.builds(
        lambda place, limit: Case(base=place[0], command=place[1], writes=place[2], compared=True, limit=limit),
        st.sampled_from(PLACES),
        limits,
    )
