"""``shortstack export``: a recommender for other runtimes."""

from pathlib import Path
from typing import Annotated

import attrs
import typer

from shortstack.cli.completion import words
from shortstack.cli.options import Json, echo, echo_json, student_of, warn_of_mixture


def export(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a student's.")],
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet.")],
    format: Annotated[  # noqa: A002 -- typer makes the option of it
        str, typer.Option(help="onnx, int8 or torch-export.", autocompletion=words("onnx", "int8", "torch-export"))
    ] = "onnx",
    top: Annotated[int, typer.Option(help="How many items it recommends at most.")] = 10,
    as_json: Json = False,
) -> None:
    """Export a recommender as one graph for ONNX Runtime or torch.export, and prove it.

    Example:
        shortstack export runs/quickstart --out exported --format onnx
    """
    from shortstack.exporting.export import export_recommender

    warn_of_mixture(folder)
    proof = export_recommender(student_of(folder), out, format=format, k=top)
    if as_json:
        echo_json(attrs.asdict(proof))
        return
    echo(f"{out}: on {proof.histories} histories {proof.same_items:.2%} of the {top} best items are the recommender's")
    echo(f"largest difference of scores: {proof.largest_difference:.2g}")
    if proof.ndcg_before is not None:
        echo(f"NDCG@{top} of validation users: {proof.ndcg_before:.4f} before, {proof.ndcg_after:.4f} after")
