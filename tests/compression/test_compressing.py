"""All methods alike: which weights they change, in which families, and what they refuse."""

import copy

import pytest
import torch
from compression.conftest import logits
from students.tiny_families import NoTinyModelError, model_types, tiny_teacher

from shortstack.compression.compressing import compress
from shortstack.compression.method import Method
from shortstack.compression.names import method_named
from shortstack.errors import EmptyDataError, ShortstackError, UnsupportedModelError
from shortstack.models.decoder import Decoder
from shortstack.models.ties import is_tied

NOTHING = Method(name="nothing", compress=lambda linear, _statistic: linear)
SEEN = Method(name="seen", compress=lambda linear, _statistic: linear, statistic=lambda inputs: inputs.sum(dim=0))
FAMILIES = (
    "llama",
    "gpt2",
    "qwen3",
    *(pytest.param(name, marks=pytest.mark.full) for name in ("qwen2", "opt", "gpt_neox", "phi3", "gemma2")),
)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_a_method_that_does_nothing(family, batches):
    """GPT-2's transposed modules become linear ones with the same function, and inputs are only looked at."""
    model = tiny_teacher(family)
    before = logits(model, batches)
    compress(model, SEEN, batches)

    torch.testing.assert_close(logits(model, batches), before)
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("method", ["int8", "magnitude-50%", "wanda-2:4", "low-rank-50%"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_layers_alone_change(family, method, batches):
    """Embeddings, output rows, norms and biases are as before, ties included; the logits are others, and finite."""
    model = tiny_teacher(family)
    whole = copy.deepcopy(model)
    compress(model, method_named(method), batches)
    before, after = whole.state_dict(), model.state_dict()
    vectors = [name for name in before if before[name].ndim == 1 and name in after]
    rows = [name for name in before if not name.startswith(Decoder.of(whole).path)]

    assert vectors
    assert all(torch.equal(before[name], after[name]) for name in (*vectors, *rows))
    assert is_tied(model) == is_tied(whole)
    assert torch.isfinite(logits(model, batches)).all()
    assert not torch.equal(logits(model, batches), logits(whole, batches))


def test_tied_embeddings_stay_one_matrix(made, batches):
    """The output rows are still the embeddings."""
    model = made(tie_word_embeddings=True)
    compress(model, method_named("wanda-50%"), batches)

    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_padding_does_not_count(batches):
    """Masked columns on the left change nothing but the last bits."""
    plain, padded = tiny_teacher("llama"), tiny_teacher("llama")
    wider = [
        {"input_ids": torch.nn.functional.pad(b["input_ids"], (3, 0), value=9),
         "attention_mask": torch.nn.functional.pad(b["attention_mask"], (3, 0))}
        for b in batches
    ]  # fmt: skip
    compress(plain, method_named("low-rank-50%"), batches)
    compress(padded, method_named("low-rank-50%"), wider)

    torch.testing.assert_close(logits(plain, batches), logits(padded, batches), rtol=1e-3, atol=1e-3)


def test_a_mixture_of_experts_is_refused(batches):
    """Its experts are no linear modules; before anything is changed."""
    model = tiny_teacher("mixtral")
    before = copy.deepcopy(model.state_dict())

    with pytest.raises(
        UnsupportedModelError, match=r"in a layer of MixtralForCausalLM are no matrix of a linear module"
    ):
        compress(model, method_named("wanda-50%"), batches)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("method", "group"), [("int4", 32), ("wanda-2:5", 5), ("magnitude-2:5", 5)])
def test_widths_that_are_no_whole_groups(llama, method, group):
    """The message names the weights, their width and the group."""
    whole = rf"^{method} cannot compress LlamaForCausalLM: the weights \S+ have \d+ inputs, which are no whole groups of {group}$"
    with pytest.raises(UnsupportedModelError, match=whole):
        compress(llama, method_named(method))


def test_without_calibration(llama):
    """Methods that look at inputs need some."""
    with pytest.raises(EmptyDataError, match=r"^wanda-50% measures inputs on calibration examples: give some$"):
        compress(llama, method_named("wanda-50%"))


class Twice(torch.nn.Linear):
    """A module of another class, whose function is not known."""


def test_other_modules_are_refused(llama):
    """A class that only derives from a linear module may compute something else."""
    Decoder.of(llama).layers[3].mlp.up_proj = Twice(32, 48, bias=False)

    with pytest.raises(UnsupportedModelError, match=r"the weights mlp\.up_proj\.weight in a layer of LlamaForCausalLM"):
        compress(llama, NOTHING)


def test_modules_that_see_only_some_tokens(llama, batches):
    """Which of them are padding is not known."""
    layer = Decoder.of(llama).layers[0].mlp
    forward = layer.forward
    layer.forward = lambda states: torch.nn.functional.pad(forward(states[:, 1:]), (0, 0, 1, 0))

    with pytest.raises(UnsupportedModelError, match=r"^mlp\.gate_proj sees 44 of 48 tokens; it cannot be compressed$"):
        compress(llama, method_named("wanda-50%"), batches)


def test_modules_that_see_no_token(llama, batches):
    """Nothing is known of their inputs."""
    Decoder.of(llama).layers[0].mlp.forward = lambda states: states

    message = r"^no calibration token reaches mlp\.\w+ of LlamaForCausalLM; it cannot be compressed$"
    with pytest.raises(UnsupportedModelError, match=message):
        compress(llama, method_named("wanda-50%"), batches)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")  # of kernels that are not installed
def test_every_family(batches):
    """Every family of transformers is compressed, and computes, or is refused in a line.

    By the method that needs most of a module: its inputs, and another kind of module in its place.
    """
    done = []
    for family in model_types():
        try:
            model = tiny_teacher(family)
            compress(model, method_named("low-rank-50%"), batches)
        except (ShortstackError, NoTinyModelError):
            continue
        done.append(family)
        assert torch.isfinite(logits(model, batches)).all(), family

    assert len(done) > 60
