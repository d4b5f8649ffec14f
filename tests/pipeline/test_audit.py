"""``shortstack audit`` adds the audit of a finished run to its result and report."""

import json
import shutil
from importlib import import_module

import pytest
import torch
from pipeline.recording import Recording
from scipy import stats

from shortstack import CompactStudentModel, Run
from shortstack.cli import main
from shortstack.errors import SourceNotFoundError
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.rankers import ModelRanker
from shortstack.importance.probe import ModelProbe
from shortstack.run_layout import SEQUENCES

SCORERS = ["fisher", "attention", "drop-loss"]


@pytest.fixture(scope="module")
def audited(ring, tables, tmp_path_factory):
    """A run that was audited: its folder and its result."""
    folder = tmp_path_factory.mktemp("runs") / "audited"
    settings = {"scorers": SCORERS, "examples": 16, "settings": {"drop-loss": {"pairs": True}}}
    run = Run.from_mapping(tables(ring, importance=settings, selection={"keep_ratio": 0.5, "scorer": "fisher"}))
    run.execute(folder)
    return folder, run.audit(folder)


def test_the_oracle_is_drop_loss(audited):
    """The oracle, measured again on the same examples, equals the drop-loss score."""
    result = audited[1]

    assert result.audit["oracle"]["loss"] == pytest.approx(result.importance["drop-loss"])
    assert result.audit["examples"] == 16


def test_agreement_is_that_of_scipy(audited):
    """Spearman and Kendall of the stored scores, with an interval around them."""
    audit, scores = audited[1].audit, audited[1].importance
    for name in ("fisher", "attention"):
        for metric, drops in audit["oracle"].items():
            rho, low, high = audit["agreement"][name][f"spearman/{metric}"]
            tau = audit["agreement"][name][f"kendall/{metric}"][0]
            assert rho == pytest.approx(stats.spearmanr(scores[name], drops)[0])
            assert tau == pytest.approx(stats.kendalltau(scores[name], drops)[0])
            assert -1 <= low <= high <= 1
    assert audit["between"]["fisher"]["attention"] == pytest.approx(
        stats.spearmanr(scores["fisher"], scores["attention"])[0]
    )
    assert audit["between"]["drop-loss"]["drop-loss"] == pytest.approx(1)


def test_the_runs_own_choice_is_among_them(audited):
    """The scorer that the run selects by keeps the same layers."""
    result = audited[1]
    pruned = result.audit["pruned"]

    assert pruned["fisher"]["kept"] == result.selection["kept"]
    assert {len(choice["kept"]) for name, choice in pruned.items() if name != "all layers"} == {2}
    assert set(pruned) == {"all layers", *SCORERS, "first", "last", "ends", "uniform"} | {
        f"random, seed {seed}" for seed in range(3)
    }


def test_ndcg_is_that_of_the_pruned_model(audited):
    """NDCG is that of the pruned student on the validation users, before distillation; all layers give the teacher."""
    from shortstack.data.sequences import Sequences

    folder, result = audited
    evaluator = RecommendationEvaluator(cutoffs=(10,), resamples=100, seen=result.cases["seen"])
    cases = Sequences.load(folder / "data" / SEQUENCES).cases("valid")
    for name, stored in (("fisher", "pruned"), ("all layers", "teacher")):
        model = CompactStudentModel.from_pretrained(folder / stored)
        ranker = ModelRanker(model=model.model, candidates=torch.tensor(model.catalogue.tokens), window=10)
        value, low, high = result.audit["pruned"][name]["ndcg@10"]
        assert value == pytest.approx(evaluator.evaluate(ranker, cases).metrics["ndcg@10"])
        assert low <= value <= high


def test_losses_end_at_the_teachers(audited):
    """With all layers every order has the same loss, and that of nothing left out."""
    audit = audited[1].audit
    ends = {values[-1] for values in audit["losses"].values()}

    assert max(ends) == pytest.approx(min(ends))
    assert audit["pruned"]["all layers"]["loss"][0] == pytest.approx(min(ends))
    assert all(len(values) == 4 for values in audit["losses"].values())
    assert set(audit["forwards"]) == set(SCORERS)
    assert min(audit["forwards"].values()) > 0


def test_memory_is_that_of_the_run(audited):
    """Peak memory is that of the run's stages, not of the auditing process."""
    folder, result = audited
    records = [json.loads(path.read_bytes()) for path in folder.glob("*/stage.json") if path.parent.name != "audit"]
    assert result.cost["peak_memory_bytes"] == max(record["peak_memory_bytes"] for record in records) > 0


def test_pairs_are_recorded(audited):
    """Interactions of every two layers, on request."""
    pairs = audited[1].audit["details"]["drop-loss"]

    assert set(pairs) == {f"{i}+{j}" for i in range(4) for j in range(i + 1, 4)}


def test_it_is_in_the_report(audited):
    """The report holds the figure and the table."""
    page = (audited[0] / "report.html").read_text(encoding="utf-8")

    assert 'aria-label="Rank correlation' in page
    assert "all layers" in page
    assert "were not audited" not in page


@pytest.mark.full
def test_it_stays_while_scores_do(audited, ring, tables, tmp_path):
    """A resumed run keeps the audit; another selection drops it, since it no longer describes the run's selection."""
    folder = tmp_path / "copy"
    shutil.copytree(audited[0], folder)
    run = Run.of_folder(folder)
    again = Recording()
    assert run.execute(folder, progress=again).audit == audited[1].audit
    assert again.ran == ["report"]
    other = Run.from_mapping({**json.loads(run.to_json()), "selection": {"keep_layers": 1, "scorer": "fisher"}})
    assert other.execute(folder).audit == {}
    assert "were not audited" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_stopped_audit_goes_on(audited, tmp_path, monkeypatch):
    """Measurements made before the stop are not repeated, and the result is the same."""
    folder = tmp_path / "copy"
    shutil.copytree(audited[0], folder)
    shutil.rmtree(folder / "audit")
    run, questions = Run.of_folder(folder), []
    measure = ModelProbe.log_probability

    def counted(probe, *, skip=()):
        questions.append(tuple(skip))
        return measure(probe, skip=skip)

    monkeypatch.setattr(ModelProbe, "log_probability", counted)
    stage = import_module("shortstack.pipeline.audit")
    monkeypatch.setattr(stage, "_forwards", lambda *_: dict.fromkeys(SCORERS, 1.0))
    with monkeypatch.context() as stopping:
        stopping.setattr(stage, "_quality", _stopped)
        with pytest.raises(KeyboardInterrupt):
            run.audit(folder)
    assert len(questions) == len(set(questions)) > 5
    questions.clear()
    again = run.audit(folder)

    assert questions == []
    assert again.audit == {**audited[1].audit, "forwards": dict.fromkeys(SCORERS, 1.0)}


def _stopped(*_):
    raise KeyboardInterrupt


def test_the_command(audited, capsys, monkeypatch):
    """The command prints a table, or JSON."""
    monkeypatch.setenv("COLUMNS", "200")
    for arguments in ([], ["--json"]):
        with pytest.raises(SystemExit) as end:
            main(["audit", str(audited[0]), *arguments])
        out = capsys.readouterr().out
        assert end.value.code == 0
        if arguments:
            assert json.loads(out) == json.loads(json.dumps(audited[1].audit))
        else:
            assert "Spearman" in out
            assert all(name in out for name in SCORERS)


def test_no_run(tmp_path, capsys):
    """The error is one line."""
    with pytest.raises(SourceNotFoundError, match=r"is no run's folder: it holds no run\.json"):
        Run.of_folder(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["audit", str(tmp_path)])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
