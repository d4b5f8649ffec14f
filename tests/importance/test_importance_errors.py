"""Every refusal of the importance measurement, by its message."""

import attrs
import pytest
import torch
import transformers
from torch import nn

from shortstack.contracts import Importance, Signal
from shortstack.errors import (
    ConfigurationError,
    DataError,
    EmptyDataError,
    NonFiniteError,
    OutOfMemoryError,
    PluginError,
    UnknownNameError,
    UnsupportedModelError,
)
from shortstack.importance.measure import candidate_objective, measure_importance
from shortstack.importance.probe import ModelProbe
from shortstack_importance import fisher


@pytest.fixture
def model(tiny):
    """A float32 Llama."""
    return tiny("llama", torch.float32)


def measure(model, batches, scorers, registry, **rest):
    """Call ``measure_importance``, with fewer arguments."""
    return measure_importance(model, batches, scorers, registry=registry, **rest)


def test_an_empty_corpus_is_refused(model, registry):
    """Every scorer that needs data refuses an empty corpus."""
    for name in ("fisher", "attention", "angular"):
        with pytest.raises(EmptyDataError, match=f"scorer '{name}' has no calibration examples; give at least one"):
            measure(model, [], [name], registry)
    with pytest.raises(EmptyDataError, match="no calibration example has a label, so nothing can be measured"):
        measure(model, [], ["drop-loss"], registry)


def test_a_corpus_without_labels_is_refused_where_labels_are_needed(model, batch, registry):
    """One unlabelled example is fine, a whole corpus is not."""
    bare = {**batch, "labels": torch.full_like(batch["labels"], -100)}
    for name in ("fisher", "gradient", "taylor"):
        with pytest.raises(EmptyDataError, match=f"scorer '{name}' needs labels, but none of the 6 calibration"):
            measure(model, [bare], [name], registry)
    with pytest.raises(EmptyDataError, match="no calibration example has a label"):
        measure(model, [bare], ["drop-loss"], registry)
    assert measure(model, [bare], ["angular"], registry)["angular"].examples == 6


def test_examples_too_short_for_attention_are_refused(model, registry):
    """Two tokens leave one key once the sink is out."""
    ids = torch.tensor([[3, 4]])
    short = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
    with pytest.raises(EmptyDataError, match="have no queries that see two keys, so there is nothing to average"):
        measure(model, [short], ["attention"], registry)


def test_a_batch_must_be_whole(model, batch, registry):
    """A batch must hold all three tensors, of one shape."""
    with pytest.raises(
        DataError, match="calibration batch 1 has no 'labels'; a batch holds input_ids, attention_mask, "
    ):
        measure(model, [batch, {k: v for k, v in batch.items() if k != "labels"}], ["fisher"], registry)
    with pytest.raises(
        DataError, match=r"calibration batch 0 has shapes .*all three must be the same \(batch, tokens\)"
    ):
        measure(model, [{**batch, "labels": batch["labels"][:, 1:]}], ["fisher"], registry)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda batch: batch, r"the calibration batches are one mapping; give a list of them, \[batch\] for one"),
        (
            lambda batch: [batch["input_ids"]],
            "calibration batch 0 is a Tensor; a batch is a mapping of input_ids, attent",
        ),
        (lambda batch: [batch, None], "calibration batch 1 is a NoneType; a batch is a mapping"),
        (
            lambda batch: [{k: v.tolist() for k, v in batch.items()}],
            "input_ids of calibration batch 0 is of type list; give",
        ),
        (lambda batch: [{k: v.numpy() for k, v in batch.items()}], "is of type ndarray; give an int64 tensor"),
        (
            lambda batch: [{**batch, "labels": batch["labels"].float()}],
            "labels of .* is of type torch.float32; give an",
        ),
        (lambda batch: [{k: v[0] for k, v in batch.items()}], r"has shapes {'input_ids': \(9,\)"),
        (
            lambda batch: [{k: v[:0] for k, v in batch.items()}],
            r"has shapes {'input_ids': \(0, 9\).* neither of them 0",
        ),
        (lambda batch: [{k: v[:, :0] for k, v in batch.items()}], r"has shapes {'input_ids': \(6, 0\)"),
        (
            lambda batch: [{**batch, "attention_mask": 2 * batch["attention_mask"]}],
            "has 2 in its attention_mask; 1 is a",
        ),
        (lambda batch: [{**batch, "attention_mask": batch["attention_mask"] / 0}], "has nan in its attention_mask"),
    ],
)
def test_a_batch_must_be_of_tensors(model, batch, registry, made, said):
    """The error names the type given and the type expected."""
    with pytest.raises(DataError, match=said):
        measure(model, made(batch), ["fisher"], registry)


