"""``shortstack score`` and ``merge``: scores equal ``measure_importance``, also resumed and sharded."""

import json
import re
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import torch
from processes.several import in_processes
from scoring.sentences import TEXTS, WORDS
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, BertConfig, BertLMHeadModel, MixtralConfig, MixtralForCausalLM

from shortstack import Registry, measure_importance
from shortstack.cli import main
from shortstack.contracts import Importance, ScorerDescriptor, Signal
from shortstack.errors import (
    ConfigurationError,
    DataError,
    EmptyDataError,
    NonFiniteError,
    PluginError,
    RunFolderError,
    ShortstackError,
    SourceNotFoundError,
    UnsupportedModelError,
    UnwritableError,
)
from shortstack.files import held
from shortstack.hooks import hookimpl
from shortstack.importance.probe import ModelProbe
from shortstack.models.stored import stored_tokenizer
from shortstack.progress import Silent
from shortstack.registry import Origin
from shortstack.scoring import sweeping
from shortstack.scoring.model_files import files_read
from shortstack.scoring.parts import Part
from shortstack.scoring.score import Scoring
from shortstack.scoring.score_file import merge_parts
from shortstack.scoring.texts import read_examples

SCORERS = {"fisher": {}, "block-influence": {}, "hybrid": {"weights": {"gradient": 1.0, "attention": 2.0}}}


class KilledAt(Silent):
    """Progress that simulates a kill once a number of examples are done."""

    def __init__(self, done):
        """Store the point of failure."""
        self.killed_at = done

    @contextmanager
    def job(self, name, total):
        """Yield a step function that does it."""

        def step(done, note=""):
            if done >= self.killed_at:
                raise KeyboardInterrupt

        yield step


@pytest.fixture
def scoring(model_folder, texts):
    """Makes a scoring with other settings."""

    def make(**settings):
        return Scoring(**{"model": model_folder, "texts": texts, "scorers": SCORERS, "batch_size": 2} | settings)

    return make


@pytest.fixture
def score(scoring):
    """Scores and reads what was written."""

    def go(out, progress=None, **settings):
        scoring(**settings).execute(out, Registry.from_environment(), progress or Silent())
        return json.loads(out.read_text(encoding="utf-8"))

    return go


