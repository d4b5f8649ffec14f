"""``shortstack score`` and ``merge``: the scores of ``measure_importance``, resumed and sharded without a difference."""

import json
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from scoring.sentences import TEXTS, WORDS
from transformers import AutoModelForCausalLM

from shortstack import Registry, measure_importance
from shortstack.cli import main
from shortstack.errors import ConfigurationError, DataError, RunFolderError, ShortstackError
from shortstack.progress import Silent
from shortstack.scoring import sweeping
from shortstack.scoring.score import Scoring
from shortstack.scoring.written_scores import merge_parts

SCORERS = {"fisher": {}, "block-influence": {}, "hybrid": {"weights": {"gradient": 1.0, "attention": 2.0}}}


class KilledAt(Silent):
    """Progress that ends the process, as far as the code can tell, once so many examples are done."""

    def __init__(self, done):
        """Remember when."""
        self.killed_at = done

    @contextmanager
    def job(self, name, total):
        """The step that does it."""

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
    """The same scores from batches of one example, made without the tokenizer."""
    batches = []
    for row in rows:
        prompt = [WORDS.index(word) for word in row.get("prompt", "").split()]
        rest = [WORDS.index(word) for word in row.get("text", row.get("completion", "")).split()]
        ids = torch.tensor([prompt + rest])
        labels = torch.tensor([[-100] * len(prompt) + rest])
        batches.append({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    return {name: found.scores for name, found in measure_importance(model, batches, scorers).items()}


def assert_same_scores(found, expected):
    """To float32's last digits."""
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
    found = score(tmp_path / "scores.json", scorers=scorers)

    assert_same_scores(found["scores"], by_hand(model_folder, scorers))
    assert (found["examples"], found["supervised"], found["layers"]) == (7, 6, 3)
    assert "shortstack/fisher" in found["plugins"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.json", "texts.jsonl"]


def test_long_texts_are_cut(score, model_folder, tmp_path):
    """A text at its end, a prompt at its start."""
    found = score(tmp_path / "scores.json", longest=3, scorers={"fisher": {}})
    cut = [
        {"text": "the cat sat"},
        {"text": "two dogs run"},
        {"prompt": "saw", "completion": "two dogs"},
        {"text": "a mat and"},
        {"text": "dogs"},
        {"completion": "run and run"},
        {"text": "the dogs saw"},
    ]

    assert_same_scores(found["scores"], by_hand(model_folder, ["fisher"], cut))


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
    """What was saved is not swept again, whatever the size of the batches."""
    whole = score(tmp_path / "whole.json")
    monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(KeyboardInterrupt):
        score(tmp_path / "out.json", KilledAt(6))
    swept, sweep = [], sweeping.sweep

    def counting(model, batches, *args, **kwargs):
        return sweep(model, (swept.append(len(batch.input_ids)) or batch for batch in batches), *args, **kwargs)

    monkeypatch.setattr(sweeping, "sweep", counting)
    found = score(tmp_path / "out.json", batch_size=batch_size)

    assert sum(swept) == 3
    assert_same_scores(found["scores"], whole["scores"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scorers": {"fisher": {}}}, "with other scorers and code of scorers"),
        ({"longest": 5}, "with other length"),
        ({"precision": "float64x"}, "with other precision"),
    ],
)
def test_another_job_does_not_go_on(score, tmp_path, monkeypatch, change, said):
    """It says in what it differs, and leaves the part as it is."""
    monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(KeyboardInterrupt):
        score(tmp_path / "out.json", KilledAt(6))
    part = tmp_path / ".out.json.safetensors"
    before = part.read_bytes()

    with pytest.raises(ConfigurationError, match=f"{part} was made {said}; remove it, or write elsewhere"):
        score(tmp_path / "out.json", **change)
    assert part.read_bytes() == before


def test_another_text_does_not_go_on(score, texts, tmp_path, monkeypatch):
    """The content counts, not the name."""
    monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(KeyboardInterrupt):
        score(tmp_path / "out.json", KilledAt(6))
    texts.write_text('{"text": "the cat sat"}\n' * 7, encoding="utf-8")

    with pytest.raises(ConfigurationError, match="with other texts"):
        score(tmp_path / "out.json")


def test_the_oracle_is_not_sharded(scoring, tmp_path):
    """It needs all examples again and again."""
    with pytest.raises(ConfigurationError, match="'drop-loss' runs the model many times on all examples"):
        scoring(shard=(1, 2), scorers={"drop-loss": {}}).execute(
            tmp_path / "out.json", Registry.from_environment(), Silent()
        )


class TestMerging:
    """What cannot be merged is said."""

    @pytest.fixture
    def parts(self, scoring, tmp_path):
        """Two shards."""
        registry = Registry.from_environment()
        return [scoring(shard=(i, 2)).execute(tmp_path / "out.json", registry, Silent()) for i in (1, 2)]

    def refused(self, parts, out, error, said):
        """With this error."""
        with pytest.raises(error, match=said):
            merge_parts(parts, out, Registry.from_environment())
        assert not out.exists()

    def test_a_missing_shard(self, parts, tmp_path):
        """Which are there, and which are needed."""
        said = "shards 1 to 2 are needed, each once; given are 2"
        self.refused(parts[1:], tmp_path / "out.json", ConfigurationError, said)

    def test_a_shard_twice(self, parts, tmp_path):
        """It would count double."""
        self.refused([*parts, parts[0]], tmp_path / "out.json", ConfigurationError, "given are 1, 1, 2")

    def test_an_unfinished_shard(self, parts, scoring, tmp_path, monkeypatch):
        """How far it is."""
        monkeypatch.setattr(sweeping, "SECONDS_BETWEEN_SAVES", 0.0)
        parts[0].unlink()
        with pytest.raises(KeyboardInterrupt):
            scoring(shard=(1, 2)).execute(tmp_path / "out.json", Registry.from_environment(), KilledAt(4))
        self.refused(parts, tmp_path / "out.json", ConfigurationError, "shard 1 has swept 2 of its 4 examples")

    def test_another_job(self, parts, scoring, tmp_path):
        """In what it differs."""
        parts[1].unlink()
        scoring(shard=(2, 2), longest=5).execute(tmp_path / "out.json", Registry.from_environment(), Silent())
        self.refused(parts, tmp_path / "out.json", ConfigurationError, "shard 2 was made with other length")

    def test_no_part(self, parts, texts, tmp_path):
        """Any other file."""
        self.refused(
            [parts[0], texts], tmp_path / "out.json", DataError, "texts.jsonl is no readable part of a scoring"
        )

    def test_a_damaged_part(self, parts, tmp_path):
        """Cut short."""
        parts[1].write_bytes(parts[1].read_bytes()[:-40])
        self.refused(parts, tmp_path / "out.json", DataError, "remove it, and score again")


def test_nothing_else_is_written_over(score, texts):
    """A slip of the finger costs no texts."""
    before = texts.read_bytes()
    with pytest.raises(RunFolderError, match=r"texts.jsonl is there, and holds no scores"):
        score(texts)
    assert texts.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("the cat", r"texts.jsonl:8: not JSON"),
        ('["the cat"]', r"texts.jsonl:8: got \[\"the cat\"\]; a line is {\"text\": …} or"),
        ('{"text": 3}', r"texts.jsonl:8: got {\"text\": 3}"),
        ('{"prompt": "the"}', r"texts.jsonl:8: got"),
    ],
)
def test_a_bad_line(score, texts, tmp_path, line, said):
    """It is named, with what is allowed."""
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
        (["MODEL", "--precision", "int8"], "score.precision"),
    ],
)
def test_mistakes_on_the_command_line(model_folder, texts, tmp_path, capsys, arguments, said):
    """One line each."""
    given = [str(model_folder) if argument == "MODEL" else argument for argument in arguments]
    defaults = {"--texts": str(texts), "--scorers": "fisher", "--json": str(tmp_path / "out.json")}
    rest = [part for option, value in defaults.items() if option not in given for part in (option, value)]
    with pytest.raises(SystemExit) as end:
        main(["score", *given, *rest])
    told = capsys.readouterr().err

    assert end.value.code == 2
    assert said in told
    assert len(told.splitlines()) == 1


def test_commands(model_folder, texts, tmp_path, capsys, monkeypatch):
    """As a user types them."""
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


def test_the_readmes_command(model_folder, texts, tmp_path, capsys, monkeypatch):
    """With a model for MODEL."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    \.venv/bin/shortstack (score .*)$", readme, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(command.replace("MODEL", str(model_folder)).split())

    assert end.value.code == 0
    assert list(json.loads((tmp_path / "scores.json").read_text())["scores"]) == ["fisher", "hybrid", "drop-loss"]
    assert "drop-loss" in capsys.readouterr().out


def test_a_model_without_a_tokenizer(score, model_folder, tmp_path):
    """A folder of weights alone cannot read texts."""
    bare = tmp_path / "bare"
    AutoModelForCausalLM.from_pretrained(model_folder).save_pretrained(bare)
    with pytest.raises(ShortstackError, match="bare holds no readable tokenizer"):
        score(tmp_path / "out.json", model=bare)