def test_attention_that_cannot_be_observed_is_said_to_be_so(batch, registry):
    """GPT-1's attention maps cannot be observed, which is reported."""
    config = transformers.OpenAIGPTConfig(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with pytest.raises(UnsupportedModelError, match="layer 0 has no attention that can be observed; ask for other"):
        measure(model, [batch], ["attention"], registry)


def test_nan_names_scorer_and_layer_or_example(model, batch, registry):
    """A broken weight shows up, wherever it is."""
    model.model.layers[1].mlp.down_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match="scorer 'block-influence' gave nan for layer 1"):
        measure(model, [batch], ["block-influence"], registry)
    with pytest.raises(
        NonFiniteError, match=r"example 0 \(from 0\) is nan, and layer 1 is the first to give such numbers; "
    ):
        measure(model, [batch], ["fisher"], registry)
    with pytest.raises(NonFiniteError, match=r"labelled example 0 \(from 0\) is nan; check"):
        measure(model, [batch], ["drop-loss"], registry)


def test_names_and_forms_are_checked(model, batch, registry):
    """Misspelt names, a bare string and an empty list of scorers are refused."""
    with pytest.raises(UnknownNameError, match="unknown importance scorer 'fischer'; did you mean 'fisher'"):
        measure(model, [batch], ["fischer"], registry)
    with pytest.raises(ConfigurationError, match="scorers takes a list of texts, got the text 'fisher'"):
        measure(model, [batch], "fisher", registry)
    with pytest.raises(UnknownNameError, match="unknown setting of importance scorer 'attention': 'snik'"):
        measure(model, [batch], {"attention": {"snik": "keep"}}, registry)
    with pytest.raises(ConfigurationError, match="hybrid weights must be finite, at least 0 and not all 0"):
        measure(model, [batch], {"hybrid": {"weights": {"fisher": 0.0}}}, registry)


@attrs.frozen
class Asking:
    """A fold that reads ``wanted`` though it declares ``needs``."""

    needs: frozenset = frozenset({Signal.STATES})
    wanted: str = "output"
    result: object = None

    def start(self, model):
        """Return no state."""

    def update(self, state, signals):
        """Read the signal."""
        assert getattr(signals, self.wanted).dtype == torch.float32

    def merge(self, left, right):
        """Return no state."""

    def finish(self, state):
        """Return what the test configures."""
        return Importance(scores=self.result, examples=1)


def test_an_undeclared_signal_is_refused(model, batch, registry):
    """An undeclared signal is refused, even if another scorer declares it."""
    asking = {"fisher": None, "mine": Asking(wanted="gradient")}
    with pytest.raises(
        ConfigurationError, match="asked for the signal GRADIENTS but its `needs` declare STATES; add it"
    ):
        measure(model, [batch], asking, registry)


def test_signals_that_belong_together_arrive_together(model, batch, registry):
    """A scorer of maps and gradients gets both, at the later time."""
    needs = frozenset({Signal.ATTENTION, Signal.STATES, Signal.PARAMETER_GRADIENTS, Signal.GRADIENTS})
    scores = torch.zeros(3, dtype=torch.float64)
    for wanted in ("attention", "input", "output", "gradient"):
        asking = Asking(needs=needs, wanted=wanted, result=scores)
        assert measure(model, [batch], {"mine": asking}, registry)["mine"].scores is scores
    early = Asking(needs=frozenset({Signal.ATTENTION, Signal.STATES}), wanted="attention", result=scores)
    assert measure(model, [batch], {"mine": early}, registry)["mine"].scores is scores


def test_a_scorers_result_is_checked(model, batch, registry):
    """A result must be one finite float64 per layer."""
    with pytest.raises(
        PluginError, match=r"scorer 'mine' gave scores of type torch.float32 and shape \(3,\); it must give"
    ):
        measure(model, [batch], {"mine": Asking(result=torch.zeros(3))}, registry)
    with pytest.raises(PluginError, match=r"shape \(4,\); it must give float64 of shape \(3,\)"):
        measure(model, [batch], {"mine": Asking(result=torch.zeros(4, dtype=torch.float64))}, registry)


@attrs.frozen
class Needing:
    """A derived scorer."""

    needs_scores: tuple

    def combine(self, scores, probe):
        """Return the first score."""
        return scores[self.needs_scores[0]]


def test_circles_are_refused_and_chains_resolved(model, batch, registry):
    """Derived scorers may need derived scorers."""
    chain = {"a": Needing(("b",)), "b": Needing(("magnitude",))}
    results = measure(model, [batch], chain, registry)
    assert ["a", "b"] == list(results)
    assert torch.equal(results["a"].scores, measure(model, [], ["magnitude"], registry)["magnitude"].scores)
    with pytest.raises(ConfigurationError, match="scorers a, b need each other in a circle"):
        measure(model, [batch], {"a": Needing(("b",)), "b": Needing(("a",))}, registry)