def by_hand(model_folder, scorers, rows=TEXTS):
    """Return the same scores from batches of one example, made without the tokenizer."""
    batches = []
    for row in rows:
        prompt = [WORDS.index(word) for word in row.get("prompt", "").split()]
        rest = [WORDS.index(word) for word in row.get("text", row.get("completion", "")).split()]
        ids = torch.tensor([prompt + rest])
        labels = torch.tensor([[-100] * len(prompt) + rest])
        batches.append({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    return {name: importance.scores for name, importance in measure_importance(model, batches, scorers).items()}


def assert_same_scores(found, expected):
    """Assert that scores are equal within float32 rounding."""
    assert found.keys() == expected.keys()
    for name, scores in expected.items():
        torch.testing.assert_close(
            torch.tensor(found[name], dtype=torch.float64),
            torch.as_tensor(scores, dtype=torch.float64),
            rtol=2e-5,
            atol=1e-8,
        )


def test_scores_are_those_of_measure_importance(score, model_folder, tmp_path):
    """The oracle and a fused scorer too; padding, prompts and order change nothing."""
    scorers = {**SCORERS, "drop-loss": {}}
    result = score(tmp_path / "scores.json", scorers=scorers)

    assert_same_scores(result["scores"], by_hand(model_folder, scorers))
    assert (result["examples"], result["layers"]) == (7, 3)
    assert result["counted"] == {"fisher": 6, "block-influence": 7, "hybrid": 7, "drop-loss": 6}
    assert "shortstack/fisher" in result["plugins"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.json", "texts.jsonl"]


def test_long_texts_are_cut(score, model_folder, tmp_path):
    """A text at its end, a prompt at its start."""
    result = score(tmp_path / "scores.json", longest=3, scorers={"fisher": {}})
    cut = [
        {"text": "the cat sat"},
        {"text": "two dogs run"},
        {"prompt": "saw", "completion": "two dogs"},
        {"text": "a mat and"},
        {"text": "dogs"},
        {"completion": "run and run"},
        {"text": "the dogs saw"},
    ]

    assert_same_scores(result["scores"], by_hand(model_folder, ["fisher"], cut))


@pytest.mark.parametrize("count", [2, 3, 9])
def test_shards_merge_to_the_whole(score, scoring, tmp_path, count):
    """However many there are; nine shards of seven examples leave two with none."""
    whole = score(tmp_path / "whole.json")
    registry = Registry.from_environment()
    parts = [scoring(shard=(i, count)).execute(tmp_path / "out.json", registry, Silent()) for i in range(1, count + 1)]
    merge_parts(parts[::-1], tmp_path / "out.json", registry)
    merged = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))

    assert_same_scores(merged["scores"], whole["scores"])
    assert merged["examples"] == whole["examples"]


@pytest.mark.parametrize("batch_size", [2, 1])
def test_a_killed_scoring_goes_on(score, tmp_path, monkeypatch, batch_size):
    """Saved examples are not swept again, whatever the batch size."""
    whole = score(tmp_path / "whole.json")
    monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(KeyboardInterrupt):
        score(tmp_path / "out.json", KilledAt(6))
    swept, sweep = [], sweeping.sweep

    def counting(model, batches, *args, **kwargs):
        return sweep(model, (swept.append(len(batch.input_ids)) or batch for batch in batches), *args, **kwargs)

    monkeypatch.setattr(sweeping, "sweep", counting)
    result = score(tmp_path / "out.json", batch_size=batch_size)

    assert sum(swept) == 3
    assert_same_scores(result["scores"], whole["scores"])


class FullAt(Silent):
    """Progress that simulates a full disk for files of more than 100 bytes, once part of a job is done."""

    def __init__(self, name, done):
        """Store the point of failure."""
        self.name, self.full_at = name, done

    @contextmanager
    def job(self, name, total):
        """Yield a step function that does it."""

        def step(done, note=""):
            if name == self.name and done >= self.full_at:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

        yield step


@pytest.fixture
def room_again():
    """Call it to have room on the disk again; that is so after the test too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def free():
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    yield free
    free()


@pytest.mark.parametrize(("full", "left"), [(("examples", 6), 3), (("passes without layers", 2), 0)])
def test_a_full_disk_costs_no_work(score, tmp_path, monkeypatch, room_again, full, left):
    """The error is one line, and the next call resumes from what was saved; no partial file stays."""
    monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
    scorers = {"fisher": {}, "drop-loss": {}}
    whole = score(tmp_path / "whole.json", scorers=scorers)
    with pytest.raises(
        UnwritableError, match=r"out\.json.* cannot be written \(.*File too large.*; make room for it, and"
    ):
        score(tmp_path / "out.json", FullAt(*full), scorers=scorers)
    room_again()
    assert [path for path in tmp_path.iterdir() if path.suffix == ".partial"] == []
    swept, sweep = [], sweeping.sweep

    def counting(model, batches, *args, **kwargs):
        return sweep(model, (swept.append(len(batch.input_ids)) or batch for batch in batches), *args, **kwargs)

    monkeypatch.setattr(sweeping, "sweep", counting)
    result = score(tmp_path / "out.json", scorers=scorers)

    assert sum(swept) == left
    assert_same_scores(result["scores"], whole["scores"])


CHANGES = [
    ({"scorers": {"fisher": {}}}, "scorers and code of scorers"),
    ({"longest": 5}, "length"),
    ({"precision": "bfloat16"}, "precision"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_another_job_has_parts_and_scores_of_its_own(score, tmp_path, monkeypatch, change, said):
    """Another job neither resumes nor deletes parts of the first, and does not overwrite its scores."""
    monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(KeyboardInterrupt):
        score(tmp_path / "out.json", KilledAt(6))
    (part,) = tmp_path.glob(".out.json.*")
    before = part.read_bytes()
    written = score(tmp_path / "out.json", **change)

    assert part.read_bytes() == before
    with pytest.raises(
        RunFolderError, match=f"out.json holds scores with other {said}; remove it, or name another file"
    ):
        score(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == written


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_shard_is_not_written_over_by_another_job(scoring, tmp_path, change, said):
    """Another job does not overwrite a shard: the error says what differs."""
    registry = Registry.from_environment()
    part = scoring(shard=(1, 2)).execute(tmp_path / "out.json", registry, Silent())
    before = part.read_bytes()

    with pytest.raises(ConfigurationError, match=f"{part} was made with other {said}; remove it, or write elsewhere"):
        scoring(shard=(1, 2), **change).execute(tmp_path / "out.json", registry, Silent())
    assert part.read_bytes() == before


def test_other_texts_are_another_job(score, texts, tmp_path):
    """The content counts, not the name; a corrected file is not held up by what the wrong one left."""
    texts.write_text('{"text": "dogs"}\n', encoding="utf-8")
    with pytest.raises(EmptyDataError, match="needs labels"):
        score(tmp_path / "out.json")
    texts.write_text('{"text": "the cat sat"}\n' * 7, encoding="utf-8")

    assert score(tmp_path / "out.json")["examples"] == 7


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_written_beside_the_model_is_no_part_of_it(scoring, model_folder, tmp_path, monkeypatch, count):
    """Scores, shards of them, a log: what was found before still counts."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    registry = Registry.from_environment()
    for number in range(1, count + 1):
        scoring(model=folder, shard=(number, count)).execute(folder / "scores.json", registry, Silent())
    (folder / "log.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(sweeping, "sweep", None)

    again = scoring(model=folder, shard=(1, count)).execute(folder / "scores.json", registry, Silent())
    assert again.name == ("scores.json" if count == 1 else "scores.json.1-of-2.safetensors")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "spiece.model"])
