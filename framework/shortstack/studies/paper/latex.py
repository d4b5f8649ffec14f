r"""Text for LaTeX: any text is escaped to ASCII that pdfTeX prints as it reads, or spells out what its fonts lack."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_NAMED: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "…": r"\textellipsis{}",
    "×": r"\texttimes{}",
    "÷": r"\textdiv{}",
    "±": r"\textpm{}",
    "°": r"\textdegree{}",
    "µ": r"\textmu{}",
    "·": r"\textperiodcentered{}",
    "©": r"\textcopyright{}",
    "®": r"\textregistered{}",
    "™": r"\texttrademark{}",
    "€": r"\texteuro{}",
    "£": r"\textsterling{}",
    "§": r"\textsection{}",
    "¶": r"\textparagraph{}",
    "¿": r"\textquestiondown{}",
    "¡": r"\textexclamdown{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "\u2212": r"\textminus{}",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "π": r"$\pi$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
}
_ACCENTS: Final = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0304": r"\=",
    "\u0306": r"\u",
    "\u0307": r"\.",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030b": r"\H",
    "\u030c": r"\v",
    "\u0327": r"\c",
    "\u0328": r"\k",
}
"""Combining character → the command that puts it on a letter."""
_LIGATURES: Final = re.compile(r"(?<=[-,?!'])(?=[-,`'])")
"""Between characters that a font would join, as two hyphens to a dash."""
_BREAKS: Final = re.compile(r"(?<=[,=/.:])(?=[^\s\d])|(?<=_)")


def escaped(text: object) -> str:
    r"""Return a text as LaTeX prints it, in ASCII; runs of blanks are one, and what its fonts lack is spelt ``U+4E2D``.

    >>> escaped("50% of A_B & café"), escaped("中")
    ("50\\% of A\\_B \\& caf\\'{e}", '\\texttt{U+4E2D}')
    """
    words = " ".join(str(text).split())
    return "".join(map(_character, _LIGATURES.sub("\0", words)))


def breakable(text: object) -> str:
    """Return the same with places to break a line after punctuation, for names without blanks."""
    return escaped(_BREAKS.sub("\x01", str(text)))


def _character(one: str) -> str:
    if one in _JOINTS:
        return _JOINTS[one]
    if one in _NAMED:
        return _NAMED[one]
    if one == " " or (one.isascii() and one.isprintable()):
        return one
    return _accented(one) or rf"\texttt{{U+{ord(one):04X}}}"


_JOINTS: Final = {"\0": "{}", "\x01": r"\allowbreak{}"}


def _accented(one: str) -> str:
    """Return a letter with one accent as a command; empty for all else."""
    parts = unicodedata.normalize("NFD", one)
    plain = len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS
    return f"{_ACCENTS[parts[1]]}{{{parts[0]}}}" if plain else ""


def table(columns: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, label: str) -> str:
    """Return a table of booktabs that goes on over pages; cells, caption and heads are LaTeX already. Empty without rows.

    Args:
        columns: Alignment of the columns, such as ``lrr``.
        head: Heads of the columns.
        rows: Cells by row.
        caption: Caption.
        label: Label for references.
    """
    lines = [f"{' & '.join(cells)} \\\\" for cells in rows]
    if not lines:
        return ""
    start = (rf"\toprule {' & '.join(head)} \\ \midrule", r"\endfirsthead")
    again = (rf"\toprule {' & '.join(head)} \\ \midrule", r"\endhead", r"\bottomrule", r"\endlastfoot")
    title = rf"\caption{{{caption}}}\label{{{label}}} \\"
    body = [rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}", title, *start, *again, *lines, r"\end{longtable}"]
    small = r"{\footnotesize\setlength{\tabcolsep}{4pt}"
    return "\n".join([small, *body, "}"]) + "\n"


def figure(name: str, *, caption: str) -> str:
    """Return a figure of the folder ``figures``; the caption is LaTeX already."""
    return (
        "\\begin{figure}[H]\n\\centering\n"
        f"\\includegraphics[width=\\linewidth]{{figures/{name}.pdf}}\n"
        f"\\caption{{{caption}}}\\label{{fig:{name}}}\n\\end{{figure}}\n"
    )


def items(lines: Iterable[str]) -> str:
    """Return a list; its items are LaTeX already."""
    points = "\n".join(rf"\item {line}" for line in lines)
    return f"\\begin{{itemize}}\n{points}\n\\end{{itemize}}\n" if points else ""
