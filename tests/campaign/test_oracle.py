"""The oracle sees every kind of broken promise, and accuses nothing else."""

import pytest
from campaign.oracle import LONGEST, is_refusal, problem_of
from campaign.process import Bounds, Outcome

BOUNDS = Bounds()
TRACEBACK = """Traceback (most recent call last):
  File "/x/site-packages/typer/main.py", line 3, in __call__
  File "/x/framework/shortstack/cli/show.py", line 5, in show
  File "/x/lib/json/decoder.py", line 9, in decode
json.decoder.JSONDecodeError: Expecting value
"""
HUNG = """Fatal Python error: CPU time limit exceeded

Current thread 0x1 (most recent call first):
  File "/x/lib/re.py", line 3 in match
  File "/x/framework/shortstack/files.py", line 5 in read
  File "/x/framework/shortstack/cli/__init__.py", line 5 in main
"""


def outcome(**fields):
    """Return an outcome of a command that succeeded without a word, but for some fields."""
    usual = {
        "code": 0,
        "signal": 0,
        "stdout": "",
        "stderr": "",
        "cpu_seconds": 0.1,
        "resident_bytes": 0,
        "waited": False,
    }
    return Outcome(**{**usual, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stdout": "│ a table │\n"},
        {"code": 1},
        {"code": 1, "stdout": "1 finished, 1 failed\nseed=1 failed: out/runs/seed=1/data is no result of a run\n"},
        {"code": 2, "stderr": "error: 'seed' must be >= 0, got -1\n"},
        {"code": 2, "stderr": "warning: the run is mixed\nerror: 'seed' must be >= 0\n"},
        {"code": 2, "stderr": "data: kept\ncheck of users.csv: done in 0.1 s\nerror: users.csv holds no users\n"},
    ],
)
def test_promises_that_are_kept(fields):
    """Success, a failing check, and one clear line."""
    assert problem_of(outcome(**fields), BOUNDS) is None


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"code": 1, "stderr": TRACEBACK}, "JSONDecodeError in cli/show.py:show"),
        ({"code": None, "signal": 24, "stderr": HUNG}, "runs for more than 30 s in files.py:read"),
        ({"code": None, "signal": 24, "stderr": HUNG, "waited": True}, "waits for ever in files.py:read"),
        ({"code": None, "signal": 11}, "ended by SIGSEGV in no place known"),
        ({"resident_bytes": 2 << 30}, "takes more than 1536 MB, ends as exit code 0"),
        ({"code": 3}, "exit code 3"),
        ({"code": 2, "stderr": "error: a\nb\n"}, "exit code 2 with 2 lines: error: a"),
        ({"code": 2, "stderr": ""}, "exit code 2 with 0 lines: "),
        ({"code": 2, "stderr": f"error: {'x' * LONGEST}"}, "a line of 4,007 characters: "),
        ({"code": 2, "stderr": "error: \x1b[2J"}, r"""prints ["'\\x1b'"]"""),
        ({"stderr": "/x/a.py:3: UserWarning: no\n"}, "shows a warning: /x/a.py:3: UserWarning: "),
        (
            {
                "code": 2,
                "stderr": "error: dataset adapter shortstack/mind (shortstack:datasets 0.1.0) failed: KeyError: 3",
            },
            "a plugin of our own fails: KeyError",
        ),
        (
            {
                "code": 1,
                "stdout": "0 finished, 1 failed\nseed=1 failed: loss shortstack/kl (shortstack:losses 0.1.0) failed: KeyError: 3\n",
            },
            "a plugin of our own fails: KeyError",
        ),
        ({"code": 1, "stdout": "0 finished, 1 failed\nseed=1 failed: KeyError: 3\n"}, "a run fails with KeyError"),
    ],
)
def test_promises_that_are_broken(fields, kind):
    """Each is of a kind of its own, with its place in our code."""
    assert problem_of(outcome(**fields), BOUNDS).kind.startswith(kind)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"code": 2, "stderr": "error: no such file\n"}, True),
        (
            {"code": 1, "stdout": "1 finished, 1 failed\nseed=1 failed: out/runs/seed=1/data is no result of a run\n"},
            True,
        ),
        ({"code": 1, "stdout": "FAIL the law of ties\nlaw failed: ties\n"}, False),
        ({"stdout": "the step failed: none\n"}, False),
    ],
)
def test_refusals(fields, refused):
    """An error of the command, or of a run of a study."""
    assert is_refusal(outcome(**fields)) is refused
