"""``list`` and ``show`` cover everything that a run's settings can name, and describe each setting."""

import io
import json

import pytest
from pipeline.test_cli import call
from rich.console import Console

from shortstack import Registry
from shortstack.cli.built_ins import CHOICES, built_ins
from shortstack.config.descriptions import describe_settings
from shortstack.contracts.headlines import HEADLINES
from shortstack.progress import ToConsole

KNOWN = {
    "strategy": {"top-k", "strategic", "greedy", "adaptive", "uniform"},
    "task": {"next-item", "click", "rating"},
    "split": {"leave-last", "global-time", "official"},
    "balancing": {"fixed", "ema", "uncertainty", "dwa", "gradnorm", "linear"},
    "metric": {"hr@k", "ndcg@k", "auc", "accuracy"},
}


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.parametrize("plural", [False, True], ids=["one", "many"])
def test_list(kind, plural, capsys):
    """Names are listed as JSON for programs, as a table for people."""
    word = (f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s") if plural else kind
    code, out, _ = call("list", word, "--json", capsys=capsys)
    assert code == 0
    assert {entry["name"] for entry in json.loads(out)} >= KNOWN[kind]
    code, out, _ = call("list", word, capsys=capsys)
    assert code == 0
    assert min(KNOWN[kind]) in out


@pytest.mark.parametrize("kind", CHOICES)
def test_show(kind, capsys):
    """Each component is shown with a summary and descriptions of its settings."""
    for choice in built_ins(kind):
        code, out, _ = call("show", kind, choice.name, "--json", capsys=capsys)
        shown = json.loads(out)

        assert code == 0
        assert shown["summary"].endswith((".", ")"))
        assert all(setting["meaning"] for setting in shown["settings"])


def test_show_for_people(capsys, monkeypatch):
    """Settings, their descriptions and the traits are shown."""
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = call("show", "strategy", "adaptive", capsys=capsys)

    assert "in selection.strategy, selection.settings" in out
    assert "How much the mean calibration loss may exceed the teacher's" in out
    assert "monotone" in out


def test_unknown_names(capsys):
    """An unknown name gets the nearest of any kind as a suggestion."""
    assert (
        "unknown strategy 'strategi'; did you mean 'strategic'?"
        in call("show", "strategy", "strategi", capsys=capsys)[2]
    )
    assert "unknown kind of component 'metrik'; did you mean 'metric'?" in call("list", "metrik", capsys=capsys)[2]


def test_every_setting_of_ours_says_what_it_means():
    """Every setting of the core's components has a description."""
    silent = [
        f"{component.full_name}: {setting['name']}"
        for component in Registry.from_environment().components
        for setting in describe_settings(component.descriptor.config)
        if component.origin.distribution == "shortstack" and not setting["meaning"]
    ]

    assert silent == []


def test_the_metrics_of_results_are_known():
    """The metrics that models are compared by are listed."""
    assert {name.replace("@10", "@k") for name in HEADLINES} <= {metric.name for metric in built_ins("metric")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "no.toml", "--out", "x", "--traceback"],
        ["--traceback", "show", "scorer", "fischer"],
        ["data", "inspect", "--traceback", "table", "no.csv"],
    ],
)
def test_traceback_of_every_command(capsys, arguments):
    """``--traceback`` is accepted anywhere; the traceback comes before the one-line error."""
    without = [argument for argument in arguments if argument != "--traceback"]
    code, _, err = call(*arguments, capsys=capsys)
    plain = call(*without, capsys=capsys)[2]

    assert code == 2
    assert plain.count("\n") == 1
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith(plain)


def test_validation_figures_stay_on_a_terminal():
    """The progress bar disappears when the job ends; the figures stay."""
    terminal = io.StringIO()
    with ToConsole(Console(file=terminal, force_terminal=True, width=200)).job("teacher", total=9) as step:
        for done, note in [
            (3, ""),
            (3, "validation NDCG@10 0.0712"),
            (6, ""),
            (6, "validation NDCG@10 0.0815"),
            (9, ""),
        ]:
            step(done, note)
    lines = [line for line in terminal.getvalue().splitlines() if line.lstrip("\r\x1b[2K1A").startswith("  teacher: ")]

    assert [line.partition("  teacher: ")[2][:40] for line in lines] == [
        "3 of 9, validation NDCG@10 0.0712, 0 s",
        "6 of 9, validation NDCG@10 0.0815, 0 s",
    ]


def test_metrics_are_shown_by_the_names_of_reports(capsys):
    """Metrics are shown by their report names, with a cutoff in either spelling."""
    for name in ("ndcg@k", "ndcg@10", "NDCG@20"):
        code, out, _ = call("show", "metric", name, "--json", capsys=capsys)
        assert (code, json.loads(out)["name"]) == (0, "ndcg@k")


def test_no_two_are_described_alike():
    """Summaries are distinct, as readers choose by them."""
    for kind in CHOICES:
        summaries = [choice.summary for choice in built_ins(kind)]
        assert len({*summaries}) == len(summaries)
