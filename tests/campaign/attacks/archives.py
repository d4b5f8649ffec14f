"""Archives of data files: names that lead elsewhere, links, bombs, files twice, other sizes than announced, damaged bytes."""

import gzip
import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from campaign.attacks.data_files import TABLE, samples
from campaign.case import Case
from campaign.recipes import damaged
from hypothesis import strategies as st

ODD_NAMES = (
    "../x.csv", "/x/y.csv", "..\\x", "a/../../x", "", ".", "x\0y", "\x1b[2J.csv", "ratings.csv/x", "é" * 120, "a" * 70_000, "./", "C:\\x", "con",
)  # fmt: skip
Files = tuple[tuple[str, bytes], ...]


def cases(bases: Path) -> st.SearchStrategy[Case]:
    """Draw an archive of an adapter's files."""
    return st.sampled_from(sorted(samples(bases))).flatmap(lambda name: _of_sample(bases, name))


@st.composite
def _of_sample(draw: st.DrawFn, bases: Path, name: str) -> Case:
    adapter, _ = samples(bases)[name]
    files: Files = tuple((path.name, path.read_bytes()) for path in sorted((bases / name).rglob("*")) if path.is_file())
    ending, pack = draw(st.sampled_from(sorted(PACKERS.items())))
    packed = pack(draw(_odd_files(files)))
    archive = draw(st.just(packed) | damaged(packed))
    source = f"a{draw(st.sampled_from([ending, ending, '.zip', '.gz', '.csv']))}"
    settings = TABLE if adapter == "table" else ()
    return Case(files={source: archive}, command=("data", "inspect", adapter, source, *settings))


@st.composite
def _odd_files(draw: st.DrawFn, files: Files) -> Files:
    """Draw some of the files, perhaps twice or under odd names, perhaps beside others."""
    kept = draw(st.lists(st.sampled_from(files), max_size=len(files) + 1)) if draw(st.booleans()) else list(files)
    if draw(st.booleans()):
        kept.append((draw(st.sampled_from(ODD_NAMES)), files[0][1]))
    return tuple(kept)


def _zip(files: Files) -> bytes:
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in files:
            archive.writestr(_entry(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Return the entry of a name; zipfile itself writes no longer one."""
    return zipfile.ZipInfo(name[: (1 << 16) - 1])


def _nested(files: Files) -> bytes:
    return _zip((("inner.zip", _zip(files)), *files[:1]))


def _tar(files: Files, mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name, content in files:
            entry = tarfile.TarInfo(name.replace("\0", "0"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _linked(files: Files) -> bytes:
    """A tar whose first file is a link to a file of the machine."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name.replace("\0", "0"))
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _gzip(files: Files) -> bytes:
    return gzip.compress(b"".join(content for _, content in files), mtime=0)


def _two_members(files: Files) -> bytes:
    return b"".join(gzip.compress(content, mtime=0) for _, content in files)


PACKERS: dict[str, Callable[[Files], bytes]] = {
    ".zip": _zip,
    ".nested.zip": _nested,
    ".tar": _tar,
    ".tar.gz": lambda files: _tar(files, "w:gz"),
    ".tgz": _linked,
    ".csv.gz": _gzip,
    ".jsonl.gz": _two_members,
}
