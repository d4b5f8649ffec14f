"""``check``, ``reproduce``, the suites and the command: the kit's public interface."""

import json
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import attrs
import pytest
from mutants import datasets
from mutants.scorers import MUTANTS
from mutants.scorers.plain import mean

from shortstack.cli import main
from shortstack.errors import ConfigurationError, UnknownNameError, UnsupportedModelError
from shortstack.testing import Batching, BrokenLawError, Corpus, ScorerSuite, TinyModel, check, laws_for, reproduce
from shortstack.testing.outcomes import by_cause
from shortstack_losses import jensen_shannon


def refuse(_signals):
    """Raise for every model."""
    raise UnsupportedModelError("this scorer knows no model")


REFUSER = mean("refuser", terms=refuse)
BROKEN = {mutant.component.name: mutant.component for mutant in MUTANTS}


def failing(component, laws):
    """Return the laws that fail."""
    outcomes = check(component, laws=laws, examples=60, shrink=False)
    return {outcome.law for outcome in outcomes if outcome.status == "failed"}


class TestCheck:
    """``check(component)``."""

    def test_a_name_and_a_full_name(self):
        """Both find the component; one law is tried, on the requested number of examples."""
        for name in ("angular", "shortstack/angular"):
            (outcome,) = check(name, laws=["bounds"], examples=2)

            assert (outcome.law, outcome.status, outcome.examples, outcome.failure) == ("bounds", "passed", 2, "")

    def test_what_is_not_promised_is_not_tried(self):
        """Angular promises nothing about the scale of weights."""
        (outcome,) = check("angular", laws=["weight-scale"])

        assert (outcome.status, outcome.examples, outcome.seconds) == ("not-promised", 0, 0.0)

    @pytest.mark.full
    def test_outcomes_are_told_as_they_come(self):
        """Outcomes are reported in the order of the laws' names."""
        reported = []
        outcomes = check("magnitude", examples=1, tell=reported.append)

        assert reported == outcomes
        assert [outcome.law for outcome in outcomes] == sorted(outcome.law for outcome in outcomes)

    def test_settings_reach_the_component(self):
        """A setting that is wrong is named."""
        with pytest.raises(ConfigurationError, match=r"importance scorer 'shortstack/attention'.*sink.*'lose'"):
            check("attention", settings={"sink": "lose"}, laws=["shape"], examples=1)

    def test_promises_that_depend_on_settings(self):
        """A law is tried with the settings that promise what it says, and with no others."""
        honest = jensen_shannon.DESCRIPTOR
        liar = attrs.evolve(honest, name="liar", traits_of=None)

        assert failing(honest, laws=["symmetry", "upper-bound"]) == set()
        assert failing(liar, laws=["symmetry"]) == {"symmetry"}
        (outcome,) = check(honest, laws=["symmetry"], settings={"beta": 0.3})
        assert outcome.status == "not-promised"

    def test_module_and_attribute(self):
        """A descriptor can be checked before it is installed; an object that is no descriptor is reported."""
        (outcome,) = check("mutants.students.correct:BY_HAND", laws=["planned-depth"], examples=1)

        assert outcome.status == "passed"
        with pytest.raises(ConfigurationError, match=r"component 'mutants\.students:CORRECT' must be a descriptor"):
            check("mutants.students:CORRECT")
        with pytest.raises(ConfigurationError, match=r"component 'no_such:THING' cannot be imported"):
            check("no_such:THING")

    def test_failures_of_one_cause_belong_together(self):
        """One line of the component raises in two laws; another law finds something else."""
        (broken,) = [m for m in datasets.MUTANTS if m.name == "unguarded"]
        outcomes = check(broken.component, laws=["missing-values", "bad-row", "times-as-text"], shrink=False)

        assert [[outcome.law for outcome in group] for group in by_cause(outcomes)] == [
            ["bad-row"],
            ["missing-values", "times-as-text"],
        ]

    def test_unknown_component(self):
        """The nearest name is suggested."""
        with pytest.raises(UnknownNameError, match=r"unknown component 'angulr'; did you mean 'angular'\?"):
            check("angulr")

    def test_unknown_law(self):
        """The kind is named, and the nearest law suggested."""
        with pytest.raises(UnknownNameError, match=r"unknown law for a scorer: 'bound'; did you mean 'bounds'\?"):
            check("angular", laws=["bound"])

    def test_unknown_kind(self):
        """An unknown kind gets a suggestion; strategies are a kind, too."""
        with pytest.raises(UnknownNameError, match=r"unknown kind of component 'scoorer'; did you mean 'scorer'\?"):
            check("angular", "scoorer")

    def test_no_component(self):
        """A class is neither a name nor a descriptor."""
        with pytest.raises(ConfigurationError, match="a component is a name or a descriptor, got 3"):
            check(3)


