"""The tutorial works as printed: its files by themselves, and the whole as a reader would type it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from documents import blocks

from shortstack import Registry
from shortstack.registry import Origin
from shortstack.testing import check

DOCUMENT = "docs/write-a-scorer.md"
BLOCKS = blocks(DOCUMENT)
MODULES = {"log-growth": "shortstack_log_growth.py", "hellinger": "shortstack_hellinger.py"}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.full
def test_components_keep_the_laws(name):
    """The tutorial's components keep every law that their traits promise."""
    (block,) = [block for block in BLOCKS if block.info == MODULES[name]]
    module = ModuleType(name)
    exec(block.code, vars(module))  # noqa: S102 -- our own document
    registry = Registry.from_environment()
    registry.register(module, Origin("tutorial", name, "1.0"))
    outcomes = check(name, registry=registry, examples=3, shrink=False)

    assert registry.failures == ()
    assert [outcome.failure for outcome in outcomes if outcome.status == "failed"] == []
    assert [outcome for outcome in outcomes if outcome.status == "passed"] != []


def test_forgetting_the_mask_is_caught():
    """The mistake that the tutorial makes on purpose breaks the law that it names."""
    (block,) = [block for block in BLOCKS if block.info == MODULES["log-growth"]]
    module = ModuleType("log_growth")
    exec(block.code.replace("[signals.mask]", ""), vars(module))  # noqa: S102 -- our own document
    registry = Registry.from_environment()
    registry.register(module, Origin("tutorial", "log-growth", "1.0"))
    (outcome,) = check("log-growth", registry=registry, laws=["right-padding"])

    assert outcome.status == "failed"
    assert "to see it again" in outcome.failure


PRELUDE = """
set -e
site={site}
# commands that the reader's pip would install into the new environment
pytest() {{ python -m pytest -p no:cacheprovider "$@"; }}
shortstack() {{ python {scripts}/shortstack "$@"; }}
pip() {{  # the reader's pip, but for what is installed here already
    ours=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "import site; site.addsitedir('$site')" > "$ours/beside.pth"
    command python -m pip --disable-pip-version-check "$@" --quiet --no-index --no-deps --no-build-isolation
}}
"""


def script():
    """Return the tutorial as one shell script that writes its files and runs its commands in order."""
    site = subprocess.run(
        [sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    parts = [PRELUDE.format(site=site, scripts=Path(sys.executable).parent)]
    for block in BLOCKS:
        if block.language == "bash" and block.info == "fails":
            parts.append(f"if (set -e\n{block.code}); then echo 'this should have failed'; exit 1; fi")
        elif block.language == "bash":
            parts.append(block.code)
        else:
            parts.append(f"cat > {shlex.quote(block.info)} <<'END_OF_BLOCK'\n{block.code}END_OF_BLOCK")
    return "\n".join(parts)


@pytest.mark.full
def test_as_a_reader_types_it(tmp_path):
    """The tutorial works as typed: from an empty folder to a run with both plugins, in a fresh environment."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", script()], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "student" in done.stdout
    run = tmp_path / "runs" / "log-growth"
    assert (run / "report.html").is_file()
    assert "shortstack-hellinger/hellinger" in (run / "result.json").read_text(encoding="utf-8")
    assert "shortstack-log-growth/log-growth" in (run / "result.json").read_text(encoding="utf-8")