def test_objectives_are_checked(model, batch, registry):
    """An objective must return one differentiable value per example, with candidates that hold the labels."""
    with pytest.raises(
        ConfigurationError, match=r"returned a tensor of shape \(\); it must give one log-probability an"
    ):
        measure(model, [batch], ["fisher"], registry, objective=lambda m, i, a, y: torch.zeros(()))
    with pytest.raises(ConfigurationError, match="the objective's result has no gradient; compute it from the model's"):
        measure(model, [batch], ["fisher"], registry, objective=lambda m, i, a, y: torch.zeros(len(i)))
    with pytest.raises(DataError, match=r"label \d+ is not among the 2 candidates; give every label's token"):
        measure(model, [batch], ["fisher"], registry, objective=candidate_objective(torch.tensor([1, 2])))


@pytest.mark.parametrize("scorer", ["fisher", "block-influence"])
def test_hidden_states_of_another_shape_are_refused(model, batch, registry, scorer):
    """Hidden states of another shape are refused, since their rows cannot be assigned to examples."""
    model.model.layers[1].register_forward_hook(lambda _layer, _args, output: output[None])
    model.model.layers[2].register_forward_pre_hook(lambda _layer, args: (args[0][0],))
    with pytest.raises(UnsupportedModelError, match=r"hidden states at layer 1 of LlamaForCausalLM are \(1, 6, "):
        measure(model, [batch], [scorer], registry)


def test_layers_that_share_parameters_are_refused(model, batch, registry):
    """Layers that share parameters are refused, as neither has a score of its own."""
    model.model.layers[2].mlp = model.model.layers[0].mlp
    with pytest.raises(UnsupportedModelError, match=r"layers 0 and 2 share the parameter 'mlp\.gate_proj\.weight'"):
        measure(model, [batch], ["fisher"], registry)


class Packed(nn.Module):
    """A linear map whose weight is kept as GPTQ, AWQ or BitNet keep it: in integers, as a buffer or a parameter."""

    def __init__(self, dtype, *, parameter=False):
        super().__init__()
        packed, scales = torch.ones(4, 16, dtype=dtype), torch.ones(16)
        if parameter:
            self.qweight = nn.Parameter(packed, requires_grad=False)
        else:
            self.register_buffer("qweight", packed)
        self.register_buffer("scales", scales)

    def forward(self, states):
        """Return a linear function of the input."""
        return states * self.scales


def quantised_by_torch(linear):
    """Quantise as ``torch.quantize_dynamic`` does: neither parameters nor buffers are left."""
    return torch.ao.nn.quantized.dynamic.Linear(linear.in_features, linear.out_features)


@pytest.mark.parametrize("scorer", ["fisher", "gradient", "magnitude"])
@pytest.mark.parametrize(
    ("quantised", "said"),
    [
        (lambda _: Packed(torch.int32), r"qweight is of type torch\.int32"),
        (lambda _: Packed(torch.uint8), r"qweight is of type torch\.uint8"),
        (lambda _: Packed(torch.int8, parameter=True), r"qweight is of type torch\.int8"),
        (lambda _: Packed(torch.int64, parameter=True), r"qweight is of type torch\.int64"),
        (lambda _: Packed(torch.float8_e4m3fn, parameter=True), r"qweight is of type torch\.float8_e4m3fn"),
        (quantised_by_torch, r"_packed_params\.dtype is of type dtype"),
    ],
    ids=["int32", "uint8", "int8", "int64", "float8", "torch"],
)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_weights_are_refused(model, batch, registry, scorer, quantised, said):
    """Quantised weights are refused, since they would be left out, as parameters or not."""
    attention = model.model.layers[1].self_attn
    attention.q_proj = quantised(attention.q_proj)
    with pytest.raises(
        UnsupportedModelError,
        match=rf"model\.layers\.1\.self_attn\.q_proj\.{said} and has no gradient; load the model without quantisation",
    ):
        measure(model, [batch], [scorer], registry)


def test_quantised_weights_may_be_left_out(model, batch, registry):
    """Scorers that read no weights accept quantised ones; integer index tables are no weights."""
    model.model.layers[1].self_attn.q_proj = Packed(torch.int32)
    assert measure(model, [batch], ["block-influence"], registry)["block-influence"].examples == 6
    model.model.layers[1].self_attn.q_proj = Packed(torch.int64)
    assert measure(model, [batch], ["fisher"], registry)["fisher"].examples == 5


