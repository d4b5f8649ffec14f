"""``shortstack push``: what goes to the hub, by the calls of huggingface_hub to one on this machine."""

import os
import shutil
import socket
import subprocess
import sys

import huggingface_hub
import pytest
from hub.fake_hub import TOKEN, fake_hub
from serving.conftest import made

from shortstack.cli import main
from shortstack.digests import seal
from shortstack.errors import ConfigurationError
from shortstack.hub import require_name

UPLOADED = {
    "README.md",
    "config.json",
    "generation_config.json",
    "items.jsonl",
    "model.safetensors",
    "recommender.json",
}
CARD = "---\nlibrary_name: transformers\n---\n# A model\n"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with a recommender, beside whose files lie others that are private."""
    student = tmp_path_factory.mktemp("push") / "run" / "student"
    made().save_pretrained(student)
    (student / "README.md").write_text(CARD)
    for name in ("token.txt", "training.json", "optimizer.pt", ".env", "notes.txt", "users.parquet"):
        (student / name).write_text("secret")
    (student / "checkpoints").mkdir()
    shutil.copy(student / "config.json", student / "checkpoints" / "config.json")
    (student / "vocab.json").symlink_to("/etc/hostname")
    return student.parent


@pytest.fixture
def hub(monkeypatch):
    """A hub that this process uses."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # its way of uploading by chunks is spoken by the hub alone
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with fake_hub() as one:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", one.address)
        huggingface_hub.close_session()
        yield one
        huggingface_hub.close_session()


def said(arguments, capfd):
    """Exit code, output and the lines on standard error that are ours."""
    with pytest.raises(SystemExit) as end:
        main(["push", *map(str, arguments)])
    shown = capfd.readouterr()
    return end.value.code, shown.out, [line for line in shown.err.splitlines() if line.startswith(("error", "warning"))]


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub's own call
def test_everything_arrives(saved, hub, capfd):
    """The repository is made, and holds the model's files and the card, to the byte; nothing else left the folder."""
    code, out, errors = said([saved, "me/films", "--private"], capfd)

    assert (0, []) == (code, errors)
    assert {name: (saved / "student" / name).read_bytes() for name in UPLOADED} == hub.files
    assert [("me", "films", "private")] == [(c["organization"], c["name"], c["visibility"]) for c in hub.created]
    assert f"{hub.address}/me/films" == out.splitlines()[-1]
    assert {saved / "student" / "model.safetensors"} == {
        saved / "student" / name for name, content in hub.files.items() if content in hub.objects.values()
    }


def test_a_dry_run(saved, hub, monkeypatch, capfd):
    """It needs no token, asks no host, and names the files with their sizes."""
    monkeypatch.delenv("HF_TOKEN")
    code, out, _ = said([saved, "me/films", "--dry-run"], capfd)

    assert (0, []) == (code, hub.calls)
    assert UPLOADED == {line.split(":")[0] for line in out.splitlines()}
    assert f"README.md: {len(CARD)} bytes" in out


def test_no_token(saved, hub, monkeypatch, capfd):
    """It says where to have one."""
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    code, _, errors = said([saved, "me/films"], capfd)

    assert (2, []) == (code, hub.calls)
    assert ["error: there is no token for the hub: set HF_TOKEN, or log in with hf auth login"] == errors


def test_a_refusal(saved, hub, monkeypatch, capfd):
    """By the server's own words."""
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    code, _, (error,) = said([saved, "me/films"], capfd)

    assert (2, {}) == (code, hub.files)
    assert error.startswith(f"error: me/films cannot be uploaded to {hub.address} (")
    assert "401" in error
    assert "hf_wrong" not in error


def test_no_network(saved, hub, monkeypatch, capfd):
    """Nothing listens there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    code, _, (error,) = said([saved, "me/films"], capfd)

    assert (2, []) == (code, hub.calls)
    assert error.startswith(f"error: me/films cannot be uploaded to {address} (")
    assert error.endswith("; the same command begins again")


def test_an_upload_that_breaks(saved, hub, monkeypatch, capfd):
    """The reason is said, which huggingface_hub chains."""

    def broken(*_, **__):
        raise RuntimeError("Error while uploading") from OSError("the cable is out")

    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", broken)
    _, _, (error,) = said([saved, "me/films"], capfd)

    assert "(the cable is out); the same command begins again" in error


@pytest.mark.parametrize("name", ["films", "a/b/c", "me/", "me/fi lms", "../x", "me/films.git", ""])
def test_names(name):
    """Only NAMESPACE/NAME."""
    with pytest.raises(ConfigurationError, match="a repository is NAMESPACE/NAME, of letters, digits"):
        require_name(name)


def test_a_folder_that_is_none(tmp_path, saved, capfd):
    """No recommender, a damaged one, and one without a card."""
    code, _, (error,) = said([tmp_path, "me/films", "--dry-run"], capfd)
    assert 2 == code
    assert f"recommender.json is not there: {tmp_path} is no recommender that shortstack saved" in error

    copied = shutil.copytree(saved / "student", tmp_path / "student", symlinks=True)
    (copied / "README.md").unlink()
    code, out, (warning,) = said([copied, "me/films", "--dry-run"], capfd)
    assert (0, False) == (code, "README" in out)
    assert f"warning: {copied} has no model card; start the run that made it again to have one written" == warning

    (copied / "vocab.json").unlink()
    seal(copied, "stage.json", {"stage": "distillation"})
    (copied / "items.jsonl").write_text("other")
    code, _, (error,) = said([copied, "me/films", "--dry-run"], capfd)
    assert 2 == code
    assert "items.jsonl is damaged" in error


@pytest.mark.full
def test_the_environments_hub(saved):
    """As users name another hub: HF_ENDPOINT, in a process of its own; and torch is not loaded for it."""
    code = "import sys; sys.modules['torch'] = None; from shortstack.cli import main; main(sys.argv[1:])"
    with fake_hub() as one:
        environment = {
            **os.environ,
            "HF_ENDPOINT": one.address,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }
        command = [sys.executable, "-c", code, "push", str(saved), "me/films"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)

        assert 0 == done.returncode, done.stderr
        assert UPLOADED == one.files.keys()
