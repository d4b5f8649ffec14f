"""The registry finds plugins, isolates broken ones, and explains itself."""

import subprocess
import sys
from types import ModuleType

import attrs
import pytest
from faulty_plugins.distributions import install

from shortstack.contracts import DatasetDescriptor, LossDescriptor, LossTraits, NoSettings, ScorerDescriptor
from shortstack.errors import ConfigurationError, PluginError, UnknownNameError
from shortstack.hooks import hookimpl
from shortstack.registry import Origin, Registry


@attrs.frozen(kw_only=True)
class Sink:
    """A fake scorer, which is its own settings."""

    depth: int = 2

    def measure(self, probe):
        """Never called."""


def scorer(name, **changes):
    """Return a descriptor whose build returns its settings."""
    return ScorerDescriptor(name=name, summary="made up", config=Sink, build=lambda config: config, **changes)


def module(**functions):
    """Return a module that holds these functions."""
    made = ModuleType("made_up")
    vars(made).update(functions)
    return made


def plugin(*descriptors):
    """Return a plugin object with one scorer hook that yields these."""

    @hookimpl
    def shortstack_importance_scorers():
        yield from descriptors

    return module(shortstack_importance_scorers=shortstack_importance_scorers)


def registry_of(**plugins):
    """Return a registry with one plugin for each distribution name."""
    registry = Registry()
    for name, module in plugins.items():
        registry.register(module, Origin(name, "main", "1.0"))
    return registry


class TestFind:
    """Short names, full names, and what happens when they clash."""

    def test_short_and_full_name_find_the_same_component(self):
        """A component answers to ``name`` and ``distribution/name``."""
        registry = registry_of(acme=plugin(scorer("depth")))

        assert registry.find("scorer", "depth") is registry.find("scorer", "acme/depth")
        assert registry.find("scorer", "depth").full_name == "acme/depth"

    def test_former_name_still_works(self):
        """A renamed component answers to its old name."""
        registry = registry_of(acme=plugin(scorer("depth", former_names=("height",))))

        assert registry.find("scorer", "height").descriptor.name == "depth"

    def test_the_core_wins_its_short_names(self):
        """A third party's component of the same name is shadowed, but there under its full name."""
        registry = registry_of(acme=plugin(scorer("fisher")), shortstack=plugin(scorer("fisher")))

        assert registry.find("scorer", "fisher").full_name == "shortstack/fisher"
        assert registry.find("scorer", "acme/fisher").full_name == "acme/fisher"

    def test_two_third_parties_with_one_name_must_be_told_apart(self):
        """Only using the short name fails, and the message names both."""
        registry = registry_of(acme=plugin(scorer("depth")), bolt=plugin(scorer("depth")))

        with pytest.raises(ConfigurationError, match=r"offered more than once; write 'acme/depth' .* or 'bolt/depth'"):
            registry.find("scorer", "depth")
        assert registry.find("scorer", "bolt/depth").full_name == "bolt/depth"

    @pytest.mark.parametrize("name", ["Acme_Layers/depth", "acme-layers/depth", "acme.layers/depth"])
    def test_a_distribution_by_any_of_its_names(self, name):
        """As for installers, case and the kind of dash do not matter."""
        registry = registry_of(Acme_Layers=plugin(scorer("depth")), acme=plugin(scorer("depth")))

        assert registry.find("scorer", name).full_name == "Acme_Layers/depth"

    def test_unknown_name_suggests_the_nearest(self):
        """A slip of the finger is met with a suggestion."""
        registry = registry_of(acme=plugin(scorer("depth")))

        with pytest.raises(UnknownNameError, match=r"unknown importance scorer 'detph'; did you mean 'depth'\?"):
            registry.find("scorer", "detph")


class TestBuild:
    """Settings reach the component typed, or not at all."""

    def test_settings_become_the_config(self):
        """A mapping is structured into the descriptor's config class."""
        registry = registry_of(acme=plugin(scorer("depth")))

        assert registry.build("scorer", "depth", {"depth": 5}) == Sink(depth=5)
        assert registry.build("scorer", "depth") == Sink()

    def test_unknown_setting_is_named(self):
        """The message says whose setting it is and what there is."""
        registry = registry_of(acme=plugin(scorer("depth")))

        with pytest.raises(UnknownNameError, match=r"importance scorer 'depth': 'dept'; did you mean 'depth'\?"):
            registry.build("scorer", "depth", {"dept": 5})

    def test_a_failing_build_names_the_distribution(self):
        """The plugin's own error is the cause."""
        broken = attrs.evolve(scorer("depth"), build=lambda _config: 1 / 0)
        registry = registry_of(acme=plugin(broken))

        with pytest.raises(PluginError, match=r"acme/depth \(acme:main 1.0\) could not be built") as caught:
            registry.build("scorer", "depth")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


