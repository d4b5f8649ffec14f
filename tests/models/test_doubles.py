"""Reading a model changes nothing in it, and third-party hooks and patches stay effective."""

import copy
from types import MethodType

import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import nn

from shortstack import measure_importance
from shortstack.errors import UnsupportedModelError
from shortstack.evaluation.rankers import ModelRanker
from shortstack.models.candidates import candidate_logits
from shortstack.models.decoder import Decoder, model_inputs
from shortstack.models.frozen import evaluation_copy, frozen_copy
from shortstack.models.partial_passes import skipping
from shortstack.models.shared_weights import shared_copy
from shortstack.testing.recipes.models import TinyModel

IDS = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
ONES = torch.ones_like(IDS)
ENDS = torch.zeros_like(IDS, dtype=torch.bool)
ENDS[:, -1] = True
WANTED = torch.tensor([11, 3, 29])


@pytest.fixture
def model():
    """Three layers."""
    return TinyModel(family="llama", layers=3, dtype="float32").build()


def read(model):
    """Return candidate logits after two texts."""
    with torch.no_grad():
        return candidate_logits(model, IDS, ONES, ENDS, WANTED)


def whole(model):
    """Return the same from the model's own logits."""
    with torch.no_grad():
        return model(**model_inputs(model, IDS, ONES)).logits[:, -1, WANTED]


def attributes(model):
    """Return every attribute of each module, with each tensor's version counter."""
    return [
        {
            name: {key: (id(entry), getattr(entry, "_version", 0)) for key, entry in value.items()}
            if isinstance(value, dict)
            else (id(value), value if isinstance(value, bool | set) else None)
            for name, value in vars(module).items()
        }
        for module in model.modules()
    ]


class TwiceAsMuch(ModelHook):
    """A hook of accelerate's."""

    def post_forward(self, module, output):
        """Return a module's output, doubled."""
        assert "_hf_hook" in vars(module)
        return output * 2


def patched(head):
    """Patch a head as monkey patches do: a closure around its own method."""
    forward = head.forward
    head.forward = lambda hidden: forward(hidden) + 1


def hooked(head):
    """Hang a hook on a head that knows the whole vocabulary."""
    head.register_forward_hook(lambda _module, _args, output: output + torch.arange(output.shape[-1]))


def accelerated(head):
    """Hang a hook of accelerate's on a head."""
    add_hook_to_module(head, TwiceAsMuch())


@pytest.mark.parametrize("act", [patched, hooked, accelerated])
def test_what_others_hung_on_the_head_counts_and_stays(model, act):
    """The candidates' logits are those that the patched model gives, before and after as many reads as one likes."""
    before = whole(model)
    act(model.lm_head)
    expected, left = whole(model), attributes(model)

    assert not torch.allclose(before, expected)
    for _ in range(2):
        torch.testing.assert_close(read(model), expected, rtol=1e-6, atol=1e-6)
    assert left == attributes(model)
    torch.testing.assert_close(whole(model), expected, rtol=0, atol=0)


def test_a_patched_model_is_read_whole(model):
    """A patched model is read whole, as its forward pass may never call the head."""
    original = copy.deepcopy(model)
    model.forward = lambda **inputs: original(return_dict=True, **inputs)

    torch.testing.assert_close(read(model), whole(original), rtol=0, atol=0)