def test_what_the_model_is_read_from_is_part_of_the_job(model_folder, tmp_path, name):
    """A job depends on the model's weights, its config, and any tokenizer file."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    before = files_read(folder)
    (folder / name).touch()

    assert set(files_read(folder)) == {*before, folder / name}


def test_scores_that_are_there_are_not_measured_again(score, tmp_path, monkeypatch):
    """The same command twice does not measure again."""
    first = score(tmp_path / "out.json")
    monkeypatch.setattr(sweeping, "sweep", None)

    assert score(tmp_path / "out.json") == first


def test_the_oracle_goes_on(score, tmp_path, monkeypatch):
    """Finished measurements without some layers are not repeated, nor those on the fitted hybrid's few examples."""
    scorers = {"drop-loss": {"pairs": True}, "fitted-hybrid": {"examples": 3}}
    whole = score(tmp_path / "whole.json", scorers=scorers)
    questions, ask, most = [], ModelProbe.log_probability, 5

    def counting(probe, *, skip=()):
        if len(questions) % most == most - 1 and questions[-1] != "killed":
            questions.append("killed")
            raise KeyboardInterrupt
        questions.append((probe.examples, tuple(skip)))
        return ask(probe, skip=skip)

    monkeypatch.setattr(ModelProbe, "log_probability", counting)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            score(tmp_path / "out.json", scorers=scorers)
    result = score(tmp_path / "out.json", scorers=scorers)
    answered = [question for question in questions if question != "killed"]

    assert len(questions) - len(answered) == 2
    assert len(set(answered)) == len(answered) == 1 + 3 + 3 + 1 + 3
    assert result["details"] == whole["details"]
    assert_same_scores(result["scores"], whole["scores"])
    assert not list(tmp_path.glob(".out.json*"))


@pytest.mark.parametrize(
    "scorers",
    [{"drop-loss": {}}, {"fitted-hybrid": {}}, {"hybrid": {"weights": {"fisher": 1.0, "fitted-hybrid": 1.0}}}],
    ids=str,
)
def test_what_runs_the_model_again_is_not_sharded(scoring, tmp_path, scorers):
    """Scorers that rerun the model need all examples, so sharding them is refused before any work."""
    said = f"scorer '{'drop-loss' if 'drop-loss' in scorers else 'fitted-hybrid'}' runs the model many times on all examples"
    with pytest.raises(ConfigurationError, match=said):
        scoring(shard=(1, 2), scorers=scorers).execute(tmp_path / "out.json", Registry.from_environment(), Silent())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.jsonl"]


