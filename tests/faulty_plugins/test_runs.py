"""A run with a hostile component ends with one line that names error and component; other runs are unaffected."""

import json
import re

import pytest

SCORER = r"importance scorer hostile-scorers/{} \(hostile-scorers:main 0\.0\)"
STUDENT = r"student architecture hostile-students/hostile \(hostile-students:main 0\.1\)"
LOSS = r"distillation loss hostile-losses/hostile \(hostile-losses:main 0\.2\)"
ADAPTER = r"dataset adapter hostile-adapters/hostile \(hostile-adapters:main 0\.3\)"


def scorers(name, **settings):
    """Return the tables of a run with this scorer beside a healthy one."""
    return {
        "importance": {"scorers": ["fisher", name], "examples": 16, "settings": {name: settings} if settings else {}}
    }


def acting(at, what):
    """Return the tables of a run whose scorer has one fault in one method."""
    return scorers("acting", at=at, what=what)


def student(at):
    """Return the tables of a run with this architecture."""
    return {"student": {"architecture": "hostile", "settings": {"at": at}}}


def loss(at):
    """Return the tables of a run with this loss beside a healthy one."""
    fit = {"steps": 4, "batch_size": 16, "learning_rate": 0.005, "warmup_steps": 0, "evaluate_every": 4}
    return {"distillation": {"fit": fit, "losses": {"labels": 1.0, "hostile": {"at": at}}}}


@pytest.fixture
def data(source):
    """Function that returns the tables of a run with this adapter."""
    return lambda what: {"data": {"source": str(source), "adapter": "hostile", "core": 2, "settings": {"what": what}}}


