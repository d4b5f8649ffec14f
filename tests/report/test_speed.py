"""The speed of the models: in the verdict, in both tables, and in a figure."""

import io

import pytest
from rich.console import Console

from shortstack.report import sizes_table, speed_table, verdict
from shortstack.report.page import render

SPEED = {
    "student": {"ms_per_user_1": 2.0, "ms_per_user_32": 0.5, "users_per_second": 2_000.0},
    "pruned": {"ms_per_user_1": 2.1, "ms_per_user_32": 0.5, "users_per_second": 2_000.0},
    "teacher": {"ms_per_user_1": 7.0, "ms_per_user_32": 2.0, "users_per_second": 500.0},
}


@pytest.fixture
def measured(changed, result):
    """A result that says how fast the models are."""
    return changed(cost={**result.cost, "speed": SPEED})


def test_the_verdict_says_how_many_times_as_fast(result):
    """The verdict gives both speed ratios after the kept layers; nothing where speed was not measured."""
    parts = {
        "metrics": result.metrics,
        "comparisons": result.comparisons,
        "parameters": result.parameters,
        "selection": result.selection,
    }
    expected = (
        "The student is 4.0 × as fast as the teacher in batches of 32 users (2,000 against 500 users a second), and 3.5 × as "
        "fast for one user alone (2.0 against 7.0 ms)."
    )

    assert expected == verdict(**parts, speed=SPEED).splitlines()[1]
    assert "as fast as" not in verdict(**parts)


def test_the_terminal_has_a_table(measured):
    """Slowest last, as everywhere."""
    stream = io.StringIO()
    Console(file=stream, width=80).print(speed_table(measured))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in stream.getvalue().splitlines() if "│" in line]

    assert rows == [
        ["pruned", "2,000", "0.50", "2.10"],
        ["student", "2,000", "0.50", "2.00"],
        ["teacher", "500", "2.00", "7.00"],
    ]


def test_sizes(changed, result):
    """Megabytes by model in the page and in a terminal: a compressed model before the one that it was; blank where unknown."""
    sizes = {
        "teacher": {"disk_bytes": 5_000_000, "memory_bytes": 4_999_000},
        "teacher wanda-2:4": {"disk_bytes": 5_000_000, "memory_bytes": 4_999_000, "sparse_bytes": 2_700_400},
        "student int8": {"disk_bytes": 600_000, "memory_bytes": 590_000},
    }
    sized = changed(cost={**result.cost, "speed": SPEED, "sizes": sizes})
    stream = io.StringIO()
    Console(file=stream, width=80).print(sizes_table(sized))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in stream.getvalue().splitlines() if "│" in line]

    assert rows == [
        ["student int8", "0.600", "", "0.590"],
        ["teacher wanda-2:4", "5.000", "2.700", "4.999"],
        ["teacher", "5.000", "", "4.999"],
    ]
    page = render(sized)
    assert "<td>2.700</td>" in page
    assert "the student, whose weights are compressed without training" in page
    assert "sizes.teacher" not in page, "not a second time among the costs"


def test_the_page_has_a_figure_and_a_table(measured, result):
    """Bars with the ratio to the teacher; neither where nothing was measured."""
    page = render(measured)

    assert "2,000  (4.0 × as fast)" in page
    assert "2  (3.5 × as fast)" in page
    assert "<td>2,000<" in page
    assert "<dt>as fast as the teacher</dt><dd>4.0 ×<small>32 users at once; 3.5 × for one alone</small>" in page
    assert "users a second, 32 at once" in page
    assert "speed.teacher" not in page, "not a second time among the costs"
    assert "× as fast" not in render(result)