def test_two_processes_do_not_write_one_file(score, tmp_path, monkeypatch):
    """The second process gets an error."""
    with (
        held(next(iter([part_of(score, tmp_path, monkeypatch)]))),
        pytest.raises(RunFolderError, match="another process is writing"),
    ):
        score(tmp_path / "out.json")


def test_what_another_job_wrote_in_the_meantime_stays(score, tmp_path, monkeypatch):
    """Two jobs may run at once; the one that ends later does not write over the other's scores."""
    out = tmp_path / "out.json"

    def meanwhile(_model):
        monkeypatch.undo()
        score(out, scorers={"gradient": {}})

    monkeypatch.setattr("shortstack.scoring.score.require_causal", meanwhile)
    with pytest.raises(RunFolderError, match="holds scores with other scorers"):
        score(out, scorers={"fisher": {}})
    assert json.loads(out.read_bytes())["scores"].keys() == {"gradient"}
    out.unlink()
    assert score(out, scorers={"fisher": {}})["scores"].keys() == {"fisher"}


def part_of(score, tmp_path, monkeypatch):
    """Return the path of a killed scoring's partial results."""
    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
        with pytest.raises(KeyboardInterrupt):
            score(tmp_path / "out.json", KilledAt(6))
    (part,) = tmp_path.glob(".out.json.*")
    return part


class TestMerging:
    """Merging of shards, and the errors of shards that cannot be merged."""

    @pytest.fixture
    def parts(self, scoring, tmp_path):
        """Two shards."""
        registry = Registry.from_environment()
        return [scoring(shard=(i, 2)).execute(tmp_path / "out.json", registry, Silent()) for i in (1, 2)]

    def refused(self, parts, out, error, said):
        """Require that merging raises this error."""
        with pytest.raises(error, match=said):
            merge_parts(parts, out, Registry.from_environment())
        assert not out.exists()

    def test_a_missing_shard(self, parts, tmp_path):
        """The error names the shards that exist and those that are missing."""
        said = "shards 1/2 to 2/2 are needed, each once; given are 2/2"
        self.refused(parts[1:], tmp_path / "out.json", ConfigurationError, said)

    def test_a_shard_twice(self, parts, tmp_path):
        """A shard given twice is refused, as it would count double."""
        self.refused([*parts, parts[0]], tmp_path / "out.json", ConfigurationError, "given are 1/2, 1/2, 2/2")

    def test_shards_of_different_counts(self, parts, scoring, tmp_path):
        """Shards of different counts are refused."""
        third = scoring(shard=(2, 3)).execute(tmp_path / "out.json", Registry.from_environment(), Silent())
        said = "shards 1/2 to 2/2 are needed, each once; given are 1/2, 2/3"
        self.refused([parts[0], third], tmp_path / "out.json", ConfigurationError, said)

    def test_another_file_of_safetensors(self, parts, model_folder, tmp_path):
        """Another safetensors file, such as the model's, is refused without advice to remove it."""
        said = "model.safetensors is no part of a scoring"
        self.refused([parts[0], model_folder / "model.safetensors"], tmp_path / "out.json", DataError, said)
        with pytest.raises(
            SourceNotFoundError, match="nowhere is no file; name those that shortstack score --shard wrote"
        ):
            merge_parts([tmp_path / "nowhere"], tmp_path / "out.json", Registry.from_environment())

    def test_an_unfinished_shard(self, parts, scoring, tmp_path, monkeypatch):
        """The error says how far the shard is."""
        monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
        parts[0].unlink()
        with pytest.raises(KeyboardInterrupt):
            scoring(shard=(1, 2)).execute(tmp_path / "out.json", Registry.from_environment(), KilledAt(4))
        self.refused(parts, tmp_path / "out.json", ConfigurationError, "shard 1 has swept 2 of its 4 examples")

    def test_another_job(self, parts, scoring, tmp_path):
        """The error says in what the jobs differ."""
        parts[1].unlink()
        scoring(shard=(2, 2), longest=5).execute(tmp_path / "out.json", Registry.from_environment(), Silent())
        self.refused(parts, tmp_path / "out.json", ConfigurationError, "shard 2 was made with other length")

    def test_no_part(self, parts, texts, tmp_path):
        """Any other file is refused as a part."""
        self.refused(
            [parts[0], texts], tmp_path / "out.json", DataError, "texts.jsonl is no part of a scoring, or damaged"
        )

    def test_a_damaged_part(self, parts, tmp_path):
        """A truncated part is refused."""
        parts[1].write_bytes(parts[1].read_bytes()[:-40])
        self.refused(parts, tmp_path / "out.json", DataError, "2-of-2.safetensors is no part of a scoring, or damaged")