def test_a_head_of_several_modules(model):
    """Any head is called at the positions alone."""
    model.lm_head = nn.Sequential(model.lm_head, nn.Tanh())

    torch.testing.assert_close(read(model), whole(model), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("accelerate", [False, True])
def test_a_patched_layer_is_observed_all_the_same(model, accelerate):
    """A patch that changes nothing leaves the scores as they are, also those from gradients within the layer."""
    scorers, batch = ["fisher", "block-influence"], {"input_ids": IDS, "attention_mask": ONES, "labels": IDS}
    expected = measure_importance(model, [batch], scorers)
    layer = model.model.layers[1]
    if accelerate:
        add_hook_to_module(layer, ModelHook())
    else:
        forward = layer.forward
        layer.forward = lambda *args, **kwargs: forward(*args, **kwargs) * 1
    left = attributes(model)

    for name, importance in measure_importance(model, [batch], scorers).items():
        torch.testing.assert_close(importance.scores, expected[name].scores, rtol=1e-6, atol=0)
    assert left == attributes(model)


def test_skipping_leaves_the_model_alone(model):
    """The double lacks a layer, again without a second one, the model none."""
    expected, left = whole(model), attributes(model)
    once = skipping(Decoder.of(model), [1])
    twice = skipping(once, [2])
    shorter = copy.deepcopy(model)
    del shorter.model.layers[1]
    reference = whole(shorter)
    del shorter.model.layers[1]

    torch.testing.assert_close(whole(once.model), reference, rtol=0, atol=0)
    torch.testing.assert_close(whole(twice.model), whole(shorter), rtol=0, atol=0)
    torch.testing.assert_close(whole(model), expected, rtol=0, atol=0)
    assert left == attributes(model)


def test_modes_are_each_modules_own(model):
    """A frozen part stays in evaluation mode, the rest in training mode, while the model is ranked with."""
    model.model.layers[0].eval()
    model.lm_head.train()
    modes = [module.training for module in model.modules()]
    ranker = ModelRanker(model=model, candidates=WANTED)
    ranker.scores([IDS[0].numpy() % 3])

    assert modes == [module.training for module in model.modules()]
    assert not any(module.training for module in evaluation_copy(model).modules())
    assert evaluation_copy(model.eval()) is model


def test_at_rest_nothing_asks_for_a_gradient(model):
    """The double's parameters lie in the model's memory, ties included, and the model's own still learn."""
    tied = TinyModel(family="llama", layers=1, tied=True).build()
    resting = frozen_copy(tied)

    assert resting.lm_head.weight is resting.model.embed_tokens.weight
    assert [p.data_ptr() for p in tied.parameters()] == [p.data_ptr() for p in resting.parameters()]
    assert not any(p.requires_grad for p in resting.parameters())
    assert all(p.requires_grad for p in tied.parameters())


def test_configs_are_others(model):
    """Changing the double's config changes no config of the model, in any module."""
    double = shared_copy(model)
    double.config._attn_implementation_internal = "other"

    assert double.model.layers[0].self_attn.config._attn_implementation == "other"
    assert "other" not in {module.config._attn_implementation for module in model.modules() if "config" in vars(module)}


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
        {
            "rope_type": "longrope", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 4,
            "short_factor": [1.0, 1.0], "long_factor": [2.0, 3.0],
        },
    ],
    ids=["dynamic", "longrope"],
)  # fmt: skip
def test_longer_texts_leave_the_frequencies_of_positions(rope):
    """Rotary frequencies rewritten during a longer pass are not visible to other threads."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=4, rope_parameters=rope,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    short, left = read(model), attributes(model)
    long = torch.arange(24)[None]
    last = torch.arange(24)[None] == 23
    with torch.no_grad():
        logits = candidate_logits(model, long, torch.ones_like(long), last, WANTED)
        expected = copy.deepcopy(model)(**model_inputs(model, long, torch.ones_like(long))).logits[:, -1, WANTED]

    torch.testing.assert_close(logits, expected)
    assert left == attributes(model)
    torch.testing.assert_close(read(model), short, rtol=0, atol=0)


def by_name(model):
    """Hook every module with a function that looks up its name by the module passed in."""
    names = {module: name for name, module in model.named_modules()}
    for module in model.modules():
        module.register_forward_hook(
            lambda module, _args, output: output * 2 if names[module] == "model.layers.1" else output
        )


def by_keyword(model):
    """Patch by a function that keeps the original in a keyword's default, eight times nested."""
    layer = model.model.layers[1]
    for _ in range(8):

        def patched(*args, _own=layer.forward, **kwargs):
            return _own(*args, **kwargs) * 1.1

        layer.forward = patched


def by_method(model):
    """Patch by a function bound as a method, with the original in its closure."""
    layer = model.model.layers[1]
    forward = layer.forward
    layer.forward = MethodType(lambda _self, *args, **kwargs: forward(*args, **kwargs) * 2, layer)


