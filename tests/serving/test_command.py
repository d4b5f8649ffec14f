"""``shortstack serve`` before it serves: what it refuses in a line, and what it does not need."""

import contextlib
import os
import socket
import subprocess
import sys

import pytest

from shortstack.cli import main
from shortstack.cli.options import device_of
from shortstack.cli.serve import _teacher, _token
from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.serving.server import address_of, bound_socket


def said(arguments, capfd):
    """What a command that ends at once says."""
    with pytest.raises(SystemExit) as end:
        main(["serve", *map(str, arguments)])

    assert 2 == end.value.code
    return capfd.readouterr().err


def test_a_missing_extra(folder, capfd, monkeypatch):
    """Named with the line that installs it."""
    monkeypatch.setattr("shortstack.serving.server.find_spec", lambda _name: None)

    assert "error: shortstack serve needs the extra 'serve': pip install 'shortstack[serve]'\n" == said([folder], capfd)


def test_the_command_line_starts_without_fastapi():
    """Also its other commands, and their help."""
    code = """
import sys
for name in ("fastapi", "uvicorn", "starlette"):
    sys.modules[name] = None
from shortstack.cli import main
main(["serve", "--help"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert "Serve a recommender over HTTP" in done.stdout


def test_a_port_in_use(folder, capfd):
    """Before the model is read."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert f"cannot listen at 127.0.0.1, port {port}: Address already in use; choose others" in said(
            [folder, "--port", port], capfd
        )


def test_addresses():
    """Of both families, a free port, and what is no address."""
    with contextlib.closing(bound_socket("127.0.0.1", 0)) as bound:
        assert f"http://127.0.0.1:{bound.getsockname()[1]}" == address_of(bound)
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110 -- a file of the kernel
        with contextlib.closing(bound_socket("::1", 0)) as bound:
            assert f"http://[::1]:{bound.getsockname()[1]}" == address_of(bound)
    with pytest.raises(
        ConfigurationError, match=r"cannot listen at 203.0.113.1, port 0: .*; choose others with --host"
    ):
        bound_socket("203.0.113.1", 0)  # reserved for documentation: no machine has it
    for host in ("..", "a" * 70, ""):
        with pytest.raises(ConfigurationError, match=r"cannot listen at .+, port 0: .*; choose others with --host"):
            bound_socket(host, 0)


def test_a_folder_without_a_recommender(tmp_path, capfd):
    """As every other command says it."""
    assert "nothing" in said([tmp_path / "nothing", "--port", 0], capfd)


def test_the_teacher_of_a_run(tmp_path, recommender):
    """It is there beside a student; a student's own folder has none, nor has a run whose teacher was not kept."""
    assert _teacher(tmp_path, "cpu") is None
    recommender.save_pretrained(tmp_path / "teacher")
    assert _teacher(tmp_path, "cpu") is None
    recommender.save_pretrained(tmp_path / "student")
    assert _teacher(tmp_path / "student", "cpu") is None
    teacher = _teacher(tmp_path, "cpu")
    assert recommender.recommend(["m1"]) == teacher.recommender.recommend(["m1"])
    assert not teacher.changed()


def test_limits_of_the_command(folder, capfd):
    """By the name of the setting."""
    assert "error: window_ms must be above 0 and finite, got -1.0\n" == said([folder, "--window-ms", "-1"], capfd)
    assert "error: timeout_s must be above 0 and finite, got 0.0\n" == said([folder, "--timeout", "0"], capfd)
    assert "error: timeout_s must be above 0 and finite, got inf\n" == said([folder, "--timeout", "inf"], capfd)
    assert "error: window_ms must be above 0 and finite, got nan\n" == said([folder, "--window-ms", "nan"], capfd)


def test_tokens(tmp_path, monkeypatch):
    """From a file, or else from the environment; none that no header can hold."""
    file = tmp_path / "token"
    file.write_text("from-file\n")
    monkeypatch.delenv("SHORTSTACK_TOKEN", raising=False)
    assert _token(None) is None
    monkeypatch.setenv("SHORTSTACK_TOKEN", "from-environment")
    assert "from-environment" == _token(None)
    assert "from-file" == _token(file)

    for text in ("", "two words", "é"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match="token is not printable ASCII without spaces; choose another"):
            _token(file)
    with pytest.raises(SourceNotFoundError, match="is not there; --token-file names a file with the token"):
        _token(tmp_path / "none")
    with pytest.raises(SourceNotFoundError, match="is no file; --token-file names a file with the token"):
        _token(tmp_path)


def test_devices(monkeypatch):
    """A device that is not here is told before the model is read."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert ["cpu", "cpu"] == [device_of("auto"), device_of("cpu")]
    with pytest.raises(ConfigurationError, match="--device cuda: this machine has no CUDA device; use cpu"):
        device_of("cuda")
    with pytest.raises(ConfigurationError, match="--device is auto, cpu, cuda, got 'tpu'"):
        device_of("tpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert ["cuda", "cuda"] == [device_of("auto"), device_of("cuda")]


def test_an_open_address_is_warned_of(tmp_path, capfd):
    """Without a token; the loopback is not."""
    everywhere = ["--host", "0.0.0.0", "--port", 0]  # noqa: S104 -- that is what is warned of
    (tmp_path / "token").write_text("secret")

    assert "warning: anyone who reaches http://0.0.0.0:" in said([tmp_path, *everywhere], capfd)
    assert "warning" not in said([tmp_path, *everywhere, "--token-file", tmp_path / "token"], capfd)
    assert "warning" not in said([tmp_path, "--port", 0], capfd)