@pytest.mark.parametrize("content", [None, '{"scores": [1, 2, 3], "of": "a football club"}', "[" * 100_000])
def test_nothing_else_is_written_over(score, texts, content):
    """No other file is overwritten, such as the texts."""
    if content:
        texts.write_text(content)
    before = texts.read_bytes()
    with pytest.raises(RunFolderError, match=r"texts.jsonl is there, and holds no scores"):
        score(texts)
    assert texts.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a", "text": "b"}', r"texts.jsonl:8: the key .text. is there 2 times; leave the right one"),
        ("the cat", r"texts.jsonl:8: not JSON"),
        ('["the cat"]', r"texts.jsonl:8: got \[\"the cat\"\]; a line is {\"text\": …} or"),
        ('{"text": 3}', r"texts.jsonl:8: got {\"text\": 3}"),
        ('{"prompt": "the"}', r"texts.jsonl:8: got"),
        ('{"text": "the \\ud800"}', r"texts.jsonl:8: got"),
        ("[" * 100_000, r"texts.jsonl:8: not JSON"),
    ],
)
def test_a_bad_line(score, texts, tmp_path, line, said):
    """A bad line is reported, with what is allowed."""
    with texts.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=said):
        score(tmp_path / "out.json")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["MODEL", "--texts", "nowhere.jsonl"], "nowhere.jsonl is no file; name one with a line of"),
        (["MODEL", "--scorers", "fishr"], "did you mean 'fisher'?"),
        (["MODEL", "--shard", "3/2"], "shard 3/2 does not exist"),
        (["MODEL", "--shard", "half"], "--shard takes a number and how many there are, such as 2/4, got 'half'"),
        (["MODEL", "--set", "fishr.x=1"], "unknown scorer in --set 'fishr'; did you mean 'fisher'?"),
        (["MODEL", "--scorers", "hybrid", "--set", "hybrid.fusion=1"], "hybrid'.fusion: '1'"),
        (["MODEL", "--precision", "int8"], "score.precision"),
        (["MODEL", "--device", "tpu"], "score.device"),
        (["MODEL", "--scorers", ","], "no scorer was named; name one or more, for example fisher"),
        (["MODEL", "--json", "nowhere/out.json"], "nowhere is no folder; make it first, or name another"),
    ],
)
def test_mistakes_on_the_command_line(model_folder, texts, tmp_path, capsys, arguments, said):
    """Each error is one line."""
    filled = [str(model_folder) if argument == "MODEL" else argument for argument in arguments]
    defaults = {"--texts": str(texts), "--scorers": "fisher", "--json": str(tmp_path / "out.json")}
    rest = [part for option, value in defaults.items() if option not in filled for part in (option, value)]
    with pytest.raises(SystemExit) as end:
        main(["score", *filled, *rest])
    message = capsys.readouterr().err

    assert end.value.code == 2
    assert said in message
    assert len(message.splitlines()) == 1


