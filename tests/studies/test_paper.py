"""A study's paper: any text is LaTeX that prints it, all numbers are the results', and it compiles."""

import re
import shutil
import subprocess
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies.made_up import write_study

from shortstack import DataError, Registry, StudyResult
from shortstack.studies.paper import compiled, write_paper
from shortstack.studies.paper.latex import breakable, escaped

PRINTABLE = st.characters(exclude_categories=("C", "Z"))
COMMAND = re.compile(r"\\[A-Za-z]+\{(U\+[0-9A-F]+|[A-Za-z]?)\}|\\[`'^~=.\"]\{[A-Za-z]\}|\\[{}$&#%_]|\$\\[a-z]+\$|\{\}")
HAS_LATEX = shutil.which("pdflatex") and shutil.which("pdftotext")


@given(st.text(st.one_of(PRINTABLE, st.sampled_from("\\{}$&#%_^~<>|\"'`-, "))))
def test_escaped_text_has_no_command_but_ours(text):
    """What is left when our commands are taken out is plain ASCII that LaTeX gives no meaning."""
    for made in (escaped(text), breakable(text)):
        plain = COMMAND.sub("", made.replace(r"\allowbreak{}", ""))

        assert made.isascii()
        assert not set(plain) & set('\\{}$&#%_^~<>|"`')
        assert not re.search(r"--|,,|''", made)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50% of A_B & $3", r"50\% of A\_B \& \$3"),
        ("café Łódź", r"caf\'{e} \L{}\'{o}d\'{z}"),
        ("a--b", "a-{}-b"),
        ("映画", r"\texttt{U+6620}\texttt{U+753B}"),
        ("a\n  b\tc", "a b c"),
    ],
)
def test_escapes(text, expected):
    """Specials, accents, ligatures, other scripts, blanks."""
    assert escaped(text) == expected


@pytest.fixture(scope="module")
def article(tmp_path_factory):
    """The made-up study's folder, and its article, which is not compiled."""
    folder = write_study(tmp_path_factory.mktemp("paper"))
    result = StudyResult.load(folder)
    path = write_paper(result._summary, Registry.from_environment())
    return result, path, path.read_text(encoding="ascii")


def test_the_article_is_whole(article):
    """All sections; a file for each figure that it includes."""
    _, path, text = article
    sections = re.findall(r"\\section\{(.*?)\}", text)

    assert sections == [
        "Introduction", "Method", "Data", "Protocol", "Results", "Ablations", "Which layers stay", "Convergence",
        "Error analysis by slices", "What failed", "Limitations", "Reproducibility",
    ]  # fmt: skip
    for name in re.findall(r"\\includegraphics\[.*?\]\{(.*?)\}", text):
        assert (path.parent / name).read_bytes().startswith(b"%PDF")


def test_its_template_holds_no_results(article):
    """Every number of the sections on data and results is filled in: the template has none there."""
    from importlib.resources import files

    template = files("shortstack.studies.paper").joinpath("article.tex").read_text(encoding="utf-8")

    assert not re.search(r"\d", template[template.index(r"\section{Data}") :])


def test_its_numbers_are_the_results(article):
    """Each setting's mean, its teacher's, parameters, users, resamples, and the error of what failed."""
    result, _, text = article
    students = result.to_polars().filter(model="student")
    means = students.group_by("variant", "selection.scorer", "selection.keep_ratio").agg(pl.col("ndcg@10").mean())[
        "ndcg@10"
    ]

    assert [mean for mean in means if f"{mean:.4f}" not in text] == []
    for number in (
        "400,000 parameters",
        "320,000 in the layers",
        "671",
        "10,000",
        "(100 resamples)",
        "seeds 0, 1",
        "24 of 25",
    ):
        assert number in text
    assert r"no room for 3 of \$5 \textless{}files\textgreater{} in C:" in text


def test_it_defines_what_was_used_alone(article):
    """Formulas and references of the scorers and losses of these runs, not of others."""
    text = article[2]

    assert r"\paragraph{\texttt{fisher}} Trace of the empirical Fisher information" in text
    assert "arXiv 1612.00796" in text
    assert r"\paragraph{\texttt{soft-targets}}" in text
    assert "taylor" not in text
    assert "MiniLM" not in text


def test_every_component_of_ours_has_its_formula():
    """And each formula is of a component that there is."""
    from shortstack.distillation.balancing import BALANCINGS as THERE
    from shortstack.selection.selector import STRATEGIES as KNOWN
    from shortstack.studies.paper.formulas import BALANCINGS, LOSSES, SCORES, STRATEGIES

    ours = [
        component
        for component in Registry.from_environment().components
        if component.origin.distribution == "shortstack"
    ]
    named = {kind: {each.descriptor.name for each in ours if each.kind == kind} for kind in ("scorer", "loss")}

    assert named["scorer"] == SCORES.keys()
    assert named["loss"] == LOSSES.keys()
    assert STRATEGIES.keys() == KNOWN.keys() - {"adaptive"}
    assert BALANCINGS.keys() == THERE.keys()


def test_without_latex_the_source_is_written(article, monkeypatch):
    """And nothing is compiled."""
    monkeypatch.setenv("PATH", "")

    assert compiled(article[1]) is None
    assert article[0].paper().name == "article.tex"


@pytest.mark.full
@pytest.mark.skipif(not HAS_LATEX, reason="needs pdflatex and pdftotext")
def test_it_compiles(made_up, tmp_path):
    """Of a whole study, and of one in which nothing is finished."""
    for folder in (shutil.copytree(made_up.folder, tmp_path / "whole"), write_study(tmp_path / "none", variants=())):
        paper = StudyResult.load(folder).paper()
        text = subprocess.run(["pdftotext", "-layout", paper, "-"], check=True, capture_output=True, text=True).stdout

        assert paper.name == "article.pdf"
        assert "What failed" in text
        assert "??" not in text


@pytest.mark.full
@pytest.mark.skipif(not HAS_LATEX, reason="needs pdflatex and pdftotext")
def test_printable_characters_compile_and_ascii_is_read_back(tmp_path):
    """Every printable character of the first planes' alphabets and signs; ASCII comes out of the PDF as it went in."""
    ascii_ = "".join(map(chr, range(33, 127)))
    others = [chr(code) for code in range(160, 0x3000) if unicodedata.category(chr(code))[0] not in "CZ"]
    body = "\n\n".join(
        [*map(escaped, ascii_), *(escaped(" ".join(others[at : at + 60])) for at in range(0, len(others), 60))]
    )
    document = rf"\documentclass{{article}}\usepackage[T1]{{fontenc}}\usepackage{{mathptmx}}\begin{{document}}{body}\end{{document}}"
    path = tmp_path / "all.tex"
    path.write_text(document, encoding="ascii")
    text = subprocess.run(["pdftotext", "-raw", compiled(path), "-"], check=True, capture_output=True, text=True).stdout
    read = text.replace("’", "'").replace("‘", "`")

    assert [one for one in ascii_ if one not in read] == []


@pytest.mark.full
@pytest.mark.skipif(not HAS_LATEX, reason="needs pdflatex")
def test_what_latex_refuses_is_said(tmp_path):
    """In one line, with its first complaint."""
    path = tmp_path / "wrong.tex"
    path.write_text(r"\documentclass{article}\begin{document}\nothing\end{document}", encoding="ascii")

    with pytest.raises(
        DataError, match=r"wrong\.tex does not compile \(Undefined control sequence\.\); read .*wrong\.log"
    ):
        compiled(path)
