"""Runs whose teacher is a pretrained language model: items become its tokens, and student folders stay stock."""

import copy
import random
import shutil

import pytest
import torch
from pipeline.little_language_model import UNTIED, WORDS, llama, teacher, tokenizer
from tokenizers import normalizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, PhiConfig, PhiForCausalLM

from shortstack import CompactStudentModel, Run
from shortstack.distillation.callbacks import RowsLearnFaster
from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError, UnsupportedModelError
from shortstack.models import memory_needs
from shortstack.models.item_tokens import add_item_tokens, item_token
from shortstack.models.language_models import language_model
from shortstack.run_layout import SEQUENCES
from shortstack.tasks import task_of


@pytest.fixture(scope="module")
def finished(folder, ring, tables, tmp_path_factory):
    """A whole run."""
    root = tmp_path_factory.mktemp("runs") / "language"
    return root, Run.from_mapping(tables(ring, teacher=teacher(folder))).execute(root)


def test_teacher_and_student_are_complete_stock_models(finished):
    """Model and tokenizer load by themselves; items have tokens behind the words; the student recommends by title."""
    root, result = finished
    for name in ("teacher", "student"):
        model, words = AutoModelForCausalLM.from_pretrained(root / name), AutoTokenizer.from_pretrained(root / name)
        stored = CompactStudentModel.from_pretrained(root / name)
        tokens = [item.token for item in stored.catalogue.items]
        assert words.convert_tokens_to_ids([item_token(n) for n in range(30)]) == tokens
        assert min(tokens) >= len(WORDS)
        assert model.config.vocab_size == model.get_input_embeddings().num_embeddings > max(tokens)
        assert words("Item 3").input_ids == [1, 5]
    assert len(result.selection["kept"]) == 1
    assert result.metrics["student"]["ndcg@10"] > 0
    assert CompactStudentModel.from_pretrained(root / "student").recommend(["Item 3"], k=3)


@pytest.mark.parametrize("changes", [{}, UNTIED])
def test_rows_start_from_their_texts(changes):
    """The mean of the text's rows, in the output head too where it is another matrix; nothing else changes."""
    model, words = llama(**changes).eval(), tokenizer()
    probe = torch.tensor([[1, 5, 9]])
    before = [m.weight.detach().clone() for m in (model.get_input_embeddings(), model.get_output_embeddings())]
    logits = model(probe).logits
    tokens = add_item_tokens(model, words, ["Item 3", "", "7"])

    assert words.convert_tokens_to_ids(["<|item_0|>", "<|item_1|>", "<|item_2|>"]) == tokens == [32, 33, 34]
    for matrix, old in zip((model.get_input_embeddings(), model.get_output_embeddings()), before, strict=True):
        first, third = old[[1, 5]].mean(0), old[9]
        assert torch.allclose(matrix.weight[tokens], torch.stack([first, (first + third) / 2, third]))
        assert torch.equal(matrix.weight[: len(WORDS)], old[: len(WORDS)])
    assert torch.equal(model(probe).logits[..., : len(WORDS)], logits[..., : len(WORDS)])
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == (not changes)