def test_commands(model_folder, texts, tmp_path, capsys, monkeypatch):
    """The commands work as a user types them."""
    monkeypatch.chdir(tmp_path)
    for shard in ("1/2", "2/2"):
        command = [
            "score",
            str(model_folder),
            "--texts",
            texts.name,
            "--scorers",
            "hybrid,fisher",
            "--json",
            "out.json",
        ]
        with pytest.raises(SystemExit) as end:
            main([*command, "--shard", shard, "--set", 'hybrid.fusion="z"'])
        assert end.value.code == 0
    with pytest.raises(SystemExit) as end:
        main(["merge", "out.json.1-of-2.safetensors", "out.json.2-of-2.safetensors", "--json", "out.json"])
    assert end.value.code == 0
    assert "7 examples" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "out.json").read_text())["scores"]) == ["hybrid", "fisher"]


def together(world, scoring, out, progress=None):
    """Score in one process of several."""
    return scoring.execute_together(out, Registry.from_environment(), progress or Silent(), world)


@pytest.mark.parametrize("count", [2, 3])
def test_processes_share_the_examples(score, scoring, tmp_path, count):
    """The scores are those of one process, no shard is left behind, and a second call finds them there."""
    whole, out = score(tmp_path / "whole.json"), tmp_path / "out.json"
    assert in_processes(count, together, scoring(), out) == [out] * count
    written = out.read_bytes()
    assert in_processes(count, together, scoring(), out) == [out] * count

    assert_same_scores(json.loads(written)["scores"], whole["scores"])
    assert out.read_bytes() == written
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.json"]


def test_processes_that_were_stopped_go_on(score, scoring, tmp_path, monkeypatch):
    """Each with its shard."""
    monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
    whole, out = score(tmp_path / "whole.json"), tmp_path / "out.json"
    for shard in ((1, 2), (2, 2)):
        with pytest.raises(KeyboardInterrupt):
            scoring(shard=shard, batch_size=1).execute(out, Registry.from_environment(), KilledAt(2))
    done = [Part.load(path).done for path in tmp_path.glob("out.json.*-of-2.safetensors")]
    assert in_processes(2, together, scoring(), out) == [out] * 2

    assert done == [1, 1]
    assert_same_scores(json.loads(out.read_bytes())["scores"], whole["scores"])


def test_a_shard_beside_processes(scoring, tmp_path):
    """They make shards themselves."""
    failed = in_processes(2, together, scoring(shard=(1, 2)), tmp_path / "out.json")

    assert {"several processes share the examples among them; leave out the shard"} & {one.message for one in failed}


