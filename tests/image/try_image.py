"""The Dockerfile without a container engine: its steps in overlays over this machine's own files, then the service.

Run as root: ``make try-image``. What it cannot tell is whether the base image has all that
the steps need, for this machine's files stand in for it.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs
from image.dockerfile import DOCKERFILE, command, environment, health, last, stages
from pipeline.little_language_model import llama

from shortstack.data.catalogue import Catalogue, Item
from shortstack.recommender import Recommender

TARGET = "cpu"
ATTEMPTS = 60


class Machine:
    """Overlays over this machine's files: one for each stage."""

    def __init__(self, work, of):
        self.work, self.of, self.roots = work, of, {}

    def root(self, name):
        """Return the files after a stage, whose steps are carried out if they were not yet."""
        if name not in self.roots:
            stage = self.of[name]
            (self.work / name).mkdir()
            if stage.parent in self.of:
                self.root(stage.parent)
                # copied, for a folder below / cannot be another layer over /
                run("cp", "--archive", self.work / stage.parent / "upper", self.work / name / "upper")
            self.roots[name] = self.mounted(name)
            for place, (word, rest) in enumerate(stage.instructions, start=1):
                # folder, variables and user are those of this line, not of the last
                self.of[name] = attrs.evolve(stage, instructions=stage.instructions[:place])
                self.carry_out(name, word, rest)
        return self.roots[name]

    def mounted(self, name):
        """Mount a stage's files: this machine's, and over them what it changed."""
        upper, inner, root = (self.work / name / part for part in ("upper", "inner", "root"))
        for path in (upper, inner, root):
            path.mkdir(exist_ok=True)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={inner}", root)
        for system in ("proc", "dev", "sys"):
            run("mount", "--rbind", f"/{system}", root / system)
        if self.of[name].parent not in self.of:  # Python is where the base image has it, for every user to read
            left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "share")
            shutil.copytree(sys.base_prefix, root / "usr/local", symlinks=True, dirs_exist_ok=True, ignore=left_out)
        return root

    def carry_out(self, name, word, rest):
        """Carry out an instruction that changes files."""
        if word in {"RUN", "COPY"}:
            print(f"{name}: {word} {rest}", flush=True)  # noqa: T201 -- a script
        if word == "RUN":
            run(*self.inside(name, ["sh", "-c", rest], last("USER", name, self.of) or "0"))
        elif word == "WORKDIR":
            (self.roots[name] / rest[1:]).mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            self.copy(name, shlex.split(rest))

    def copy(self, name, words):
        """Copy from the checkout, or from another stage."""
        source = DOCKERFILE.parent
        if words[0].startswith("--from="):
            source = self.root(words.pop(0).removeprefix("--from="))
        *files, target = words
        place = self.roots[name] / self.folder(name)[1:] / target if target[0] != "/" else self.roots[name] / target[1:]
        for file in files:
            origin = source / file.removeprefix("/")
            if origin.is_dir():
                shutil.copytree(
                    origin, place, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy2(origin, place)

    def folder(self, name):
        """Return the working directory."""
        return last("WORKDIR", name, self.of) or "/"

    def inside(self, name, words, user):
        """Return the words of a command that runs in a stage's files."""
        variables = [f"{key}={value}" for key, value in {**BASE, **environment(name, self.of)}.items()]
        into = f'cd {shlex.quote(self.folder(name))} && exec "$@"'
        return [
            "chroot",
            f"--userspec={user}:{user}",
            self.roots[name],
            "env",
            "-i",
            *variables,
            "sh",
            "-c",
            into,
            "sh",
            *words,
        ]


# where this machine finds packages is its own matter; the copied Python may look for its library where only root may
BASE = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin",
    "LD_LIBRARY_PATH": "/usr/local/lib",
    **{k: v for k, v in os.environ.items() if k.startswith("PIP_")},
}


def run(*words):
    """Run a command, whose failure ends the script."""
    subprocess.run([*map(str, words)], check=True)


def model(folder):
    """Save a recommender that another user may read."""
    items = [Item(id=f"{number}", title=f"Film {number}", token=number + 1) for number in range(16)]
    Recommender(model=llama(num_hidden_layers=2).eval(), catalogue=Catalogue(items=items), window=4).save_pretrained(
        folder
    )
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)


def serve(machine, root):
    """Start the target's command as its user; wait until the health check passes; end it with SIGTERM."""
    user = last("USER", TARGET, machine.of)
    service = subprocess.Popen([*map(str, machine.inside(TARGET, command(TARGET, machine.of), user))])
    check = [*map(str, machine.inside(TARGET, health(TARGET, machine.of), user))]
    try:
        attempts = 0
        while subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode:
            attempts += 1
            assert service.poll() is None, "the service has ended"
            assert attempts < ATTEMPTS, "the service is not healthy"
            time.sleep(2)
        status = Path(f"/proc/{service.pid}/status").read_text(encoding="ascii")
        assert f"Uid:\t{user}\t{user}\t{user}\t{user}\n" in status
        assert not list((root / "model").glob(".*")), "it wrote into the model's folder"
    finally:
        service.send_signal(signal.SIGTERM)
        code = service.wait(timeout=60)
    assert code == 0, f"the service ended with {code}"
    print(f"{TARGET}: healthy as user {user}, and ended by SIGTERM with 0")  # noqa: T201 -- a script


def build_and_serve(work):
    """Do all of it in a mount namespace, which ends with this process: no other process sees the mounts."""
    machine = Machine(work, stages())
    root = machine.root(TARGET)
    model(root / "model")
    serve(machine, root)


def main():
    """Do so in another process, and remove the files when its mounts are gone."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        run("unshare", "--mount", sys.executable, "-m", "image.try_image", work)


if __name__ == "__main__":
    build_and_serve(Path(sys.argv[1])) if sys.argv[1:] else main()
