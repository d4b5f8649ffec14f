"""An output head and a config that disagree: the weights decide, in students, grown vocabularies and stored models."""

import copy

import pytest
import torch
from pipeline.little_language_model import UNTIED, llama, tokenizer
from torch import nn

from shortstack import build_student
from shortstack.contracts import Selection
from shortstack.errors import UnsupportedModelError
from shortstack.models import language_models
from shortstack.models.decoder import Decoder
from shortstack.models.item_tokens import add_item_tokens
from shortstack.models.language_models import language_model
from shortstack.models.stored import stored_model
from shortstack.models.ties import is_tied, says_tied, settle_ties

PROMPT = torch.arange(3, 12)[None]


def own_head(model):
    """Give a model a trained output head, regardless of its config."""
    head = model.get_output_embeddings()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        head.weight = nn.Parameter(torch.randn_like(head.weight))
    return model.eval()


def shared_head(model):
    """Tie the output rows to the embeddings, regardless of the config."""
    model.get_output_embeddings().weight = model.get_input_embeddings().weight
    return model.eval()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "opt", "gpt_neox"])
@pytest.mark.parametrize(("said", "change"), [(True, own_head), (False, shared_head)])
def test_a_student_is_tied_as_its_teacher_is(teacher_of, build, tmp_path, caplog, family, said, change):
    """The student is the teacher without the other layers, also after a stock reload; the teacher is unchanged."""
    from transformers import AutoModelForCausalLM

    teacher = change(teacher_of(family, tie_word_embeddings=said))
    student = build(teacher, [0, 1, 2, 3, 4, 5])
    student.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)

    expected = teacher(input_ids=PROMPT).logits
    assert torch.allclose(expected, student(input_ids=PROMPT).logits, atol=1e-5)
    assert torch.allclose(expected, again(input_ids=PROMPT).logits, atol=1e-5)
    assert is_tied(again) == again.config.tie_word_embeddings == (not said)
    assert teacher.config.tie_word_embeddings == said
    assert f"tie_word_embeddings is now {not said}; its config said {said}" in caplog.text


@pytest.mark.parametrize(("said", "change"), [(True, own_head), (False, shared_head)])
def test_a_grown_vocabulary_leaves_what_was_there(said, change):
    """Logits of the words are as they were, and items have rows in all that is a matrix of its own."""
    model, words = change(llama(tie_word_embeddings=said, vocab_size=32)), tokenizer()
    before = model(input_ids=PROMPT).logits
    tokens = torch.tensor(add_item_tokens(model, words, ["Item 3", "7"]))

    assert torch.equal(before, model(input_ids=PROMPT).logits[..., :32])
    assert is_tied(model) == model.config.tie_word_embeddings == (not said)
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):
        assert torch.allclose(module.weight[tokens[1]], module.weight[words.convert_tokens_to_ids("7")])


def test_a_stored_model_says_what_it_is(tmp_path, caplog):
    """Stock transformers keeps both matrices of a folder, and its flag; older versions would tie them on loading."""
    model = own_head(llama())
    model.save_pretrained(tmp_path)
    stored = stored_model(tmp_path)

    assert model.config.tie_word_embeddings
    assert not stored.config.tie_word_embeddings
    assert torch.equal(model(input_ids=PROMPT).logits, stored(input_ids=PROMPT).logits)
    assert "the output head of LlamaForCausalLM is a matrix of its own" in caplog.text


def test_a_gguf_with_a_head_under_a_flag(tmp_path, monkeypatch):
    """A GGUF model's tensors move into a fresh model, where a tied head would overwrite the embeddings."""
    trained = own_head(llama())
    folder = tmp_path / "m.gguf"
    folder.touch()
    monkeypatch.setattr(language_models, "require_gguf", lambda _path: None)
    for name, found in {
        "AutoModelForCausalLM": (copy.deepcopy(trained), {}),
        "AutoConfig": copy.deepcopy(trained.config),
        "AutoTokenizer": tokenizer(),
    }.items():
        stock = getattr(language_models, name)
        monkeypatch.setattr(stock, "from_pretrained", lambda *_, found=found, **__: found)
    model, _ = language_model(str(folder))

    assert torch.equal(trained(input_ids=PROMPT).logits, model.eval()(input_ids=PROMPT).logits)
    assert not model.config.tie_word_embeddings


def test_what_agrees_is_left_alone(caplog):
    """Where flag and tensors agree nothing is logged, and nothing changes."""
    for model in (llama(), llama(**UNTIED)):
        before = model.config.to_dict()
        settle_ties(model)
        assert before == model.config.to_dict()
        assert is_tied(model) == says_tied(model)
    assert not caplog.text


def test_a_family_that_cannot_say_it(monkeypatch):
    """The head is tied to the embeddings, but no flag would tie them after a reload."""
    model = shared_head(llama(**UNTIED))
    monkeypatch.setattr(model, "_tied_weights_keys", None)
    with pytest.raises(
        UnsupportedModelError, match="is tied to its embeddings, which the family's config cannot say; give"
    ):
        settle_ties(model)


def test_a_head_over_the_memory_of_the_embeddings_is_refused():
    """Two parameters over one memory are two matrices to transformers, but one in training."""
    model = llama(tie_word_embeddings=False)
    model.lm_head.weight = nn.Parameter(model.get_input_embeddings().weight)
    with pytest.raises(UnsupportedModelError, match="is a parameter of its own over the memory of the embeddings"):
        build_student(model, Selection(kept=(0,), of=4))


def test_a_config_that_asks_for_tuples_is_refused():
    """Transformers' own models fail with it."""
    model = llama()
    model.config.return_dict = False
    with pytest.raises(UnsupportedModelError, match="says return_dict = false, with which it fails itself"):
        Decoder.of(model)
