"""What a command leaves, without what two equal runs need not share: times and memory."""

import hashlib
import json
from pathlib import Path

SPEED = " as fast as the teacher "


def result_of(command: tuple[str, ...], folder: Path, stdout: str) -> str:
    """Return the result of a command that succeeded, as a text that equal results share."""
    if command[0] in {"run", "audit"}:
        return _of_run(folder / (command[1] if command[0] == "audit" else _option(command, "--out")))
    if command[0] == "study":
        return "\n".join(_of_run(run) for run in sorted((folder / _option(command, "--out") / "runs").iterdir()))
    if command[0] in {"score", "merge"}:
        return _of_scores(folder / _option(command, "--json"))
    if command[0] == "study-report":
        return _digest(folder / command[1] / "supplementary.zip")
    if "--users" in command:
        return _digest(folder / _option(command, "--out"))
    return stdout


def contents(folder: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return a digest of each file of a folder, by path; of a link, what it says."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: _digest(path) for name, path in names.items() if not _is_in(name, without)}


def _is_in(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _digest(path: Path) -> str:
    return str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()


def _option(command: tuple[str, ...], name: str) -> str:
    return command[command.index(name) + 1]


def _of_run(folder: Path) -> str:
    """The figures, the verdict without its speeds, and the student."""
    fields = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    fields["verdict"] = [line for line in fields["verdict"].splitlines() if SPEED not in line]
    del fields["cost"], fields["digest"]
    fields.get("audit", {}).pop("forwards", None)  # the time of each scorer, in forward passes
    return json.dumps([fields, _digest(folder / "student" / "model.safetensors")], sort_keys=True)


def _of_scores(path: Path) -> str:
    fields = json.loads(path.read_text(encoding="utf-8"))
    del fields["seconds"]
    return json.dumps(fields, sort_keys=True)