@pytest.fixture(scope="module")
def failure():
    """The failure of a scorer that counts padding as tokens."""
    (outcome,) = check(BROKEN["padding-counted"], laws=["right-padding"])
    assert outcome.status == "failed"
    return outcome.failure


class TestFailures:
    """A failure reports the law, the example, the difference, and how to reproduce it."""

    def test_it_tells_everything(self, failure):
        """The failure holds the statement, the recipe, the difference and the tolerance."""
        assert "scorer 'under-test/padding-counted' breaks the law 'right-padding'\n" in failure
        assert "Masked columns on the right change no score, whatever token fills them." in failure
        assert "Corpus(lengths=(3,), supervised='every', unlabelled=(), seed=0)" in failure
        assert "tolerated" in failure

    def test_it_is_small(self, failure):
        """Hypothesis shrank it to one layer, one example and one column of padding."""
        assert "TinyModel(family='llama', layers=1, seed=0" in failure
        assert "padding = Batching(sizes=(1,), side='right', extra=0, pad=0, shuffled=None, blanks=0)" in failure

    @pytest.mark.full
    def test_its_snippet_fails_when_pasted(self):
        """A descriptor that a module names is imported by the snippet; nothing has to be added."""
        code = (
            "from mutants.scorers.outside import HOOK_LEAVER\n"
            "from shortstack.testing import check\n"
            "(outcome,) = check(HOOK_LEAVER, laws=['model-untouched'])\n"
            "print(outcome.failure.partition('to see it again:')[2])\n"
        )
        shown = subprocess.run([sys.executable, "-c", code], **HERE, check=True).stdout
        snippet = "\n".join(line.removeprefix("    ") for line in shown.splitlines())
        again = subprocess.run([sys.executable, "-c", snippet], **HERE, check=False)

        assert again.returncode == 1
        assert "BrokenLawError: scorer 'under-test/leaves-hook' breaks the law 'model-untouched'" in again.stderr

    def test_reproduce_wants_what_the_law_draws(self):
        """Other recipes are refused."""
        with pytest.raises(ConfigurationError, match="the law 'duplication' draws model, corpus, got model"):
            reproduce("angular", "duplication", model=TinyModel())

    def test_reproduce_is_silent_where_the_law_holds(self):
        """It raises where the law does not hold."""
        recipes = {"model": TinyModel(), "corpus": Corpus(lengths=(3, 4)), "padding": Batching(extra=2)}
        reproduce("angular", "right-padding", **recipes)
        with pytest.raises(BrokenLawError):
            reproduce(BROKEN["padding-counted"], "right-padding", **recipes)

    @pytest.mark.full
    def test_a_component_that_refuses_everything_is_told_so(self):
        """A law that was never tried did not hold."""
        (outcome,) = check(REFUSER, laws=["shape"])

        assert outcome.status == "failed"
        assert "the component refused everything that was drawn, so the law was never tried" in outcome.failure