def test_what_spare_rows_have_learnt_is_forgotten():
    """The output bias of spare rows, learnt as never being an answer, is reset; all items start alike."""
    torch.manual_seed(0)
    sizes = {"vocab_size": len(WORDS) + 2, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    model = PhiForCausalLM(PhiConfig(**sizes, num_attention_heads=2, pad_token_id=0))
    with torch.no_grad():
        model.lm_head.bias.fill_(-10.0)
    tokens = add_item_tokens(model, tokenizer(), ["Item 3", "7", "8"])
    assert model.lm_head.bias[tokens].tolist() == [0.0] * 3
    assert model.lm_head.bias[: len(WORDS)].tolist() == [-10.0] * len(WORDS)


@pytest.mark.parametrize(
    ("changes", "padding", "taken"), [({"29": 34}, None, "34, which is '29'"), ({}, 33, "33, which is padding")]
)
def test_ids_that_are_taken(changes, padding, taken):
    """A tokenizer with a hole in its numbers, and padding among the spare rows: an item's token must be its own."""
    words = tokenizer({**{word: number for number, word in enumerate(WORDS)}, **changes})
    with pytest.raises(ConfigurationError, match=f"gives an item the token {taken}"):
        add_item_tokens(llama(pad_token_id=padding), words, ["Item 3", "7", "8", "9"])


def test_item_tokens_are_found_behind_a_normalizer(tmp_path):
    """Some tokenizers put a mark before every word: an item's token is found in a text all the same."""
    words = tokenizer()
    words.backend_tokenizer.normalizer = normalizers.Prepend("▁")
    words.save_pretrained(tmp_path)
    words = AutoTokenizer.from_pretrained(tmp_path)
    tokens = add_item_tokens(llama(), words, ["Item 3", "7"])
    words.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("<|item_1|><|item_0|>", add_special_tokens=False).input_ids == [tokens[1], tokens[0]]


def test_a_title_that_looks_like_a_special_token():
    """Such a title is tokenised as plain text."""
    words, model = tokenizer(), llama()
    words.add_special_tokens({"eos_token": "<|end|>"})
    end = words.convert_tokens_to_ids("<|end|>")
    spelt, plain = add_item_tokens(model, words, ["<|end|>", "Item 3"])
    rows = model.get_input_embeddings().weight
    assert torch.allclose(rows[plain], rows[[1, 5]].mean(0))
    assert torch.allclose(rows[spelt], rows[plain])  # no word that this tokenizer knows, so what all texts mean
    assert not torch.equal(rows[spelt], rows[end])


def test_words_that_the_tokenizer_does_not_know():
    """Unknown words do not contribute, neither beside known words nor alone."""
    model = llama()
    some, known = add_item_tokens(model, tokenizer(), ["Item of 3", "Item 3"])
    rows = model.get_input_embeddings().weight
    assert torch.equal(rows[some], rows[known])
    with pytest.raises(ConfigurationError, match="no item has a text to start from that the tokenizer knows a word of"):
        add_item_tokens(llama(), tokenizer(), ["of", "to"])


def test_rows_spread_like_words():
    """Item rows have the words' mean and spread; their differences keep their directions."""
    models = {start: llama() for start in ("text", "spread")}
    texts = [f"Item {n}" for n in range(30)]
    rows = {}
    for start, model in models.items():
        tokens = add_item_tokens(model, tokenizer(), texts, start=start)
        rows[start] = model.get_input_embeddings().weight.detach()[tokens]
    words = llama().get_input_embeddings().weight.detach()
    assert torch.allclose(rows["spread"].mean(0), words.mean(0), atol=1e-5)
    assert torch.allclose(
        (rows["spread"] - words.mean(0)).norm(dim=1).mean(), (words - words.mean(0)).norm(dim=1).mean(), rtol=1e-4
    )
    before, after = ((each[1] - each[0]) for each in (rows["text"], rows["spread"]))
    assert torch.nn.functional.cosine_similarity(before, after, dim=0) > 0.999


def test_more_items_than_spare_rows():
    """The matrix grows; another seed draws other random rows."""
    grown = [llama(), llama(), llama()]
    for model, seed in zip(grown, (0, 0, 1), strict=True):
        add_item_tokens(model, tokenizer(), ["x"] * 50, start="random", seed=seed)
    first, again, other = (model.get_input_embeddings().weight[len(WORDS) :] for model in grown)

    assert len(first) == 50
    assert grown[0].config.vocab_size == len(WORDS) + 50
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.allclose(first.std(), llama().get_input_embeddings().weight.std(), rtol=0.2)


@pytest.mark.parametrize("rows", [[1, 4], [1, 2, 3], [3, 2], [5]], ids=str)
def test_rows_learn_faster_by_the_factor(rows):
    """Two steps of AdamW with decay: in each the rows move so many times as far, bit for bit; the others as ever."""
    start = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    others = [row for row in range(6) if row not in rows]
    holder = torch.nn.Linear(3, 6, bias=False)
    weight = holder.weight = torch.nn.Parameter(start.clone())
    optimiser = torch.optim.AdamW([weight], lr=0.01, weight_decay=0.1)
    faster = RowsLearnFaster([holder], torch.tensor(rows), 7.0)
    for _ in range(2):
        plain = torch.nn.Parameter(weight.detach().clone())
        alone = torch.optim.AdamW([plain], lr=0.01, weight_decay=0.1)
        alone.load_state_dict(copy.deepcopy(optimiser.state_dict()))
        before = weight.detach().clone()
        for parameter in (weight, plain):
            parameter.grad = None
            (parameter**3).sum().backward()
        alone.step()
        faster.on_pre_optimizer_step()
        optimiser.step()
        faster.on_optimizer_step()
        assert torch.equal((before + 7.0 * (plain.detach() - before))[rows], weight.detach()[rows])
        assert torch.equal(plain.detach()[others], weight.detach()[others])


def test_a_run_in_bfloat16(folder, ring, tables, tmp_path):
    """Arithmetic in half precision, weights in float32."""
    run = Run.from_mapping(tables(ring, teacher=teacher(folder, precision="bfloat16", steps=4, evaluate_every=2)))
    run.execute(tmp_path / "run")

    assert AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "teacher").dtype == torch.float32


