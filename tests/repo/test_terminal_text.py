"""Whatever is in titles, names of files, plugins or servers: a terminal sees text."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.cli import main
from shortstack.cli.options import echo_json
from shortstack.terminal_text import visible, visible_json

HOSTILE = "A\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp.exe\u2066\n\u2028B"
BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def is_harmless(text):
    """Neither a control character but line feeds and tabs, nor a mark of direction."""
    return not any((unicodedata.category(c) == "Cc" and c not in "\n\t") or c in BIDIRECTIONAL for c in text)


@given(text=st.text() | st.text(st.sampled_from([*BIDIRECTIONAL, *map(chr, range(160)), "é", "日", "👨", "\u200d"])))
def test_any_text(text):
    """What is harmless stays as it is, and nothing else is left; JSON means the same."""
    assert is_harmless(visible(text, lines=True))
    assert "\n" not in visible(text)
    assert visible(visible(text)) == visible(text)
    shown = visible_json(json.dumps(text, ensure_ascii=False))
    assert is_harmless(shown)
    assert json.loads(shown) == text
    if is_harmless(text) and not set(text) & {"\u2028", "\u2029"} and not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert visible(text, lines=True) == text


def test_json_is_exact(capsys):
    """And readable."""
    echo_json({"title": HOSTILE, "other": "Amélie 日本"})
    shown = capsys.readouterr().out

    assert is_harmless(shown)
    assert json.loads(shown) == {"title": HOSTILE, "other": "Amélie 日本"}
    assert "Amélie 日本" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", HOSTILE, "--out", "x"],
        ["recommend", HOSTILE, "--history", "a"],
        ["serve", HOSTILE, "--port", "0"],
        ["export", HOSTILE, "--out", "x"],
        ["list", HOSTILE],
        ["show", "scorer", HOSTILE],
        ["plan", HOSTILE],
        ["data", "inspect", "table", HOSTILE],
        ["check", "scorer", HOSTILE],
        ["audit", HOSTILE],
    ],
    ids=lambda arguments: arguments[0],
)
def test_errors_show_what_was_given(arguments, capfd, tmp_path, monkeypatch):
    """With its control characters spelt out."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    shown = "".join(capfd.readouterr())

    assert end.value.code == 2
    assert is_harmless(shown)
    assert "\\x1b" in shown


def test_titles_of_a_table(tmp_path, capfd):
    """A data set whose values are commands to a terminal."""
    (tmp_path / "x.csv").write_text(
        f'user,item,{HOSTILE.replace(chr(10), "")}\nu,i,1\nu,"j{HOSTILE}",x\n', encoding="utf-8"
    )
    with pytest.raises(SystemExit):
        main(["data", "inspect", "table", str(tmp_path / "x.csv"), "--set", "user=nothing"])

    assert is_harmless("".join(capfd.readouterr()))
