"""``supplementary.zip``: what is needed to check a study's results and to do them again; the same bytes for the same results."""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from shortstack.files import written_whole
from shortstack.run_layout import EVALUATION, RESULT, RUN
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.folder import FAILURES, RUNS, STUDY

ARCHIVE: Final = "supplementary.zip"
SUMS: Final = "SHA256SUMS"
_TABLES: Final = ("results.csv", "results.json", "results.parquet")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can give a file."""
_README: Final = """\
Supplementary material of a study by shortstack.

study.json           the base's settings, and the values and key of each run
failures.json        errors of the runs that failed, if any did
results.*            a row for each run and each model or baseline
runs/NAME/run.json   all settings of a run
runs/NAME/result.json   its results: metrics, intervals, comparisons, kept layers, training curves, costs
runs/NAME/evaluation/   the same metrics for each model and test case, from which intervals are computed
environment.json     device, Python and versions of packages and plugins of each run
commands.txt         how to do a run again, and how to make the tables, the report and the paper anew
SHA256SUMS           checksums of these files: sha256sum --check SHA256SUMS
"""


def write_archive(summary: Summary) -> Path:
    """Write the archive into the study's folder; the tables in it are those on the disk.

    Raises:
        UnwritableError: It cannot be written; an earlier one is kept.
    """
    contents = dict(_contents(summary))
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(contents.items()))
    path = summary.folder / ARCHIVE
    with written_whole(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, data in sorted({**contents, SUMS: sums.encode()}.items()):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, compress_type=zipfile.ZIP_DEFLATED)
    return path


def _contents(summary: Summary) -> Iterator[tuple[str, bytes]]:
    """Yield each file's name in the archive, and its content."""
    folder = summary.folder
    yield "README.txt", _README.encode()
    yield "environment.json", _json(_environments(summary))
    yield "commands.txt", _commands(summary).encode()
    for name in (STUDY, FAILURES, *_TABLES):
        if (folder / name).is_file():
            yield name, (folder / name).read_bytes()
    for outcome in summary.outcomes:
        run = folder / RUNS / outcome.name
        files = [run / RUN, run / RESULT, *sorted((run / EVALUATION).glob("[!.]*"))] if outcome.result else [run / RUN]
        for file in files:
            if file.is_file():
                yield file.relative_to(folder).as_posix(), file.read_bytes()


def _environments(summary: Summary) -> Mapping[str, object]:
    return {
        outcome.name: {
            "shortstack": outcome.result.shortstack,
            **outcome.result.environment,
            "plugins": outcome.result.plugins,
        }
        for outcome in summary.outcomes
        if outcome.result is not None
    }


def _commands(summary: Summary) -> str:
    versions = sorted({outcome.result.shortstack for outcome in summary.outcomes if outcome.result is not None})
    packages = sorted(
        {
            f"{name}=={version}"
            for outcome in summary.outcomes
            if outcome.result is not None
            for name, version in outcome.result.environment.get("packages", {}).items()
        }
    )
    lines = [
        "# The versions that the runs had:",
        f"pip install {' '.join([*(f'shortstack=={version}' for version in versions), *packages])}",
        "# One run again; its data are where its run.json says:",
        'python -c \'from shortstack import Run; Run.of_folder("runs/NAME").execute("again/NAME")\'',
        "# The tables, the report and the paper anew, from the results in this archive:",
        "shortstack study-report . --paper",
    ]
    return "\n".join(lines) + "\n"


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
