"""Listing plugins: each broken plugin is named, and all others are listed."""

import json
import os
import subprocess
import sys

import pytest
from faulty_plugins.distributions import BROKEN, LISTING, install, install_broken

from shortstack.registry import Registry

CALL = "from shortstack.cli import main; main()"


def command(*arguments, site):
    """Run a command in a new process, with a folder of distributions on the path: (exit code, output, errors)."""
    done = subprocess.run(
        [sys.executable, "-c", CALL, *arguments],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Every broken distribution and a healthy one."""
    folder = tmp_path_factory.mktemp("broken")
    install_broken(folder)
    install(folder, "healthy", LISTING + "    yield offered('right')\n")
    return folder


class TestManyBroken:
    """All broken distributions at once, with a healthy one among them."""

    def test_each_is_named(self, broken):
        """Each is listed with version, stage and cause; the exit code stays 0 without ``--strict``."""
        code, out, err = command("plugins", "--json", site=broken)
        listing = json.loads(out)
        failures = {failure["plugin"]: failure for failure in listing["failures"]}

        assert (0, "") == (code, err)
        assert {f"{name}:main" for name in BROKEN} == set(failures)
        for name, (_, stage, message) in BROKEN.items():
            record = failures[f"{name}:main"]
            assert ("1.0", stage) == (record["version"], record["stage"])
            assert record["error"].startswith(f"{name}:main 1.0 failed at {stage}: ")
            assert message in record["error"]

    def test_the_others_are_there(self, broken):
        """Components of broken plugins are not registered, all others are."""
        code, out, _ = command("list", "scorers", "--json", site=broken)
        offered = {component["full_name"] for component in json.loads(out)}

        assert code == 0
        assert {"shortstack/fisher", "shortstack/hybrid", "healthy/right"} < offered
        assert {"shortstack", "healthy"} == {name.partition("/")[0] for name in offered}

    def test_strict_and_traceback(self, broken):
        """``--strict`` sets the exit code, for CI; ``--traceback`` shows tracebacks, for authors."""
        code, out, err = command("plugins", "--strict", "--traceback", site=broken)

        assert code == 1
        assert "broken" in out
        assert "import no_such_module_at_all" in err
        assert "RuntimeError: halfway" in err

    def test_showing_one_of_a_broken_plugin(self, broken):
        """The command ends with one line that gives the cause."""
        code, out, err = command("show", "scorer", "halfway/half", site=broken)

        assert (2, "") == (code, out)
        assert (
            "error: importance scorer 'halfway/half' is not available: halfway:main 1.0 failed at list: RuntimeError: "
            "halfway\n"
        ) == err

    def test_a_name_that_a_broken_plugin_may_have_offered(self, broken):
        """The broken plugins are named in one line, even if their messages have several."""
        code, _, err = command("show", "scorer", "half", site=broken)

        assert code == 2
        assert err.count("\n") == 1
        assert "; a plugin is out of use and may have offered it: import-lines:main 1.0 failed at import" in err


def test_what_a_plugin_prints_is_kept_off_standard_output(tmp_path):
    """Output at import and while listing goes to standard error under the plugin's name, and into ``plugins``."""
    talk = "import sys\nprint('hello', file=sys.stdout)\nsys.stdout.flush()\n" + LISTING
    install(tmp_path, "talker", talk + "    print('at your service')\n    yield offered('depth')\n", version="2.5")
    code, out, err = command("list", "scorer", "--json", site=tmp_path)

    assert code == 0
    assert "talker/depth" in {component["full_name"] for component in json.loads(out)}
    assert "talker:main 2.5 prints: hello\ntalker:main 2.5 prints: at your service\n" == err

    _, out, _ = command("plugins", "--json", site=tmp_path)

    assert [{"plugin": "talker:main", "version": "2.5", "text": "hello\nat your service\n"}] == json.loads(out)[
        "printed"
    ]

    _, out, _ = command("plugins", site=tmp_path)

    assert "prints: hello at your service" in " ".join(out.split())


def test_a_log_handler_made_at_import_outlives_it(tmp_path):
    """The handler keeps the stream that it found at import; its later output is neither lost nor on standard output."""
    log = (
        "import logging, sys\nLOG = logging.getLogger('late')\nLOG.addHandler(logging.StreamHandler(sys.stdout))\n"
        + LISTING
        + "    yield offered('depth')\n"
    )
    install(tmp_path, "logger", log)
    code = "from shortstack import Registry; Registry.from_environment(); import logger; logger.LOG.warning('late')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ("", "logger:main 1.0 prints: late\n") == (done.stdout, done.stderr)


class TestNames:
    """Distributions whose names clash."""

    def offering(self, site, *distributions):
        """Install distributions that each offer a scorer ``depth`` by an entry point ``main``."""
        for name in distributions:
            install(site, name, LISTING + "    yield offered('depth')\n")

    def test_two_distributions_with_one_entry_point_name(self, tmp_path):
        """Both are used; a short name that both offer is ambiguous."""
        self.offering(tmp_path, "acme", "bolt")
        _, out, _ = command("plugins", "--json", site=tmp_path)
        offers = {plugin["plugin"]: plugin["offers"] for plugin in json.loads(out)["plugins"]}

        assert (["acme/depth"], ["bolt/depth"]) == (offers["acme:main"], offers["bolt:main"])

        code, _, err = command("show", "scorer", "depth", site=tmp_path)

        assert code == 2
        assert err == (
            "error: importance scorer 'depth' is offered more than once; write 'acme/depth' (acme:main 1.0) or "
            "'bolt/depth' (bolt:main 1.0)\n"
        )

        code, out, _ = command("show", "scorer", "bolt/depth", "--json", site=tmp_path)

        assert (0, "bolt:main") == (code, json.loads(out)["plugin"])

    def test_two_entry_points_of_one_distribution_with_one_name(self, tmp_path):
        """A full name must be unique, so the second entry point is ignored."""
        self.offering(tmp_path, "acme")
        points = "[shortstack]\nmain = acme\nsecond = again\n"
        (tmp_path / "acme-1.0.dist-info" / "entry_points.txt").write_text(points, encoding="utf-8")
        (tmp_path / "again.py").write_text((tmp_path / "acme.py").read_text(encoding="utf-8"), encoding="utf-8")
        _, out, _ = command("plugins", "--json", site=tmp_path)

        assert json.loads(out)["failures"] == [
            {
                "plugin": "acme:second",
                "version": "1.0",
                "stage": "list",
                "error": "acme:second 1.0 failed at list: ValueError: importance scorer 'acme/depth' is offered twice, the "
                "first time by acme:main 1.0",
            }
        ]

    def test_two_copies_of_one_distribution(self, tmp_path, monkeypatch):
        """Only the first on the path can be imported, so only it counts."""
        for number, folder in enumerate(("new", "old")):
            (tmp_path / folder).mkdir()
            install(
                tmp_path / folder, "twice_there", LISTING + "    yield offered('depth')\n", version=f"{2 - number}.0"
            )
            monkeypatch.syspath_prepend(tmp_path / folder)
        registry = Registry.from_environment()

        assert [o.version for o in registry.origins if o.distribution == "twice_there"] == ["1.0"]
        assert [f for f in registry.failures if f.origin.distribution == "twice_there"] == []

    def test_a_short_name_of_the_cores(self, tmp_path):
        """The short name stays the core's; the third party's component is reached by its full name."""
        install(tmp_path, "acme", LISTING + "    yield offered('fisher')\n")
        _, out, _ = command("show", "scorer", "fisher", "--json", site=tmp_path)

        assert json.loads(out)["full_name"] == "shortstack/fisher"

        _, out, _ = command("show", "scorer", "acme/fisher", "--json", site=tmp_path)

        assert json.loads(out)["plugin"] == "acme:main"


class TestDamagedMetadata:
    """Metadata as left behind by an interrupted installation."""

    @pytest.mark.parametrize("metadata", ["", "Metadata-Version: 2.1\n"])
    def test_a_distribution_without_a_name(self, tmp_path, metadata):
        """Its path is reported."""
        install(tmp_path, "nameless", LISTING + "    yield offered('depth')\n", metadata=metadata)
        code, out, _ = command("plugins", "--json", site=tmp_path)
        (failure,) = json.loads(out)["failures"]

        assert code == 0
        assert failure["stage"] == "find"
        assert f"ValueError: its metadata in {tmp_path} are damaged; install it again" in failure["error"]

    def test_unreadable_metadata(self, tmp_path):
        """The same holds for bytes that cannot be decoded."""
        install(tmp_path, "nameless", LISTING + "    yield offered('depth')\n")
        (tmp_path / "nameless-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe")
        code, out, _ = command("plugins", "--json", site=tmp_path)

        assert code == 0
        assert "are damaged; install it again" in json.loads(out)["failures"][0]["error"]

    def test_a_damaged_list_of_entry_points(self, tmp_path):
        """The distribution is named; the others are listed."""
        install(tmp_path, "broken-list", "", entry_point=None)
        code, out, _ = command("plugins", "--json", site=tmp_path)
        listing = json.loads(out)

        assert code == 0
        assert ["broken-list"] == [failure["plugin"].partition(":")[0] for failure in listing["failures"]]
        assert "shortstack:importance" in {plugin["plugin"] for plugin in listing["plugins"]}


def test_ctrl_c_at_import_is_the_users(tmp_path, monkeypatch):
    """KeyboardInterrupt at import ends the command; it is no failure of the plugin."""
    install(tmp_path, "interrupted", "raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Registry.from_environment()
