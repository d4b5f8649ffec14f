"""A run's test users through its ONNX export, in an environment that has neither torch nor shortstack.

    python -m benchmarks.exported_users runs/quickstart

The environment is made of onnxruntime, numpy and what these need, linked from this one; the lists are compared with those of
``Recommender.recommend_many``.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from shortstack import Recommender, export_recommender
from shortstack.data.sequences import Sequences
from shortstack.run_layout import DATA, SEQUENCES, STUDENT

ABSENT: Final = ("torch", "shortstack", "transformers")
_CODE: Final = """
import importlib.util, json, sys
absent = [name for name in json.loads(sys.argv[2]) if importlib.util.find_spec(name) is None]
sys.path.insert(0, sys.argv[1])
from recommend import Reader
print(json.dumps([absent, Reader().recommend(json.load(sys.stdin))]))
"""


@attrs.frozen(kw_only=True)
class Compared:
    """Lists of an export beside those of its recommender.

    Attributes:
        users: Number of users.
        same_lists: How many get the same items in the same order.
        same_items: How many get the same items.
        difference: Largest difference of the scores at the same place of a list.
    """

    users: int
    same_lists: int
    same_items: int
    difference: float


def compare(run: Path, users: int) -> Compared:
    """Export a run's student, and read the export in an environment of its own."""
    recommender, histories = Recommender.from_pretrained(run / STUDENT), test_histories(run, users)
    ours = recommender.recommend_many(histories)
    with tempfile.TemporaryDirectory() as place:
        export_recommender(run / STUDENT, Path(place) / "exported")
        theirs = read_apart(Path(place), histories)
    lists = [([one.id for one in our], [name for name, *_ in their]) for our, their in zip(ours, theirs, strict=True)]
    return Compared(
        users=len(lists),
        same_lists=sum(our == their for our, their in lists),
        same_items=sum(set(our) == set(their) for our, their in lists),
        difference=max(
            abs(one.score - score)
            for our, their in zip(ours, theirs, strict=True)
            for one, (*_, score) in zip(our, their, strict=True)
        ),
    )


def test_histories(run: Path, users: int) -> list[list[str]]:
    """Return histories of a run's test users, by id."""
    items = [item.id for item in Recommender.from_pretrained(run / STUDENT).catalogue.items]
    cases = Sequences.load(run / DATA / SEQUENCES).cases("test")
    rows = np.linspace(0, len(cases.starts) - 1, min(users, len(cases.starts))).astype(int)
    return [[items[place] for place in cases.history(row)] for row in rows]


def read_apart(folder: Path, histories: list[list[str]]) -> list[list[Any]]:
    """Return what the reader in ``folder/exported`` gives in an environment without our packages.

    Raises:
        RuntimeError: It fails, or the environment has one of the packages.
    """
    venv.create(folder / "environment", symlinks=True)
    (packages,) = (folder / "environment").glob("lib/python3.*/site-packages")
    for one in needed("onnxruntime") | needed("numpy"):
        link(distribution(one), packages)
    command = [folder / "environment/bin/python", "-I", "-c", _CODE, folder / "exported", json.dumps(ABSENT)]
    done = subprocess.run(command, input=json.dumps(histories), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    absent, answers = json.loads(done.stdout)
    if absent != [*ABSENT]:
        raise RuntimeError(f"the environment has one of {', '.join(ABSENT)}")
    return list(answers)


def needed(name: str) -> set[str]:
    """Return a distribution and all that it needs, without extras."""
    required = [one for one in distribution(name).requires or () if "extra ==" not in one]
    return {name}.union(*(needed(re.split(r"[^\w.-]", one)[0]) for one in required))


def link(package: Distribution, folder: Path) -> None:
    """Link the files of a distribution into a folder."""
    tops = {path.parts[0] for path in package.files or () if path.parts[0] not in {"..", "__pycache__"}}
    for top in tops:
        (folder / top).symlink_to(Path(str(package.locate_file(top))).resolve())


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=1_000)
    arguments = parser.parse_args()
    compared = compare(arguments.run, arguments.users)
    print(
        f"{compared.users:,} test users, Python {sys.version.split()[0]} without {', '.join(ABSENT)}: {compared.same_items:,} get the same "
        f"items, {compared.same_lists:,} in the same order; scores differ by up to {compared.difference:.1g}"
    )


if __name__ == "__main__":
    main()