def test_a_model_that_was_made_for_other_items(finished, ring, tables, tmp_path):
    """A model whose vocabulary already holds item tokens is refused."""
    root, _ = finished
    words = tokenizer([*WORDS, "<|item_5|>"])
    with pytest.raises(ConfigurationError, match=r"has the token <\|item_5\|> already"):
        add_item_tokens(llama(), words, [f"Item {number}" for number in range(6)])
    other = tmp_path / "other"
    AutoModelForCausalLM.from_pretrained(root / "teacher").save_pretrained(other)
    AutoTokenizer.from_pretrained(root / "teacher").save_pretrained(other)
    with pytest.raises(
        ConfigurationError, match=r"has the token <\|item_0\|> already: this model was made for other items"
    ):
        Run.from_mapping(tables(ring, teacher=teacher(other))).execute(tmp_path / "run")


def without_titles(ring, tmp_path):
    """Return the same ratings, most items without a title."""
    path = tmp_path / "ring.csv"
    lines = ring.read_text("utf-8").splitlines()
    path.write_text(
        "\n".join([lines[0], *(line.rpartition(",")[0] + "," for line in lines[1:])]) + "\n", encoding="utf-8"
    )
    return path


def only_adapters(_folder, path):
    """Write a folder as saved by peft: adapters without a base model."""
    (path / "adapters").mkdir()
    (path / "adapters" / "adapter_config.json").write_text("{}")
    return {"teacher": teacher(path / "adapters")}