class TestSuites:
    """The pytest suite that a plugin author gets from three lines."""

    def test_one_test_for_each_law_that_binds(self):
        """Each test has the law's statement as its docstring."""

        class Suite(ScorerSuite):
            component = "angular"
            examples = 1

        names = [name for name in vars(Suite) if name.startswith("test_")]
        assert "test_bounds" in names
        assert "test_weight_scale" not in names
        assert Suite.test_bounds.__doc__.startswith("No score is below")
        Suite().test_bounds()

    def test_a_law_that_does_not_hold_fails(self):
        """The test fails with the kit's own error."""

        class Suite(ScorerSuite):
            component = BROKEN["narrow"]

        with pytest.raises(BrokenLawError, match=r"the scores are torch\.float32, not float64"):
            Suite().test_shape()

    def test_an_expected_failure(self):
        """An expected failure is marked as such by pytest."""

        class Suite(ScorerSuite):
            component = BROKEN["narrow"]
            expected_failures: ClassVar = {"shape": "float32 is enough for us"}

        with pytest.raises(pytest.xfail.Exception, match="float32 is enough for us"):
            Suite().test_shape()

    def test_expected_failures_are_strict(self):
        """A law that holds after all must be removed from the expected failures."""

        class Suite(ScorerSuite):
            component = "magnitude"
            examples = 1
            expected_failures: ClassVar = {"shape": "not yet"}

        with pytest.raises(
            AssertionError, match="the law 'shape' holds, but was expected to fail: not yet; take it out"
        ):
            Suite().test_shape()

    def test_expected_failures_must_be_laws(self):
        """A mistyped law name would mark nothing, so it is an error."""
        with pytest.raises(UnknownNameError, match="law that binds shortstack/magnitude in expected_failures: 'shap'"):

            class Suite(ScorerSuite):
                component = "magnitude"
                expected_failures: ClassVar = {"shap": "not yet"}

    def test_a_suite_without_a_component(self):
        """Such a suite would be collected and try nothing, so it is an error."""
        with pytest.raises(ConfigurationError, match="the suite TestNothing names no component"):

            class TestNothing(ScorerSuite):
                pass

    def test_a_misspelt_attribute(self):
        """The attribute that was probably meant is suggested."""
        with pytest.raises(UnknownNameError, match=r"attribute of a suite: 'componet'; did you mean 'component'\?"):

            class TestSlip(ScorerSuite):
                componet = "magnitude"

    def test_expected_failures_need_reasons(self):
        """A list holds no reasons, so it is refused."""
        with pytest.raises(ConfigurationError, match="expected_failures is a dict, law → why it does not hold"):

            class TestReasons(ScorerSuite):
                component = "magnitude"
                expected_failures: ClassVar = ["shape"]


class TestCommand:
    """``shortstack check``."""

    def test_lines_and_exit_code(self, capsys):
        """The command prints one line per law, and a count."""
        main_exits(0, ["check", "scorer", "magnitude", "--law", "shape", "--law", "idle-layers", "--examples", "1"])
        out = capsys.readouterr().out.splitlines()

        assert out[0].startswith("importance scorer shortstack/magnitude (shortstack:importance ")
        assert out[1].startswith("not-promised  idle-layers")
        assert out[2].startswith("      passed  shape  1 examples, ")
        assert out[3:] == ["", "1 of 1 laws hold"]

    def test_nothing_to_try(self, capsys):
        """Requesting only laws that the component does not promise is an error, not a success."""
        main_exits(2, ["check", "scorer", "magnitude", "--law", "idle-layers"])

        assert "nothing was tried: scorer 'magnitude' does not promise idle-layers" in capsys.readouterr().err

    def test_json(self, capsys):
        """The JSON holds every field of the outcomes."""
        main_exits(0, ["check", "strategy", "top-k", "--law", "settings", "--json"])
        (outcome,) = json.loads(capsys.readouterr().out)

        assert (outcome["law"], outcome["status"], outcome["examples"]) == ("settings", "passed", 1)

    def test_settings_and_seed(self, capsys):
        """``--set`` takes TOML values, as for a run."""
        command = ["check", "loss", "soft-targets", "--set", "temperature=-1.0", "--seed", "3"]
        main_exits(2, command)

        assert "'temperature' must be > 0.0: -1.0" in capsys.readouterr().err


HERE = {"capture_output": True, "text": True, "cwd": Path(__file__).parents[1]}


def main_exits(code, arguments):
    """Run the command and require this exit code."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == code


def test_importing_the_kit_is_light():
    """Neither torch nor Hypothesis is imported until a law is tried."""
    code = "import sys, shortstack.testing; print({'torch', 'hypothesis', 'transformers', 'polars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def test_without_hypothesis(monkeypatch):
    """The error says which package to install."""
    monkeypatch.setitem(sys.modules, "hypothesis", None)

    with pytest.raises(
        ConfigurationError, match=r"needs Hypothesis; install it with: pip install 'shortstack\[testing\]'"
    ):
        laws_for("scorer")