@pytest.mark.full
def test_the_command_in_two_processes(score, model_folder, texts, tmp_path):
    """The table is printed once."""
    command = ["-m", "shortstack", "score", model_folder, "--texts", texts, "--scorers", "fisher", "--processes", "2"]
    done = subprocess.run(
        [sys.executable, *command, "--json", tmp_path / "out.json"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("7 examples") == 1
    whole = score(tmp_path / "whole.json", scorers={"fisher": {}})
    assert_same_scores(json.loads((tmp_path / "out.json").read_bytes())["scores"], whole["scores"])


def test_the_guides_command(model_folder, texts, tmp_path, capsys, monkeypatch):
    """The command of the page works, with a model in place of MODEL."""
    page = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    \.venv/bin/shortstack (score .*)$", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(command.replace("MODEL", str(model_folder)).split())

    assert end.value.code == 0
    assert list(json.loads((tmp_path / "scores.json").read_text())["scores"]) == ["fisher", "hybrid", "drop-loss"]
    assert "drop-loss" in capsys.readouterr().out


def test_a_text_of_null_beside_a_prompt(score, texts, tmp_path):
    """A null text is ignored beside a prompt."""
    texts.write_text('{"text": null, "prompt": "the cat", "completion": "sat on"}\n', encoding="utf-8")

    assert score(tmp_path / "out.json")["examples"] == 1


def test_blank_texts_are_left_out(score, texts, tmp_path):
    """Lines of blanks, and lines that hold a text of blanks."""
    with texts.open("a", encoding="utf-8") as file:
        file.write('\n   \n{"text": "  "}\n')

    assert score(tmp_path / "out.json")["examples"] == 7


def test_a_prompt_does_not_end_before_its_completion(model_folder, tmp_path):
    """A tokenizer that begins and ends texts begins the prompt and ends the completion."""
    tokenizer = stored_tokenizer(model_folder)
    begin, end = WORDS.index("and"), WORDS.index("run")
    tokenizer.eos_token = "run"  # noqa: S105 -- a word
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="and $A run", special_tokens=[("and", begin), ("run", end)]
    )
    path = tmp_path / "texts.jsonl"
    path.write_text('{"prompt": "cat sat", "completion": "on a mat"}\n', encoding="utf-8")
    (read,) = read_examples(path, tokenizer, 99, len(WORDS))
    example = read.example

    assert [WORDS[token] for token in example["input_ids"]] == ["and", "cat", "sat", "on", "a", "mat", "run"]
    assert [WORDS[token] for token in example["labels"] if token != -100] == ["on", "a", "mat", "run"]
    with pytest.raises(
        DataError, match=r"texts.jsonl:1: its token 11 lies beyond the model's 11; give the model its own"
    ):
        read_examples(path, tokenizer, 99, 11)


@pytest.mark.parametrize(
    ("template", "prompt", "read"),
    [
        (None, "cat run", "cat run | on run"),  # the end of a turn is in the prompt's own text
        ("$A run", "cat run", "cat run | on run run"),
        ("run $A", "", "run | on run"),  # one token begins texts and ends them
        ("run $A", "run", "run run | on run"),
        ("$A run", "", "| on run run"),
    ],
)
def test_an_end_token_of_the_text_stays(model_folder, tmp_path, template, prompt, read):
    """Only one that the tokenizer adds behind a text moves behind the completion."""
    tokenizer = stored_tokenizer(model_folder)
    tokenizer.eos_token = "run"  # noqa: S105 -- a word
    if template is not None:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=template, special_tokens=[("run", WORDS.index("run"))]
        )
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"prompt": prompt, "completion": "on run"}), encoding="utf-8")
    example = read_examples(path, tokenizer, 99, len(WORDS))[0].example
    words = [WORDS[token] for token in example["input_ids"]]
    known = example["labels"].count(-100)

    assert " ".join([*words[:known], "|", *words[known:]]) == read


def test_an_encoder_is_refused(score, model_folder, tmp_path):
    """An encoder is refused, as it sees its labels."""
    bert = tmp_path / "bert"
    sizes = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}
    BertLMHeadModel(BertConfig(**sizes, num_attention_heads=2, initializer_range=0.5)).save_pretrained(bert)
    stored_tokenizer(model_folder).save_pretrained(bert)

    with pytest.raises(UnsupportedModelError, match=r"BertLMHeadModel \(bert\) sees the tokens that it should predict"):
        score(tmp_path / "out.json", model=bert)


def test_a_broken_weight_is_no_sign_of_an_encoder(score, model_folder, tmp_path):
    """The layer that breaks is named."""
    broken = tmp_path / "broken"
    shutil.copytree(model_folder, broken)
    model = AutoModelForCausalLM.from_pretrained(broken)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    model.save_pretrained(broken)
    with pytest.raises(NonFiniteError, match="layer 1 is the first"):
        score(tmp_path / "out.json", model=broken, scorers={"fisher": {}})


@pytest.mark.parametrize("scorer", ["fisher", "drop-loss", "fitted-hybrid"])
def test_an_example_that_breaks_is_told_by_its_line(score, model_folder, texts, tmp_path, scorer):
    """The error gives the example's line, whatever the order of scoring."""
    rows = [{"text": "dogs"}, {"text": "the cat"}, {"text": "two dogs run"}, {"text": "a mat and a cat"}]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    broken = tmp_path / "broken"
    shutil.copytree(model_folder, broken)
    model = AutoModelForCausalLM.from_pretrained(broken)
    with torch.no_grad():
        model.model.embed_tokens.weight[WORDS.index("two")] = torch.nan
    model.save_pretrained(broken)

    with pytest.raises(NonFiniteError, match=r"the log-probability of .*texts\.jsonl:3 is nan"):
        score(tmp_path / "out.json", model=broken, scorers={scorer: {}})


