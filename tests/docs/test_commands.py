"""Every command shown in the docs works as typed, each in a fresh folder, on small stand-ins for its inputs."""

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from docs.test_compress_your_llm import model
from documents import ROOT

PAGES = (
    "README.md",
    "docs/first-run.md",
    "docs/scoring.md",
    "docs/size.md",
    "docs/your-data.md",
    "docs/tables.md",
    *(f"docs/results/{path.name}" for path in sorted((ROOT / "docs" / "results").glob("*.md"))),
)
LIGHT = {"plan", "plugins", "list", "show"}
"""Commands that take seconds; the others train, measure or draw many examples."""
ELSEWHERE = {
    "data fetch": "it downloads",
    "check scorer growth": "its plugin stands on the same page; tests/repo tries the laws on it",
    "run examples/smollm2": "its model of 100 million parameters is an extra of its own",
    "data inspect sequences": "its published file is not ours to bring along; tests/data reads the format",
}
"""Beginnings of commands that are not typed here, and why."""
SMALL = {"num_hidden_layers": 8, "hidden_size": 16, "intermediate_size": 32, "examples": 16, "resamples": 100}
SHORT = {"steps": 4, "warmup_steps": 1, "evaluate_every": 4, "batch_size": 16}


def commands():
    """Return each command of the pages' indented blocks and text, once, with its page."""
    pages_of = {}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for line in re.findall(r"^ {4}(?:\.venv/bin/)?shortstack (\S.*)$", text, re.MULTILINE):
            pages_of[line] = page
        for line in re.findall(r"`shortstack ((?:plugins|list|show|check|plan)\b[^`]*)`", text):
            pages_of[" ".join(line.split())] = page
    return pages_of


def marked(command):
    """Return a parameter, marked for the long tests unless the command is fast."""
    light = command.split()[0] in LIGHT
    return pytest.param(command, id=command, marks=() if light else pytest.mark.full)


def typed(command):
    """Return whether the command is run here."""
    return not command.startswith(tuple(ELSEWHERE))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder as a reader has it: the examples with small models; a model, texts and ratings."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("plugins"))
    quickstart = folder / "examples" / "quickstart.toml"
    text = quickstart.read_text(encoding="utf-8")
    for name, value in {**SMALL, **SHORT}.items():
        text = re.sub(rf"^{name} = \d+", f"{name} = {value}", text, flags=re.MULTILINE)
    quickstart.write_text(text.replace("core = 5 ", "core = 5\nsample_users = 60\n"), encoding="utf-8")
    model(folder / "MODEL")
    lines = [{"text": "one two three"}, {"prompt": "one two", "completion": " three"}] * 4
    (folder / "texts.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    (folder / "FOLDER").mkdir()
    draw = random.Random(0)
    rows = [f"u{n % 20},i{draw.randrange(12)},{draw.randint(1, 5)}.0,{1_400_000_000 + 86_400 * n}" for n in range(400)]
    (folder / "FOLDER" / "ratings_Beauty.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    header = "customer,product,stars,when\n"
    (folder / "ratings.csv").write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def call(command, folder):
    """Run a command in a folder, and return its output; fail if it fails."""
    code = f"import sys; from shortstack.cli import main; main({shlex.split(command.partition('  #')[0])!r})"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def finished(place):
    """``make quickstart``, for commands about its result."""
    call("run examples/quickstart.toml --out runs/quickstart", place)
    return (place / "runs").rename(place / "finished")


@pytest.mark.parametrize("command", [marked(command) for command in commands() if typed(command)])
def test_a_command_in_a_fresh_folder(command, place, tmp_path, request):
    """The command succeeds in a fresh folder, which holds a run if the command needs one."""
    folder = shutil.copytree(place, tmp_path / "here", ignore=shutil.ignore_patterns("finished"))
    if re.match(r"(recommend|audit) runs/", command):
        shutil.copytree(request.getfixturevalue("finished"), folder / "runs")
    assert call(command.replace(" FILE ", " examples/quickstart.toml "), folder)
    out = re.search(r"--out (\S+)", command)
    if out:  # a check writes nothing
        assert (folder / out[1] / "report.html").is_file() == ("--check" not in command)


def test_none_is_overlooked():
    """Every excluded command exists, and all commands of the guides are among those that are tried."""
    pages_of = commands()

    assert all(any(command.startswith(start) for command in pages_of) for start in ELSEWHERE)
    shown = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    lines = re.findall(r"^    \.venv/bin/shortstack (.*)$", shown, re.MULTILINE)
    assert shown.count(".venv/bin/shortstack ") == len(lines) > 10
    assert {*lines} <= pages_of.keys()