class TestIsolation:
    """A broken plugin is recorded, named, and does no harm."""

    def test_import_error(self):
        """An exception at import is recorded as a failure; other plugins stay."""
        registry = registry_of(acme=plugin(scorer("depth")))
        registry.load(Origin("bad", "main", "0.1"), lambda: __import__("no_such_module_at_all"))

        assert [str(f.origin) for f in registry.failures] == ["bad:main 0.1"]
        assert registry.failures[0].stage == "import"
        assert registry.find("scorer", "depth")

    def test_import_that_exits(self):
        """A module that calls ``sys.exit`` does not end the program."""
        registry = Registry()
        registry.load(Origin("bad", "main", "0.1"), lambda: sys.exit(3))

        assert isinstance(registry.failures[0].error, SystemExit)

    def test_misspelt_hook(self):
        """An implementation of a hook that does not exist is an error with a suggestion."""

        @hookimpl
        def shortstack_importance_scorer():
            yield scorer("depth")

        registry = registry_of(bad=module(shortstack_importance_scorer=shortstack_importance_scorer))

        assert "did you mean 'shortstack_importance_scorers'?" in str(registry.failures[0].error)

    def test_undecorated_misspelt_hook(self):
        """A misspelt hook is reported even without the decorator."""
        registry = registry_of(bad=module(shortstack_lossess=lambda: ()))

        assert "did you mean 'shortstack_losses'?" in str(registry.failures[0].error)

    def test_wrong_descriptor_type(self):
        """A descriptor of another kind is a failure."""
        loss = LossDescriptor(name="depth", summary="made up", build=lambda config: config)
        registry = registry_of(bad=plugin(loss))

        assert "must yield ScorerDescriptor objects, got LossDescriptor" in str(registry.failures[0].error)

    def test_generator_that_raises_halfway_offers_nothing(self):
        """Nothing of a plugin is accepted before all of it is listed."""

        @hookimpl
        def shortstack_importance_scorers():
            yield scorer("depth")
            raise RuntimeError("halfway")

        registry = registry_of(bad=module(shortstack_importance_scorers=shortstack_importance_scorers))

        assert registry.components == ()
        assert registry.failures[0].stage == "list"

    def test_using_a_broken_plugin_by_full_name_raises_its_failure(self):
        """Using a broken plugin by full name raises, with its failure as cause."""
        registry = Registry()
        registry.load(Origin("bad", "main", "0.1"), lambda: 1 / 0)

        with pytest.raises(PluginError, match=r"'bad/depth' is not available: bad:main 0.1 failed at import") as caught:
            registry.find("scorer", "bad/depth")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    def test_two_distributions_with_one_entry_point_name(self):
        """Both are registered: ids carry the distribution."""
        registry = registry_of(acme=plugin(scorer("depth")), bolt=plugin(scorer("width")))

        assert [origin.id for origin in registry.origins] == ["acme:main", "bolt:main"]


HOOK = """
from shortstack.contracts import ScorerDescriptor
from shortstack.hooks import hookimpl

@hookimpl
def shortstack_importance_scorers():
    yield ScorerDescriptor(name="mine", summary="Mine.", build=print)
"""