CASES = {
    "scorer-nan": (scorers("nan"), "scorer 'nan' gave nan for layer 0; in " + SCORER.format("nan")),
    "scorer-short": (
        scorers("short"),
        r"scorer 'short' gave scores of type torch\.float64 and shape \(3,\); it must give float64 of shape "
        r"\(4,\); in " + SCORER.format("short"),
    ),
    "scorer-single": (
        scorers("single"),
        r"scorer .* gave scores of type torch\.float32 and shape \(4,\); it must give float64 .*; in "
        + SCORER.format("single"),
    ),
    "scorer-nothing": (
        scorers("nothing"),
        "scorer 'nothing' gave None; it must give an Importance whose scores are a tensor; in "
        + SCORER.format("nothing"),
    ),
    "scorer-list": (
        scorers("list"),
        r"scorer 'list' gave Importance\(.*; it must give an Importance whose scores are a tensor; in "
        + SCORER.format("list"),
    ),
    "scorer-counting": (
        scorers("counting"),
        "scorer 'counting' counted '4' examples; a count is an int; in " + SCORER.format("counting"),
    ),
    "scorer-detailed": (
        scorers("detailed"),
        "scorer 'detailed' gave the details None; details are finite numbers by name; in " + SCORER.format("detailed"),
    ),
    "scorer-class": (
        scorers("class"),
        "this scorer is the class Probing; its build must give an object of it; in " + SCORER.format("class"),
    ),
    "scorer-number": (
        scorers("number"),
        "this scorer is a float, which lacks measure; a FoldScorer or a ProbeScorer or a DerivedScorer of .* is needed; in "
        + SCORER.format("number"),
    ),
    "scorer-words": (
        scorers("words"),
        r"scorer 'words' needs frozenset\({'states'}\), which is no set of shortstack\.contracts\.Signal; "
        "in " + SCORER.format("words"),
    ),
    "scorer-letters": (
        scorers("letters"),
        "scorer 'letters' needs the scores 'fisher', which is no tuple of names; in " + SCORER.format("letters"),
    ),
    "scorer-probing": (
        scorers("probing"),
        SCORER.format("probing") + " failed: ZeroDivisionError: division by zero",
    ),
    "scorer-unbuildable": (
        scorers("unbuildable"),
        SCORER.format("unbuildable") + " could not be built: ZeroDivisionError: division by zero",
    ),
    "scorer-picky": (
        scorers("picky", size=2),
        SCORER.format("picky") + " could not check its settings: KeyError: 2",
    ),
    "scorer-clash": (
        {"importance": {"scorers": ["fisher", "half-clash"]}},
        r"unknown importance scorer 'half-clash'.*; a plugin is out of use and may have offered it: bad-former-names:main 1\.0",
    ),
    "scorer-broken": (
        {"importance": {"scorers": ["fisher", "halfway/half"]}},
        r"importance scorer 'halfway/half' is not available: halfway:main 1\.0 failed at list: RuntimeError: halfway",
    ),
    **{
        f"scorer-raises-at-{at}": (
            acting(at, "raise"),
            SCORER.format("acting") + " failed: RuntimeError: out of luck",
        )
        for at in ("start", "update", "finish")
    },
    "scorer-stops": (acting("update", "stop"), SCORER.format("acting") + " failed: StopIteration"),
    "scorer-exits": (acting("update", "exit"), SCORER.format("acting") + " failed: SystemExit: 7"),
    "scorer-changes-the-model": (
        acting("update", "weights"),
        SCORER.format("acting")
        + r" changed the model, which it must leave as it was: the weights model\.layers\.0\.mlp\."
        r"up_proj\.weight; load the model again, for this cannot be undone",
    ),
    "scorer-leaves-a-hook": (
        acting("start", "hooks"),
        SCORER.format("acting")
        + r" changed the model, which it must leave as it was: the hooks of model\.layers\.2; this was undone",
    ),
    "scorer-changes-its-signals": (
        acting("update", "signals"),
        SCORER.format("acting") + " changed its signals in place, which others read too; make a copy first",
    ),
    "student-shrink": (student("shrink"), STUDENT + " failed: KeyError: 'num_layers'"),
    "student-no-config": (student("no-config"), r"shrink gave .*; it must give the student's config; in " + STUDENT),
    "student-count": (student("count"), STUDENT + " failed: ZeroDivisionError: no layers"),
    "student-transfer": (student("transfer"), STUDENT + " failed: RuntimeError: size mismatch"),
    "student-no-map": (
        student("no-map"),
        "transfer gave None; it must give the teacher's tensor for each copy, by name; in " + STUDENT,
    ),
    "student-shares": (
        student("shares"),
        r"model\.layers\.0\.mlp\.up_proj\.weight shares memory with the teacher's model\.layers\.\d\.mlp\.up_proj\.weight; "
        "in " + STUDENT,
    ),
    "student-forgets": (
        student("forgets"),
        r"the architecture left model\.layers\.0\.mlp\.up_proj\.weight unfilled: .*; in " + STUDENT,
    ),
    "student-miscounts": (
        student("miscount"),
        "the student has .* parameters, but its config promises .*; in " + STUDENT,
    ),
    "student-changes-the-teacher": (
        student("teacher"),
        STUDENT
        + r" changed the model, which it must leave as it was: the weights model\.layers\.0\.mlp\.up_proj\.weight; "
        "load .*",
    ),
    "loss-mean": (
        loss("mean"),
        "loss 'hostile' gives a mean: twice the data gives the same value, though it counts twice the terms; return the sum "
        "over the terms, for the trainer divides by their number; in " + LOSS,
    ),
    "loss-nan": (
        loss("nan"),
        "the loss 'hostile' is nan at step 1; lower the learning rate, or check the teacher; in " + LOSS,
    ),
    "loss-rows": (
        loss("rows"),
        r"loss 'hostile' gave a tensor of shape \(\d+,\) and type torch\.float32; a loss is one sum in float32 or float64; in "
        + LOSS,
    ),
    "loss-half": (loss("half"), r"loss 'hostile' gave a tensor of shape \(\) and type torch\.bfloat16; .*; in " + LOSS),
    "loss-number": (loss("number"), r"loss 'hostile' gave 0\.5; a loss is one sum in float32 or float64; in " + LOSS),
    "loss-detached": (
        loss("detached"),
        "loss 'hostile' does not depend on the student, so nothing can be learnt from it; do not detach it; in " + LOSS,
    ),
    "loss-call": (
        loss("call"),
        LOSS + " failed: AttributeError: 'Tensor' object has no attribute 'no_such_thing'",
    ),
    "loss-count": (loss("count"), LOSS + " failed: IndexError: no position"),
    "loss-share": (
        loss("share"),
        r"loss 'hostile' counted a tensor of shape \(\) and type torch\.float32; a count is the number of terms, one int64; "
        "in " + LOSS,
    ),
    "loss-prepare": (loss("prepare"), LOSS + " failed: IndexError: no layer 9"),
    "loss-tensor": (
        loss("tensor"),
        r"loss 'hostile' prepared tensor\(\[0\., 0\., 0\.\]\); prepare gives a torch module or None; in " + LOSS,
    ),
    "loss-needs": (
        loss("needs"),
        r"loss 'hostile' needs \['logits'\], which is no set of shortstack\.contracts\.Output; in " + LOSS,
    ),
}