def by_set(model):
    """Hook by a function that holds its modules in a set."""
    chosen = {model.model.layers[0], model.model.layers[2]}
    for layer in model.model.layers:
        layer.register_forward_hook(lambda module, _args, output: output * 2 if module in chosen else output)


class Watcher:
    """An object of a user's, with a state and a module that it is about."""

    def __init__(self, target):
        self.target, self.own, self.calls = target, target.forward, 0

    def hook(self, module, _args, output):
        """Return twice the module's output."""
        self.calls += 1
        return output * 2 if module is self.target else output

    def __call__(self, *args, **kwargs):
        """Stand in for a forward method."""
        self.calls += 1
        return self.own(*args, **kwargs) * 2


def by_object(model):
    """Hook by methods of an object that holds one layer."""
    watcher = Watcher(model.model.layers[1])
    for layer in model.model.layers:
        layer.register_forward_hook(watcher.hook)


def by_callable(model):
    """Patch by a callable object."""
    model.model.layers[1].forward = Watcher(model.model.layers[1])


@pytest.mark.parametrize("act", [by_name, by_keyword, by_method, by_set, by_object, by_callable])
def test_hooks_and_patches_know_the_modules_of_the_double(model, act):
    """Hooks and patches may refer to modules in any way: the double gives the model's output with its own modules."""
    act(model)
    expected, left = whole(model), attributes(model)
    resting = frozen_copy(model)
    attention = resting.model.layers[1].self_attn
    seen = []
    attention.register_forward_hook(lambda module, _args, _output: seen.append(module))

    torch.testing.assert_close(whole(resting), expected, rtol=0, atol=0)
    torch.testing.assert_close(read(model), expected, rtol=1e-6, atol=1e-6)
    assert seen == [attention]
    assert left == attributes(model)


def test_the_state_of_an_object_is_one(model):
    """A user's object is shared with the double: its counters advance, and a module put into it stays."""
    watcher = Watcher(model.model.layers[1])
    model.model.layers[1].register_forward_hook(watcher.hook)
    whole(frozen_copy(model))
    assert watcher.calls == 1

    twin = next(iter(frozen_copy(model).model.layers[1]._forward_hooks.values())).__self__
    assert twin.target is not watcher.target
    twin.target = 5
    assert (watcher.target, twin.target) == (5, 5)


def compiled_layer(model):
    """Replace a layer by its compiled wrapper module."""
    model.model.layers[1] = torch.compile(model.model.layers[1], backend="eager")


def compiled_method(model):
    """Replace a layer's method by a compiled function."""
    model.model.layers[1].forward = torch.compile(model.model.layers[1].forward, backend="eager")


def compiled_in_place(model):
    """Compile a module in place, as ``Module.compile`` does."""
    model.model.layers[1].compile(backend="eager")


@pytest.mark.parametrize("act", [compiled_layer, compiled_method, compiled_in_place])
def test_what_is_compiled_is_read_as_it_was_before(model, act):
    """Doubles of compiled models run uncompiled, and their hooks run."""
    scorers, batch = ["fisher", "attention"], {"input_ids": IDS, "attention_mask": ONES, "labels": IDS}
    expected, scored = whole(model), measure_importance(model, [batch], scorers)
    act(model)
    model.model.layers[1].register_forward_hook(lambda _module, _args, output: output * 1)

    torch.testing.assert_close(whole(frozen_copy(model)), expected, rtol=1e-6, atol=1e-6)
    for name, importance in measure_importance(model, [batch], scorers).items():
        torch.testing.assert_close(importance.scores, scored[name].scores, rtol=1e-5, atol=0)


def test_weights_that_are_elsewhere_are_refused(model):
    """Offloaded weights, as accelerate leaves them, are refused; reading through the forward pass works."""
    expected = read(model)
    cpu_offload(model, execution_device=torch.device("cpu"))

    torch.testing.assert_close(read(model), expected)
    with pytest.raises(
        UnsupportedModelError, match=r"weights model\.embed_tokens\.weight .* not in memory .* one device"
    ):
        measure_importance(model, [{"input_ids": IDS, "attention_mask": ONES, "labels": IDS}])