def only_a_gguf(_folder, path):
    """Write a folder that a GGUF file was downloaded into."""
    (path / "fetched").mkdir()
    (path / "fetched" / "model.Q4.gguf").write_bytes(b"GGUF")
    return {"teacher": teacher(path / "fetched")}


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        (lambda _folder, _path: {"teacher": teacher("no/such.gguf")}, SourceNotFoundError, r"'no/such\.gguf', which is not here; name a folder with a model, a GGUF file, or a model on the hub"),
        (lambda folder, _path: {"teacher": teacher(folder.parent / "modle")}, SourceNotFoundError, "which is not here"),
        (only_adapters, DataError, r"holds adapters, no whole model; merge them"),
        (only_a_gguf, SourceNotFoundError, r"holds no config\.json; name model\.Q4\.gguf in it"),
        (lambda folder, _path: {"teacher": {**teacher(folder), "items": {"template": "{name}"}}}, ConfigurationError, r"template is a text with \{title\}, \{category\} or \{id\} in it, got '\{name\}'"),
        (lambda folder, _path: {"teacher": {**teacher(folder), "items": {"template": "{title.foo}"}}}, ConfigurationError, r"in it, got '\{title\.foo\}'"),
        (lambda folder, _path: {"teacher": {**teacher(folder), "items": {"template": "film"}}}, ConfigurationError, r"in it, got 'film'"),
        (lambda folder, _path: {"teacher": teacher(folder), "selection": {"keep_layers": 99}}, ConfigurationError, "99"),
        (lambda folder, _path: {"teacher": teacher(folder), "selection": {"keep_layers": 1, "schedule": [4]}}, ConfigurationError, "step 1 of 2 keeps 4 of 4 layers"),
        (lambda folder, _path: {"teacher": {**teacher(folder), "items": {"start": "titles"}}}, ConfigurationError, "teacher.items.start"),
        (lambda folder, _path: {"teacher": teacher(folder), "task": {"name": "rating"}}, ConfigurationError, r"teacher\.fit\.item_rows_rate is 5, but the teacher reads items as words, without rows of their own; leave it out"),
        (lambda folder, _path: {"teacher": teacher(folder, item_rows_rate=1.0), "task": {"name": "rating"}, "distillation": {"fit": {"item_rows_rate": 3.0}}}, ConfigurationError, r"distillation\.fit\.item_rows_rate is 3, but"),
        (lambda folder, _path: {"teacher": {**teacher(folder), "items": {"new": "kept", "start": "random"}}}, ConfigurationError, r"teacher\.items\.new = 'kept' ranks items by the texts that their tokens start from"),
        (lambda folder, _path: {"teacher": {**teacher(folder, item_rows_rate=1.0), "items": {"new": "kept"}}, "task": {"name": "rating"}}, ConfigurationError, "and a task that ranks; leave it out"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_teacher(folder, ring, tables, tmp_path, change, error, problem):
    """Each error is one sentence."""
    with pytest.raises(error, match=problem):
        Run.from_mapping(tables(ring, **change(folder, tmp_path))).execute(tmp_path / "run")
    assert not (tmp_path / "run" / "teacher").exists()


@pytest.mark.full
def test_items_without_a_text(folder, ring, tables, tmp_path):
    """Items without text are refused, unless the template needs no title or the rows start at random."""
    source = without_titles(ring, tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"no item has a text to start from that .*; set teacher\.items\.start = 'random'"
    ):
        Run.from_mapping(tables(source, teacher=teacher(folder))).execute(tmp_path / "run")
    rated = {"teacher": teacher(folder, item_rows_rate=1.0), "task": {"name": "rating"}}
    with pytest.raises(ConfigurationError, match="no item has a text that a language model could read"):
        Run.from_mapping(tables(source, **rated)).execute(tmp_path / "rated")
    for number, items in enumerate(({"template": "Item {id}"}, {"start": "random"})):
        Run.from_mapping(tables(source, teacher={**teacher(folder), "items": items})).execute(tmp_path / f"run{number}")


def test_a_tokenizer_of_another_model(folder, tmp_path):
    """A tokenizer with tokens outside the model's vocabulary is refused."""
    llama(vocab_size=8).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(
        ConfigurationError, match=f"has {len(WORDS)} tokens, but the model knows 8; give the model its own"
    ):
        language_model(str(tmp_path))


def test_a_tokenizer_of_another_model_that_is_no_larger(tmp_path):
    """Different begin and end tokens are refused; one of the two may differ, as it does in published models."""
    words = tokenizer()
    words.add_special_tokens({"bos_token": "1", "eos_token": "2"})
    words.save_pretrained(tmp_path)
    for begins, ends in ((9, 4), (3, [9, 8]), (9, [9, 4]), (None, 9)):
        llama(bos_token_id=begins, eos_token_id=ends).save_pretrained(tmp_path)
        language_model(str(tmp_path))
    llama(bos_token_id=8, eos_token_id=[9, 8]).save_pretrained(tmp_path)
    with pytest.raises(
        ConfigurationError,
        match=r"with the tokens 3 and 4, its config\.json with 8 and \[9, 8\]: it belongs to another model",
    ):
        language_model(str(tmp_path))


def test_no_tokenizer_and_no_head(tmp_path):
    """A folder with a model alone, and one without a causal head."""
    llama().save_pretrained(tmp_path / "alone")
    with pytest.raises(DataError, match="holds no readable tokenizer"):
        language_model(str(tmp_path / "alone"))
    llama(**UNTIED).model.save_pretrained(tmp_path / "body")
    tokenizer().save_pretrained(tmp_path / "body")
    with pytest.raises(DataError, match=r"do not fit its config: missing keys lm_head\.weight"):
        language_model(str(tmp_path / "body"))


def test_gguf(tmp_path, monkeypatch):
    """An invalid GGUF file and a missing gguf package are errors."""
    path = tmp_path / "model.GGUF"
    path.write_bytes(random.Random(0).randbytes(64))
    with pytest.raises(DataError, match=r"model\.GGUF is no GGUF that transformers can read"):
        language_model(str(path))
    monkeypatch.setattr("shortstack.models.language_models.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"needs the extra 'gguf': pip install 'shortstack\[gguf\]'"):
        language_model(str(path))
    with pytest.raises(SourceNotFoundError, match=r"other\.gguf is not there"):
        language_model(str(tmp_path / "other.gguf"))


def test_the_hub_without_a_network(monkeypatch):
    """A hub name without a network is an error."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        SourceNotFoundError, match="nobody/nothing is no folder here and cannot be downloaded from the hub"
    ):
        language_model("nobody/nothing")


def test_a_hub_name_of_adapters(monkeypatch):
    """A hub name of adapters is refused, as they would not be merged into their base."""
    monkeypatch.setattr("shortstack.models.stored.find_adapter_config_file", lambda _name: "adapter_config.json")
    with pytest.raises(DataError, match=r"some/adapters holds adapters, no whole model; merge them"):
        language_model("some/adapters")


def test_not_enough_memory(folder, ring, tables, tmp_path, monkeypatch):
    """The error gives numbers, before weights are read."""
    monkeypatch.setattr("shortstack.models.memory_needs.free_bytes", lambda _device: 1 << 10)
    with pytest.raises(
        ConfigurationError,
        match=r"training the teacher needs at least 0\.0 GiB, activations not counted, but cpu has 0\.0 GiB free; use a smaller teacher, teacher\.fit\.lora, or leave teacher\.fit out",
    ):
        Run.from_mapping(tables(ring, teacher=teacher(folder))).execute(tmp_path / "run")


def test_not_enough_memory_for_the_student_beside_its_teacher(finished, ring, tables, tmp_path, monkeypatch):
    """Too little memory for both models is an error before anything is loaded, though the teacher alone would fit."""
    settings = tables(ring, teacher={"path": str(finished[0] / "teacher")})
    run = Run.from_mapping(settings)
    room = memory_needs.memory_needed(run.teacher_config(), "nothing") + 1000
    monkeypatch.setattr("shortstack.models.memory_needs.free_bytes", lambda _device: room)
    with pytest.raises(
        ConfigurationError,
        match=r"distilling 4 layers into 1 needs at least .*; keep fewer layers, or set distillation\.fit\.lora",
    ):
        run.execute(tmp_path / "run")
    assert not (tmp_path / "run" / "teacher").exists()


def test_what_a_container_may_still_take(tmp_path):
    """Available memory is the container's limit less its usage; None without a limit."""
    group = tmp_path / "group"
    assert memory_needs._left_in(group) is None
    group.mkdir()
    (group / "memory.stat").write_text("anon 300\nfile 9000\n")
    (group / "memory.max").write_text("1000\n")
    assert memory_needs._left_in(group) == 700
    (group / "memory.max").write_text("max\n")
    assert memory_needs._left_in(group) is None


def test_not_enough_memory_for_an_earlier_runs_teacher(finished, ring, tables, tmp_path, monkeypatch):
    """A teacher that is not trained needs only the memory to load it."""
    monkeypatch.setattr("shortstack.models.memory_needs.free_bytes", lambda _device: 1 << 10)
    with pytest.raises(ConfigurationError, match=r"loading the teacher needs at least 0\.0 GiB"):
        Run.from_mapping(tables(ring, teacher={"path": str(finished[0] / "teacher")})).execute(tmp_path / "run")


def test_an_earlier_runs_teacher_in_another_precision(finished, ring, tables, tmp_path):
    """An earlier run's teacher in another precision continues in float32."""
    shutil.copytree(finished[0] / "teacher", tmp_path / "half", ignore=shutil.ignore_patterns("stage.json"))
    AutoModelForCausalLM.from_pretrained(tmp_path / "half", dtype=torch.bfloat16).save_pretrained(tmp_path / "half")
    again = teacher(tmp_path / "half", steps=3)
    Run.from_mapping(tables(ring, teacher=again)).execute(tmp_path / "run")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "teacher", dtype="auto").dtype == torch.float32


@pytest.mark.parametrize(
    ("family", "problem"),
    [("bert", "sees the tokens that it should predict"), ("diffllama", "what the layer does depends on its place")],
)
def test_a_family_without_students(ring, tables, tmp_path, monkeypatch, family, problem):
    """A family without students is refused before the teacher is trained."""
    monkeypatch.setattr("shortstack.pipeline.training.train", None)
    config = {**tables(ring)["teacher"]["config"], "model_type": family, "initializer_range": 1.0}
    del config["num_key_value_heads" if family == "bert" else "tie_word_embeddings"]
    with pytest.raises(UnsupportedModelError, match=problem):
        Run.from_mapping(tables(ring, teacher={"config": config})).execute(tmp_path / "run")


@pytest.mark.full
def test_conv1d_families_too(ring, tables, tmp_path):
    """Families with Conv1D layers work; GPT-2 ties its head."""
    place = tmp_path / "gpt2"
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=4, n_head=2, n_positions=32)).save_pretrained(
        place
    )
    tokenizer().save_pretrained(place)
    result = Run.from_mapping(tables(ring, teacher=teacher(place))).execute(tmp_path / "run")
    assert result.metrics["teacher"]["ndcg@10"] > 0