@pytest.mark.parametrize(("changes", "line"), CASES.values(), ids=CASES)
def test_one_line_and_the_cause(run_with, changes, line):
    """Exit code 2, nothing else on standard error, no traceback."""
    code, err = run_with(**changes)

    assert code == 2
    assert_one_line(err, line)


def assert_one_line(err, line):
    """Assert that standard error is this one line."""
    assert re.fullmatch(f"error: {line}.*\n", err), err


ADAPTERS = {
    "no-user": r"the column 'user' of the interactions is empty in row 2; every row needs one; in " + ADAPTER,
    "nan": r"rating nan in row 1 of the interactions is no finite number; in " + ADAPTER,
    "numbers": r"the column 'item' of the interactions must be String, not Int64; in " + ADAPTER,
    "no-rating": r"the interactions have no column 'rating' \(they have: user, item, timestamp\); in " + ADAPTER,
    "microseconds": r"timestamp 1000000000000000000 in row 1 of the interactions is no date in milliseconds since 1970; in "
    + ADAPTER,
    "lazy": ADAPTER + " failed: ValueError: the archive ends early",
    "eager": ADAPTER + " failed: AttributeError: 'DataFrame' object has no attribute 'collect'",
    "twice": "the table of items must name each item once, and has repeated or empty ids; in " + ADAPTER,
    "no-title": r"the items have no column 'title' \(they have: item, category, text\); in " + ADAPTER,
    "item-numbers": "the column 'item' of the items must be String, not Int64; in " + ADAPTER,
    "raise": ADAPTER + " failed: UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0",
    "row": r".*ring\.csv:3: rating is 'x'; it must be a number; in " + ADAPTER,
    "nothing": "an adapter's read must give shortstack.contracts.Records, got a NoneType; in " + ADAPTER,
}


@pytest.mark.parametrize(("what", "line"), ADAPTERS.items(), ids=ADAPTERS)
def test_adapters(run_with, data, what, line):
    """The same holds for dataset adapters."""
    code, err = run_with(**data(what))

    assert code == 2
    assert_one_line(err, line)


def test_the_rest_works(finished):
    """Healthy components ran to the end although everything here was installed."""
    result = json.loads((finished / "result.json").read_text(encoding="utf-8"))

    assert {"fisher", "right"} <= set(result["importance"])


def test_what_was_done_before_the_failure_stays(run_with, finished, tmp_path):
    """The stages before a failure are kept, and the failed one leaves its old result."""
    code, _ = run_with(**student("transfer"))

    assert code == 2
    for stage in ("data", "teacher", "calibration", "importance", "selection", "pruned"):
        records = [json.loads((folder / stage / "stage.json").read_bytes()) for folder in (tmp_path / "run", finished)]
        kept = stage != "pruned"  # by the failed run, which says so; its own old result is as it was
        assert (records[0].pop("run") != records[1].pop("run")) is kept
        assert (records[0].pop("digest") != records[1].pop("digest")) is kept  # of the record itself
        assert records[0] == records[1]


def test_a_name_of_the_cores_is_the_cores(run_with, finished):
    """A third party's scorer called ``fisher`` does not replace the core's."""
    code, _ = run_with(importance={"scorers": ["fisher", "hostile-scorers/fisher"], "examples": 16})
    result = json.loads((finished / "result.json").read_text(encoding="utf-8"))

    assert code == 0
    assert result["importance"]["fisher"] != result["importance"]["right"]