def test_adapters_are_refused(score, model_folder, tmp_path):
    """Their base lies elsewhere and may be another tomorrow, and no score of the two apart is one of the model's."""
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    said_by_peft = {"peft_type": "LORA", "base_model_name_or_path": str(model_folder), "target_modules": ["q_proj"]}
    (adapters / "adapter_config.json").write_text(json.dumps(said_by_peft), encoding="utf-8")
    stored_tokenizer(model_folder).save_pretrained(adapters)

    with pytest.raises(DataError, match=r"adapters holds adapters, no whole model; merge them .* merge_and_unload\(\)"):
        score(tmp_path / "out.json", model=adapters)


def test_a_model_without_a_tokenizer(score, model_folder, tmp_path):
    """A folder of weights alone cannot read texts."""
    bare = tmp_path / "bare"
    AutoModelForCausalLM.from_pretrained(model_folder).save_pretrained(bare)
    with pytest.raises(ShortstackError, match="bare holds no readable tokenizer"):
        score(tmp_path / "out.json", model=bare)


@attrs.frozen
class Odd:
    """A fold whose state cannot be written down, or whose ``merge`` fails."""

    state: object = None
    needs = frozenset({Signal.STATES})

    def start(self, model):
        """Return the state."""
        return self.state

    def update(self, state, signals):
        """Return the state unchanged."""
        return state

    def merge(self, left, right):
        """Raise."""
        raise RuntimeError("cannot merge")

    def finish(self, state):
        """Return scores of three layers."""
        return Importance(scores=torch.zeros(3, dtype=torch.float64), examples=1)


@pytest.fixture
def odd():
    """Makes a registry with such a scorer."""

    def make(state):
        class Plugin:
            @hookimpl
            def shortstack_importance_scorers(self):
                yield ScorerDescriptor(name="odd", summary="Odd.", build=lambda _: Odd(state))

        registry = Registry.from_environment()
        registry.register(Plugin(), Origin("acme", "odd", "1.0"))
        return registry

    return make


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            {1, 2},
            "state of odd is a set; a state holds tensors, plain values, and attrs classes, mappings and lists of them",
        ),
        ({(0, 1): 2.0}, r"state of odd has the key \(0, 1\); the keys of a mapping in a state are plain values"),
        (torch.zeros(2, dtype=torch.complex128), "state of odd is a Tensor; a state holds"),
    ],
    ids=["set", "keys", "complex"],
)
def test_a_state_that_no_file_holds(scoring, odd, tmp_path, state, said):
    """The plugin is named, and what its state holds."""
    with pytest.raises(PluginError, match=rf"importance scorer acme/odd \(acme:odd 1\.0\) has a state .*: {said}"):
        scoring(scorers={"odd": {}}).execute(tmp_path / "out.json", odd(state), Silent())


def test_a_merge_that_fails(scoring, odd, tmp_path):
    """The plugin is named."""
    registry = odd(1)
    parts = [
        scoring(shard=(i, 2), scorers={"odd": {}}).execute(tmp_path / "out.json", registry, Silent()) for i in (1, 2)
    ]
    with pytest.raises(PluginError, match=r"acme/odd \(acme:odd 1\.0\) failed: RuntimeError: cannot merge"):
        merge_parts(parts, tmp_path / "out.json", registry)


def test_a_mixture_that_torch_cannot_multiply(score, model_folder, tmp_path):
    """In bfloat16 its experts' rows are of 24 bytes, which is said; in float32 they are scored."""
    sizes = {
        "hidden_size": 12,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "head_dim": 8,
    }
    config = MixtralConfig(vocab_size=len(WORDS), num_key_value_heads=2, num_local_experts=4, **sizes)
    MixtralForCausalLM(config).save_pretrained(tmp_path / "model")
    stored_tokenizer(model_folder).save_pretrained(tmp_path / "model")

    with pytest.raises(
        UnsupportedModelError, match=r"torch multiplies the matrices of experts only where .* multiples of 8$"
    ):
        score(tmp_path / "half.json", model=tmp_path / "model", scorers={"fisher": {}}, precision="bfloat16")
    assert score(tmp_path / "whole.json", model=tmp_path / "model", scorers={"fisher": {}}, precision="float32")
