"""25 million ratings: read, 5-core, leave-last split, in seconds and memory, beside RecBole, RecTools and plain pandas.

python -m benchmarks.scale ours FOLDER     # one job in a process of its own: prints seconds, peak bytes, rows of test

Peers are installed in environments of their own, because they need older libraries; one that cannot be installed is named.
"""

import argparse
import json
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from benchmarks.timing import Row

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv" / "peers"
RATINGS, USERS, MOVIES = 25_000_095, 162_541, 59_047
FILES = ("ratings.csv", "movies.csv")
REQUIREMENTS = {
    "rectools": ["rectools"],
    "recbole": ["recbole", "numpy<2", "scipy<1.14", "pandas<2.3"],  # it names np.float_, and fails on newer ones
}


def main() -> None:
    """Do one job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=list(_JOBS))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    work = _JOBS[arguments.job](arguments.folder)
    start = perf_counter()
    test = work()
    print(json.dumps({"seconds": perf_counter() - start, "bytes": _peak(), "test": test}))


def measure_scale() -> "list[Row]":
    """Measure shortstack and each peer on generated files in the format of ml-25m; RecBole on a fifth, for memory's sake."""
    whole = _compared(RATINGS, {"pandas": "", "rectools": ", the 5-core by pandas"})
    return [*whole, *_compared(RATINGS // 5, {"recbole": ", without making its format"})]


def _compared(ratings: int, peers: Mapping[str, str]) -> "list[Row]":
    with TemporaryDirectory(prefix="shortstack-scale-") as name:
        folder = Path(name)
        write_ratings(folder, ratings)
        ours = _measured(sys.executable, "ours", folder)
        what = f"{ratings:,} ratings: read, 5-core, leave-last"
        rows: list[Row] = []
        if ratings == RATINGS:
            rows.append(_row(what, ours, "90 s", ours["seconds"] / 90, "at most 1"))
            rows.append(_row(what, ours, "6 GiB", ours["bytes"] / (6 << 30), "at most 1"))
        for peer, note in peers.items():
            python = sys.executable if peer == "pandas" else _environment(peer)
            if python is None:
                print(f"skipped: {peer} cannot be installed here")
                continue
            peer_figures = _measured(python, peer, folder)
            beside = f"{peer}{note}: {peer_figures['seconds']:.1f} s, {peer_figures['bytes'] / 2**30:.1f} GiB"
            target = "none" if peer == "pandas" else "at least 3"
            rows.append(_row(what, ours, beside, peer_figures["seconds"] / ours["seconds"], target))
    return rows


def _row(what: str, ours: Mapping[str, float], beside: str, ratio: float, target: str) -> "Row":
    measured = f"{ours['seconds']:.1f} s, {ours['bytes'] / 2**30:.1f} GiB"
    return {"what": what, "measured": measured, "beside": beside, "ratio": ratio, "target": target}


def write_ratings(folder: Path, ratings: int) -> None:
    """Write ratings as ml-25m has them, and the titles of its movies."""
    ratings_frame(ratings).write_csv(folder / FILES[0])
    names = [f'{movie * 3},"Movie, The ({movie})",Drama|Comedy' for movie in range(1, MOVIES + 1)]
    (folder / FILES[1]).write_text("\n".join(["movieId,title,genres", *names]) + "\n", encoding="utf-8")


def ratings_frame(ratings: int) -> "pl.DataFrame":
    """Return ratings with the numbers of users and movies of ml-25m, and popularity by Zipf's law; users ascending."""
    import numpy as np
    import polars as pl

    generator = np.random.default_rng(0)
    weights = generator.lognormal(3.0, 1.2, USERS) + 20
    counts = np.maximum(1, (weights / weights.sum() * ratings).astype(np.int64))
    users = np.repeat(np.arange(1, USERS + 1), counts)
    users = np.concatenate([users, np.full(max(0, ratings - len(users)), USERS)])[:ratings]
    popularity = 1 / np.arange(1, MOVIES + 1) ** 0.9
    movies = np.searchsorted(np.cumsum(popularity / popularity.sum()), generator.random(ratings)) + 1
    return pl.DataFrame(
        {
            "userId": users,
            "movieId": np.minimum(movies, MOVIES) * 3,
            "rating": generator.integers(1, 11, ratings) / 2,
            "timestamp": generator.integers(789_652_009, 1_574_327_703, ratings),
        }
    )


def _measured(python: str, job: str, folder: Path) -> dict[str, float]:
    """Run one job in a fresh process."""
    command = [python, str(Path(__file__).resolve()), job, str(folder)]
    env = {"PYTHONPATH": str(ROOT), "PATH": str(Path(python).parent), "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{job} failed:\n{done.stderr[-2_000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _environment(peer: str) -> str | None:
    """Return the Python that has a peer, installed on the first call; None if the peer cannot be installed."""
    folder, wanted = PEERS / peer, REQUIREMENTS[peer]
    python, marker = folder / "bin" / "python", folder / "installed"
    if not marker.is_file() or marker.read_text() != " ".join(wanted):
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=False, capture_output=True)
        if done.returncode:
            return None
        marker.write_text(" ".join(wanted))
    return str(python)


def _peak() -> int:
    """Return the peak memory of this process in bytes; that of ``getrusage`` would include the parent process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _ours(folder: Path) -> int:
    from shortstack.data.interactions import Interactions
    from shortstack.data.splits import split
    from shortstack_datasets.movielens import MovieLens

    made = Interactions.from_records(MovieLens().read(folder), core=5)
    return int((split(made, "leave-last").splits == 2).sum())


def _pandas(folder: Path) -> int:
    import pandas as pd

    rows = _core_by_pandas(pd.read_csv(folder / FILES[0]))
    rows = rows.sort_values(["userId", "timestamp"], kind="stable")
    back = rows.groupby("userId").cumcount(ascending=False)
    train, valid, test = rows[back > 1], rows[back == 1], rows[back == 0]
    items = pd.factorize(train["movieId"])[0]
    return len(test) if len(valid) and len(items) else 0


def _core_by_pandas(rows: Any) -> Any:
    """Filter rows to the 5-core, repeated to the fixed point."""
    while True:
        enough = (rows.groupby("userId")["userId"].transform("size") >= 5) & (
            rows.groupby("movieId")["movieId"].transform("size") >= 5
        )
        if enough.all():
            return rows
        rows = rows[enough]


def _rectools(folder: Path) -> int:
    import pandas as pd
    from rectools.dataset import Dataset
    from rectools.model_selection import LastNSplitter

    rows = _core_by_pandas(pd.read_csv(folder / FILES[0])).rename(
        columns={"userId": "user_id", "movieId": "item_id", "rating": "weight", "timestamp": "datetime"}
    )
    rows["datetime"] = pd.to_datetime(rows["datetime"], unit="s")
    dataset = Dataset.construct(rows)
    folds = LastNSplitter(1, n_splits=2, filter_cold_users=False, filter_cold_items=False, filter_already_seen=False)
    return [len(test) for _, test, _ in folds.split(dataset.interactions)][-1]


def _recbole(folder: Path) -> Callable[[], int]:
    """Return the job on RecBole's own format, which is written first and is not timed."""
    import pandas as pd

    atomic = folder / "scale"
    atomic.mkdir()
    rows = pd.read_csv(folder / FILES[0])
    rows.columns = ["user_id:token", "item_id:token", "rating:float", "timestamp:float"]
    rows.to_csv(atomic / "scale.inter", sep="\t", index=False)
    return partial(_prepared_by_recbole, folder)


def _prepared_by_recbole(folder: Path) -> int:
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation

    config = Config(
        model="SASRec",
        dataset="scale",
        config_dict={
            "data_path": str(folder),
            "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
            "user_inter_num_interval": "[5,inf)",
            "item_inter_num_interval": "[5,inf)",
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
            "train_neg_sample_args": None,
            "use_gpu": False,
        },
    )
    _train, _valid, test = data_preparation(config, create_dataset(config))
    return len(test.dataset)


_JOBS: Mapping[str, Callable[[Path], Callable[[], int]]] = {
    "ours": partial(partial, _ours),
    "pandas": partial(partial, _pandas),
    "rectools": partial(partial, _rectools),
    "recbole": _recbole,
}
"""Name → function that prepares the work and returns it; only the work is timed."""

if __name__ == "__main__":
    main()