@pytest.mark.parametrize("new", ["kept", "learnt"])
@pytest.mark.full
def test_items_that_nobody_had_before(folder, ring, tables, tmp_path, new):
    """New items, if kept, have the rows that their texts give, in teacher and student; they have their own slice."""
    source = tmp_path / "ring.csv"
    late = [f"u{user},late{user % 2},5,{9_000_000 + user},Item {user % 2}" for user in range(60)]
    source.write_text(ring.read_text("utf-8") + "\n".join(late) + "\n", encoding="utf-8")
    settings = {**teacher(folder, weight_decay=0.1), "items": {"new": new}}
    plain = tables(source, teacher=settings)
    plain["data"]["split"] = "global-time"
    result = Run.from_mapping(plain).execute(tmp_path / "run")

    words = AutoModelForCausalLM.from_pretrained(folder).get_input_embeddings().weight
    for name in ("teacher", "student"):
        stored = CompactStudentModel.from_pretrained(tmp_path / "run" / name)
        late_items = sorted((item.id, item.token) for item in stored.catalogue.items if item.id.startswith("late"))
        rows = stored.model.get_input_embeddings().weight[[token for _, token in late_items]]
        assert torch.allclose(rows, torch.stack([words[[1, 2]].mean(0), words[[1, 3]].mean(0)])) == (new == "kept")
    assert result.metrics["teacher"]["ndcg@10/new-item"] is not None
    assert result.metrics["student"]["ndcg@10/new-item"] >= 0


