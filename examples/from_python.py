"""Run on a table in memory, with a custom scorer, loss, metric and baseline.

    python examples/from_python.py ratings.csv runs/from-python

The table has columns such as user, item, rating, timestamp and title.
"""

import argparse

import pandas as pd

from shortstack import Budget, Run, scorer
from shortstack.evaluation.baselines import Popularity


@scorer("states", "gradients", over="examples")
def first_order_effect(signals):
    """First-order change of the log-probability when the layer is removed."""
    return (signals.gradient * (signals.output - signals.input)).sum((-1, -2)).abs()


def squared_error(student, teacher, labels):
    """Squared differences of the logits, one number per position."""
    return (student - teacher).square().mean(-1)


def top_quarter(ranks):
    """The share of cases whose item is in the first quarter of the ranking."""
    return ranks <= ranks.max() / 4


def recent_popularity(sequences, upto):
    """Popularity, as a custom baseline."""
    return Popularity.fit(sequences, upto)


def main(source, folder, steps):
    """Read the table, run, and print the results."""
    run = Run(
        data={"source": pd.read_csv(source), "core": 2},
        teacher={
            "config": {"model_type": "llama", "num_hidden_layers": 8, "hidden_size": 64, "num_attention_heads": 2},
            "fit": {"steps": steps, "warmup_steps": 0},
        },
        importance=[first_order_effect, "block-influence"],
        budget=Budget(keep_ratio=0.25),
        losses={"labels": 1.0, "mine": squared_error},
        distillation={"fit": {"steps": steps, "warmup_steps": 0}},
        metrics=[top_quarter],
        baselines=["popularity", "item-knn", recent_popularity],
    )
    result = run.execute(folder)
    print(result.verdict)
    print(result.metrics_table().filter(metric="top-quarter"))
    print(result.report)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=600)
    given = parser.parse_args()
    main(given.source, given.folder, given.steps)
