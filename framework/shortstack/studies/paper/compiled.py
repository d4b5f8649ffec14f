"""Compilation of the paper by pdfTeX, where there is one."""

import shutil
import subprocess
from pathlib import Path

from shortstack.errors import DataError


def compiled(article: Path) -> Path | None:
    """Compile an article twice, so that its references are right; return the PDF, or None without ``pdflatex``.

    Raises:
        DataError: LaTeX refuses it; the message has its first complaint.
    """
    program = shutil.which("pdflatex")
    if program is None:
        return None
    command = [program, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", article.name]
    for _ in range(2):
        done = subprocess.run(command, cwd=article.parent, capture_output=True, check=False)  # noqa: S603 -- our own file
        if done.returncode:
            raise DataError(
                f"{article} does not compile ({_complaint(done.stdout)}); read {article.with_suffix('.log')}"
            )
    return article.with_suffix(".pdf")


def _complaint(output: bytes) -> str:
    """Return the first line that begins with an exclamation mark, as errors of TeX do."""
    lines = output.decode("utf-8", "replace").splitlines()
    return next((line.removeprefix("! ") for line in lines if line.startswith("! ")), "no reason given")
