"""Every file of a finished run or study: damaged, lost, another's, or a link."""

import json
from pathlib import Path

from campaign.bases import RUN, STUDY
from campaign.case import Case
from campaign.recipes import damaged, trees, written
from hypothesis import strategies as st

OUT = "out"
COMMANDS = {
    "run": (RUN, ("audit", OUT), ("recommend", OUT, "--history", "i1", "--json"), ("plan", OUT, "--tflops", "1")),
    "study": (STUDY, ("study-report", OUT), ("compare", f"{OUT}/runs/seed=0", f"{OUT}/runs/seed=1")),
}
COMPARED = {"run", "audit", "study"}
"""Commands that go on with a run or study, so that they must give what it gives, or say which of its files is another."""


def cases(bases: Path) -> st.SearchStrategy[Case]:
    """Draw a finished run, or study, of which one file is another, and a command that reads it."""
    return st.sampled_from(sorted(COMMANDS)).flatmap(lambda base: _of_base(bases, base))


def _of_base(bases: Path, base: str) -> st.SearchStrategy[Case]:
    folder = bases / base / OUT
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    changes = st.sampled_from(names).flatmap(lambda name: _changed(folder, name, names))
    return st.builds(lambda files, command: _case(base, files, command), changes, st.sampled_from(COMMANDS[base]))


def _case(base: str, files: dict[str, bytes | str | None], command: tuple[str, ...]) -> Case:
    return Case(base=base, files=files, command=command, writes=(OUT,), compared=command[0] in COMPARED)


def _changed(folder: Path, name: str, names: list[str]) -> st.SearchStrategy[dict[str, bytes | str | None]]:
    content = (folder / name).read_bytes()
    others = st.sampled_from(names).map(lambda other: (folder / other).read_bytes())
    ways = [damaged(content), damaged(content, 1), others, st.sampled_from([None, b"", "/dev/null", "nowhere"])]
    if name.endswith(".json"):
        ways += [trees(json.loads(content)).map(written)] * 2
    return st.one_of(ways).map(lambda new: {f"{OUT}/{name}": new})
