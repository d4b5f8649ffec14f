"""The table at the end of a run."""

import io

from rich.console import Console

from shortstack.report import terminal_table


def printed(result, width=100):
    """Return the output of a terminal without colours."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(terminal_table(result))
    return stream.getvalue()


def test_the_table_holds_every_method_in_order(result):
    """Baselines come first, the teacher last, each with its figures and sizes."""
    lines = printed(result).splitlines()
    rows = [line.split("│")[1].strip() for line in lines if "│" in line]

    assert rows == ["popularity", "item-KNN", "Markov", "scratch", "pruned", "student", "teacher"]
    student = next(line for line in lines if "student" in line)
    for text in ("400", "0.1260", "0.0630", "0.0567 to 0.0693", "6.200"):
        assert text in student


def test_the_table_fits_a_terminal(changed, result):
    """With every baseline the table fits 80 columns: nothing is cut off."""
    every = {**result.metrics, "personal-popularity": result.metrics["popularity"]}
    text = printed(changed(metrics=every, parameters={**result.parameters, "teacher": 134_515_008}), width=80)

    assert "…" not in text
    assert "134,515,008" in text


def test_names_are_no_markup(changed, result):
    """A method called [red] is shown as it is, and what is undefined as nothing."""
    text = printed(changed(metrics={"[red]x": {"ndcg@10": None}, **result.metrics}))

    assert "[red]x" in text
    assert "None" not in text
