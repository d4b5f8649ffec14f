"""Distributions of ``shortstack new`` can be built and installed, are found, and pass their own tests."""

import json
import os
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from shortstack.registry import KINDS

pytestmark = pytest.mark.full

RUN = """
[data]
adapter = "in-a-run-dataset"
source = "ring.inter"
core = 3

[teacher]
config = { model_type = "llama", num_hidden_layers = 4, hidden_size = 16, intermediate_size = 32, num_attention_heads = 2 }
fit = { steps = 20, batch_size = 16, warmup_steps = 2 }

[importance]
scorers = ["in-a-run-scorer"]

[selection]
scorer = "in-a-run-scorer"
keep_ratio = 0.5

[student]
architecture = "in-a-run-student"

[distillation]
losses = { labels = 1.0, in-a-run-loss = { weight = 1.0, temperature = 2.0 } }
fit = { steps = 10, batch_size = 16, warmup_steps = 2 }

[evaluation]
resamples = 100
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of a fresh environment that sees this one's packages, so that torch need not be installed again."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder)
    purelib = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    ours = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
    (purelib / "ours.pth").write_text(ours, encoding="utf-8")
    return folder / "bin" / "python"


def call(*command, cwd):
    """Run a command far from our own settings; its standard output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "SHORTSTACK"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def shortstack(python, *arguments, cwd):
    """Run the command of the fresh environment."""
    return call(python, "-P", "-c", "from shortstack.cli import main; main()", *arguments, cwd=cwd)


def installed(python, kind, name, folder):
    """Install the new distribution's wheel (built from its sdist), and return its folder."""
    shortstack(python, "new", kind, name, cwd=folder)
    made = folder / f"shortstack-{name}"
    call(sys.executable, "-m", "build", "--no-isolation", cwd=made)
    (wheel,) = (made / "dist").glob("*.whl")
    call(python, "-m", "pip", "install", "--no-index", f"{wheel}[testing]", cwd=folder)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_command_to_a_green_suite(kind, python, tmp_path):
    """Written by the command, built by hatchling, installed from the wheel, found by its entry point, tested."""
    name = f"brand-new-{kind}"
    folder = installed(python, kind, name, tmp_path)
    listed = json.loads(shortstack(python, "list", kind, "--json", cwd=tmp_path))
    (entry,) = [component for component in listed if component["name"] == name]

    assert entry["plugin"] == f"shortstack-{name}:{name}"
    assert entry["version"] == "0.1.0"
    shortstack(python, "plugins", "--strict", cwd=tmp_path)

    # Only the wheel has the module from here on: what is tested is what was installed.
    (folder / f"shortstack_{name.replace('-', '_')}.py").unlink()
    output = call(python, "-P", "-m", "pytest", "-p", "no:cacheprovider", cwd=folder)

    assert " passed" in output
    assert " failed" not in output
    assert " skipped" not in output


def test_one_run_with_all_four(python, tmp_path):
    """Data in the adapter's format, layers chosen by the scorer, merged by the student, taught by the loss."""
    for kind in KINDS:
        installed(python, kind, f"in-a-run-{kind}", tmp_path)
    rows = [f"u{u}\ti{(7 * u + t) % 30}\t{t % 5 + 1}\t{1000 * u + t}" for u in range(60) for t in range(15)]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (tmp_path / "ring.inter").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    (tmp_path / "run.toml").write_text(RUN, encoding="utf-8")
    shortstack(python, "run", "run.toml", "--out", "run", cwd=tmp_path)
    record = json.loads((tmp_path / "run" / "student" / "config.json").read_text(encoding="utf-8"))["shortstack"]

    assert record["architecture"] == "shortstack-in-a-run-student/in-a-run-student"
    assert len(record["kept_layers"]) == 2
    assert (tmp_path / "run" / "report.html").is_file()