@pytest.mark.parametrize(("opening", "expected"), [("Item 0", [1, 2]), ("", [])])
def test_histories_have_an_opening(folder, ring, tables, tmp_path, opening, expected):
    """Training, evaluation and the student begin with the same words; recommendations are the plain model's."""
    settings = {**teacher(folder), "items": {"opening": opening}}
    run = Run.from_mapping(tables(ring, teacher=settings))
    run.execute(tmp_path / "run")
    student = CompactStudentModel.from_pretrained(tmp_path / "run" / "student")
    words = AutoTokenizer.from_pretrained(tmp_path / "run" / "student")
    tokens = student.catalogue.tokens
    history = [student.catalogue.find(f"Item {n}") for n in (3, 4)]
    ids = words(opening + "".join(item_token(item) for item in history), return_tensors="pt").input_ids
    with torch.no_grad():
        chances = student.model(ids).logits[0, -1, tokens].log_softmax(-1)
    recommended = student.recommend(["Item 3", "Item 4"], k=3, exclude_seen=False)

    assert list(student.catalogue.opening) == expected
    assert [recommendation.score for recommendation in recommended] == pytest.approx(
        chances.sort(descending=True).values[:3].tolist(), abs=1e-5
    )
    examples = task_of(run.task).training_examples(_sequences(tmp_path / "run"), student.catalogue)
    assert all(example["input_ids"][: len(expected)] == expected for example in examples)
    assert all(label == -100 for example in examples for label in example["labels"][: len(expected) + 1])


def _sequences(root):
    from shortstack.data.sequences import Sequences

    return Sequences.load(root / "data" / SEQUENCES)
