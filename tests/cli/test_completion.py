"""Completion in a shell: commands, options, and the names of what is installed."""

import os
import shutil
import subprocess
import sys

import pytest

from shortstack.cli import main


def completed(line, capsys, monkeypatch, dialect="fish"):
    """Return the words that a line, of which the last word is unfinished, may go on with: word → help."""
    monkeypatch.setenv("_SHORTSTACK_COMPLETE", f"complete_{dialect}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"shortstack {line}")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    with pytest.raises(SystemExit, match="0"):
        main([])
    return dict(word.partition("\t")[::2] for word in capsys.readouterr().out.splitlines() if word)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("study-", {"study-status", "study-report"}),
        ("show sc", {"scorer"}),
        ("show loss soft", {"soft-targets"}),
        ("show strategies stra", {"strategic"}),
        ("check strategy un", {"uniform"}),
        ("list metr", {"metric"}),
        ("new d", {"dataset"}),
        ("plan model --architecture layer", {"layer-subset"}),
        ("score model --scorers fisher,atten", {"fisher,attention"}),
        ("score model --precision b", {"bfloat16"}),
        ("serve run --device c", {"cpu", "cuda"}),
        ("data inspect amaz", {"amazon-reviews"}),
        ("data inspect table x.csv --split glob", {"global-time"}),
        ("data fetch movielens ml-1", {"ml-100k", "ml-1m", "ml-10m"}),
        ("init --task rat", {"rating"}),
        ("init --adapter movie", {"movielens"}),
        ("run --log-level w", {"warning"}),
        ("show nothing ", set()),
        ("run exam", set()),
    ],
)
def test_words(line, words, capsys, monkeypatch):
    """Names are those that ``list`` has; where nothing is offered, shells complete files."""
    assert completed(line, capsys, monkeypatch).keys() == words


def test_help_of_a_word_is_one_line(capsys, monkeypatch):
    """Its summary, cut short: fish would take a second line for another word."""
    words = completed("show scorer ", capsys, monkeypatch)

    assert all(0 < len(text) <= 60 for text in words.values())
    assert {"fisher", "hybrid"} <= words.keys()


def test_zsh(capsys, monkeypatch):
    """Its form of an answer has words and help."""
    (answer,) = completed("show loss soft", capsys, monkeypatch, dialect="zsh")

    assert answer.startswith("""_arguments '*: :(("soft-targets":"Forward KL""")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell, capsys, monkeypatch):
    """Each shell has a script that calls the program."""
    monkeypatch.setenv("_SHORTSTACK_COMPLETE", f"source_{shell}")
    with pytest.raises(SystemExit, match="0"):
        main([])

    assert f"_SHORTSTACK_COMPLETE=complete_{shell}" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_in_bash(tmp_path):
    """The script, loaded by bash, fills in what Tab would."""
    program = tmp_path / "shortstack"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom shortstack.cli import main\nmain(sys.argv[1:])\n", encoding="utf-8"
    )
    program.chmod(0o755)
    typed = (
        f'eval "$(_SHORTSTACK_COMPLETE=source_bash {program})"; COMP_WORDS=(shortstack show loss soft); COMP_CWORD=3; '
        f'_shortstack_completion {program}; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", typed], env=os.environ, capture_output=True, text=True, check=True, timeout=300
    )

    assert (done.stdout, done.stderr) == ("soft-targets\n", "")


def test_no_torch():
    """Tab answers at once: whatever is completed, torch is not imported."""
    code = (
        "import sys\nfrom shortstack.cli.built_ins import CHOICES\nfrom shortstack.cli.completion import built_in_names, components\n"
        "from shortstack.registry import KINDS\n"
        "assert all(components(kind)('') for kind in KINDS) and all(built_in_names(kind)('') for kind in CHOICES)\n"
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode == 0