def test_a_probe_knows_its_layers(model, batch):
    """Out of range, and the number of layers and examples."""
    from shortstack.importance.calibration import checked_batches

    probe = ModelProbe(model, checked_batches([batch], torch.device("cpu")))
    assert (3, 5) == (probe.layers, probe.examples)
    with pytest.raises(ConfigurationError, match="cannot skip layer 3: the model has layers 0 to 2"):
        probe.log_probability(skip=(3,))


@pytest.mark.parametrize("scorer", ["fisher", "drop-loss"])
def test_out_of_memory(model, batch, registry, scorer):
    """The sweep and the oracle say which batch it was, and what to give instead."""

    def greedy(model, input_ids, _mask, _labels):
        return torch.empty(2**55, device=input_ids.device) + model.lm_head.weight.sum()

    said = r"memory ran out on a batch of 6 examples of \d+ tokens; give batches of 3"
    with pytest.raises(OutOfMemoryError, match=said):
        measure(model, [batch], [scorer], registry, objective=greedy)


@pytest.mark.parametrize(("key", "value"), [("input_ids", 40), ("labels", 99), ("labels", -5)])
def test_tokens_that_the_model_does_not_know(model, batch, registry, key, value):
    """The error names the batch and the allowed range; −100 is a marker, not a token."""
    wrong = {**batch, key: batch[key].clone()}
    wrong[key][5, 8] = value
    said = rf"calibration batch 1 has {value} among its {key}; the model's tokens are 0 to 39"
    with pytest.raises(DataError, match=said):
        measure(model, [batch, wrong], ["fisher"], registry)


def test_a_circle_is_found_before_any_work(model, registry):
    """A circular dependency is found before any batch is read."""
    with pytest.raises(ConfigurationError, match="scorers fitted-hybrid need each other in a circle"):
        measure(model, iter(lambda: 1 / 0, None), {"fitted-hybrid": {"scorers": ["fitted-hybrid"]}}, registry)


def test_a_scorer_is_fused_once(model, batch, registry):
    """A scorer listed twice in a hybrid is refused, as that would hide its weight."""
    with pytest.raises(ConfigurationError, match="fitted-hybrid has the scorer 'fisher' twice; name each once"):
        measure(model, [batch], {"fitted-hybrid": {"scorers": ["fisher", "fisher"]}}, registry)


def test_packed_rows_are_refused(model, batch, registry):
    """Two examples in one row see each other unless their positions say otherwise, and those are not handed on."""
    positions = (batch["attention_mask"].cumsum(-1) - 1).clamp_min(0)
    packed = {**batch, "position_ids": positions % 3}
    with pytest.raises(
        DataError,
        match=r"^calibration batch 0 has position_ids that do not count the tokens of its attention_mask from 0, as where several "
        "examples are packed into one row; give each example a row of its own$",
    ):
        measure(model, [packed], ["angular"], registry)
    plain = measure(model, [batch], ["angular"], registry)["angular"].scores
    same = measure(model, [{**batch, "position_ids": positions}], ["angular"], registry)["angular"].scores
    assert torch.equal(plain, same)


@pytest.mark.parametrize("key", ["token_type_ids", "inputs_embeds", "seq_idx"])
def test_what_is_not_read_is_refused(model, batch, registry, key):
    """Unknown batch keys are refused, as the model may use them."""
    with pytest.raises(
        DataError,
        match=f"^calibration batch 0 holds '{key}', which is not read; a batch holds input_ids, attention_mask, labels: leave",
    ):
        measure(model, [{**batch, key: batch["input_ids"]}], ["angular"], registry)


def test_a_model_without_its_head_is_refused(model, batch, registry):
    """A model without a head, as ``AutoModel`` loads it, is refused."""
    with pytest.raises(
        UnsupportedModelError,
        match=r"^LlamaModel \(llama\) has no output head, so it predicts no tokens; load it with AutoModelForCausalLM$",
    ):
        measure(model.model, [batch], ["angular"], registry)


def test_a_function_is_no_scorer(model, batch, registry):
    """The message is about the function, not about its name, which is no plugin's."""
    with pytest.raises(
        ConfigurationError, match=r"^this scorer is a function, which lacks measure; a FoldScorer or"
    ) as caught:
        measure(model, [batch], {"mine": lambda _signals: None}, registry)
    assert not isinstance(caught.value, UnknownNameError)


def test_two_objects_of_one_name(model, batch, registry):
    """One of them would be lost."""
    with pytest.raises(ConfigurationError) as caught:
        measure(model, [batch], ["fisher", fisher.DESCRIPTOR], registry)
    assert str(caught.value) == "two scorers are called 'fisher'; give them as a mapping {name: scorer}"