class TestDescriptor:
    """Descriptors validate their arguments."""

    @pytest.mark.parametrize("name", ["Fisher", "two words", "-x", "x_y", ""])
    def test_names_are_kebab_case(self, name):
        """Names are lower-case words joined by hyphens."""
        with pytest.raises(ValueError, match="lower-case words joined by '-'"):
            scorer(name)

    def test_config_must_be_attrs(self):
        """Settings are attrs classes."""
        with pytest.raises(TypeError, match="config must be an attrs class, got <class 'dict'>"):
            ScorerDescriptor(name="x", summary="made up", config=dict, build=lambda config: config)

    def test_write_must_be_callable(self):
        """An adapter writes samples or says nothing of it."""
        assert DatasetDescriptor(name="x", summary="made up", build=print, write=print).write is print
        assert DatasetDescriptor(name="x", summary="made up", build=print).write is None
        with pytest.raises(TypeError, match=r"^write must be callable or None, got 'ratings\.csv'$"):
            DatasetDescriptor(name="x", summary="made up", build=print, write="ratings.csv")

    def test_promises_with_the_default_settings_are_said_once(self):
        """What ``traits_of`` says of the defaults is what ``traits`` says; other settings may promise more or less."""
        bounded = LossTraits(upper=1.0)
        promised = {"name": "x", "summary": "made up", "build": print, "traits_of": lambda _: bounded}

        assert LossDescriptor(**promised, traits=bounded).traits_with(NoSettings()) == bounded
        assert LossDescriptor(name="x", summary="made up", build=print).traits_with(NoSettings()) == LossTraits()
        with pytest.raises(
            ValueError,
            match=r"^traits are the promises with the default settings, where traits_of says LossTraits\(.*upper=1\.0.*\), "
            r"got LossTraits\(.*upper=None",
        ):
            LossDescriptor(**promised)


class TestEnvironment:
    """The installed distributions."""

    def test_the_core_offers_its_components(self):
        """Every built-in is registered through the same entry points as third-party plugins."""
        registry = Registry.from_environment()

        assert registry.failures == ()
        assert {"fisher", "gradient", "taylor", "attention", "block-influence", "angular", "norm-ratio"} < {
            c.descriptor.name for c in registry.components if c.kind == "scorer"
        }

    def test_block_list(self, monkeypatch):
        """``SHORTSTACK_BLOCK_PLUGINS`` leaves a plugin out."""
        monkeypatch.setenv("SHORTSTACK_BLOCK_PLUGINS", "shortstack:losses")

        assert "shortstack:losses" not in [origin.id for origin in Registry.from_environment().origins]

    def test_allow_list_keeps_the_core(self, monkeypatch):
        """``SHORTSTACK_PLUGINS`` allows third parties by id; the core's own stay."""
        monkeypatch.setenv("SHORTSTACK_PLUGINS", "acme:main")

        assert {origin.distribution for origin in Registry.from_environment().origins} == {"shortstack"}

    @pytest.mark.parametrize(
        "text", ["My_Plugin:my_plugin", "my-plugin:my_plugin", "MY.PLUGIN:my_plugin", "my_plugin", "x:y, my--plugin"]
    )
    def test_a_distribution_by_any_spelling(self, tmp_path, monkeypatch, text):
        """PEP 503: the same to installers, and so to both lists; the name alone is all of its plugins."""
        install(tmp_path, "My_Plugin", HOOK, entry_point="my_plugin")
        monkeypatch.syspath_prepend(tmp_path)
        assert "my_plugin" in {origin.entry_point for origin in Registry.from_environment().origins}
        monkeypatch.setenv("SHORTSTACK_BLOCK_PLUGINS", text)
        assert "my_plugin" not in {origin.entry_point for origin in Registry.from_environment().origins}
        monkeypatch.delenv("SHORTSTACK_BLOCK_PLUGINS")
        monkeypatch.setenv("SHORTSTACK_PLUGINS", text)
        assert "my_plugin" in {origin.entry_point for origin in Registry.from_environment().origins}

    @pytest.mark.parametrize("variable", ["SHORTSTACK_PLUGINS", "SHORTSTACK_BLOCK_PLUGINS"])
    def test_ids_that_mean_nothing_are_reported(self, monkeypatch, variable):
        """Among what is broken: a plugin that was to be blocked may be in use."""
        monkeypatch.setenv(variable, "shortstack:loses, shortstack")
        registry = Registry.from_environment()

        (failure,) = registry.failures
        assert str(failure) == (
            f"shortstack:loses ? failed at find: ConfigurationError: {variable} names 'shortstack:loses', which is not "
            "installed; did you mean 'shortstack:losses'?"
        )

    def test_listing_imports_no_torch(self):
        """Listings stay fast because nothing heavy is imported."""
        code = (
            "import sys; from shortstack.registry import Registry; Registry.from_environment(); import shortstack.cli; "
            "print([m for m in ('torch', 'transformers', 'polars', 'datasets', 'scipy', 'matplotlib') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

        assert done.stdout.strip() == "[]"
