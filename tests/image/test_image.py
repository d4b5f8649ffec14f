"""The container's files keep their promises: pinned, not root, healthy, on the loopback; nothing private goes in."""

import re
import subprocess

import pytest
import yaml
from documents import ROOT
from image.dockerfile import command, environment, health, last, stages

from shortstack.cli.serve import serve

STAGES = stages()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_target(target):
    """It is no root's, listens where the health check asks, and its command has options that exist."""
    words = command(target, STAGES)
    options = {word.removeprefix("--").replace("-", "_") for word in words if word.startswith("--")}
    (port,) = (words[place + 1] for place, word in enumerate(words) if word == "--port")

    assert "10001" == last("USER", target, STAGES)
    assert ["shortstack", "serve", "/model"] == words[:3]
    assert options <= set(serve.__annotations__)
    assert port == last("EXPOSE", target, STAGES)
    assert f"C('127.0.0.1', {port}, timeout=4)" in health(target, STAGES)[-1]
    assert "'GET', '/health'" in health(target, STAGES)[-1]
    assert environment(target, STAGES)["PATH"].startswith("/opt/shortstack/bin:")
    assert (target == "cuda") == (words[-2:] == ["--device", "cuda"])


def test_the_health_check_is_python():
    """It compiles."""
    compile(health("cpu", STAGES)[-1], "health", "exec")


def test_bases_are_pinned():
    """To a version; the last stage is the one for a CPU."""
    outside = {stage.parent for stage in STAGES.values()} - STAGES.keys()

    assert outside
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", image) for image in outside)
    assert re.fullmatch(r"prom/prometheus:v\d+\.\d+\.\d+", COMPOSE["services"]["prometheus"]["image"])
    assert "cpu" == list(STAGES)[-1]


def test_what_goes_in():
    """Files of the repository by name; all else is ignored."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        name
        for stage in STAGES.values()
        for kind, rest in stage.instructions
        if kind == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
    }

    assert "*" in ignored
    assert allowed == copied
    assert all((ROOT / name).exists() for name in copied)


def test_compose():
    """Both listen on the loopback of the host; the service may write nowhere, and Prometheus reads its port."""
    service = COMPOSE["services"]["shortstack"]
    ports = [port for one in COMPOSE["services"].values() for port in one["ports"]]
    scraped = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"][0]

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert service["volumes"][0].endswith(":/model:ro")
    assert service["build"]["target"] in STAGES
    assert [f"shortstack:{last('EXPOSE', 'cpu', STAGES)}"] == scraped["static_configs"][0]["targets"]


def test_make_image():
    """It builds the target."""
    command = ["make", "--no-print-directory", "--dry-run", "image", "TARGET=cuda"]  # make names its folder under make
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert "docker build --target cuda --tag shortstack:cuda .\n" == done.stdout
