"""``build_student``: its students, their records, and its errors."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import shortstack_students
from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError, NonFiniteError, ProofError, UnknownNameError, UnsupportedModelError
from shortstack.registry import Origin, Registry
from shortstack.students.build import build_student
from shortstack.students.verification import prove_cache
from shortstack.teachers.checks import identity
from shortstack_students.layer_subset import LayerSubset


def test_by_name_through_a_registry(teacher):
    """The architecture is looked up by name; the record has its full name."""
    registry = Registry()
    registry.register(shortstack_students, Origin("shortstack", "students", "0"))
    student = build_student(teacher, [0, 3], registry=registry)

    assert student.config.shortstack["architecture"] == "shortstack/layer-subset"
    with pytest.raises(
        UnknownNameError, match="unknown student architecture 'layer-subste'; did you mean 'layer-subset'"
    ):
        build_student(teacher, [0, 3], "layer-subste", registry=registry)
    with pytest.raises(UnknownNameError, match="unknown setting"):
        build_student(teacher, [0, 3], registry=registry, settings={"width": 3})


def test_the_record(teacher, build, selected, tmp_path):
    """Kept layers, why, and the teacher's identity are in the config, survive a reload, and name the ancestors."""
    from transformers import AutoConfig

    student = build(teacher, selected(0, 2, 5))
    student.save_pretrained(tmp_path)
    record = AutoConfig.from_pretrained(tmp_path).shortstack

    assert record["kept_layers"] == [0, 2, 5]
    assert (record["of_layers"], record["strategy"], record["reason"]) == (6, "top-k", "a test")
    assert record["budget"] == "keep 3 of 6 layers"
    assert record["teacher"] == {"model_type": "llama", "weights_sha256": identity(teacher), "shortstack": None}
    assert record["adapted_tensors"] == []
    assert build(student, [0, 2]).config.shortstack["teacher"]["shortstack"] == record


def test_identity_is_of_the_weights(teacher_of):
    """One bit of one weight makes another identity; the same weights make the same."""
    first, same, other = teacher_of("llama"), teacher_of("llama"), teacher_of("llama")
    other.model.norm.weight.data[0] = other.model.norm.weight.data[0].nextafter(torch.tensor(9.0))

    assert identity(first) == identity(same)
    assert identity(first) != identity(other)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_teachers_dtype_from_the_start(teacher_of, build, dtype):
    """Rotary frequencies stay float32, as in a model that was loaded in this dtype; a cast would round them."""
    teacher = teacher_of("llama", dtype=dtype)
    student = build(teacher, [0, 2, 4])

    assert {p.dtype for p in student.parameters()} == {dtype}
    assert student.model.rotary_emb.inv_freq.dtype == torch.float32
    assert student.config.dtype == dtype


def test_experts_as_the_teacher_computes_them(teacher_of, build):
    """A reload groups experts, which float64 does not support; the reload check uses the teacher's implementation."""
    teacher = teacher_of("mixtral", num_local_experts=4, experts_implementation="eager", dtype=torch.float64)

    assert len(build(teacher, [0, 3, 5]).model.layers) == 3


def test_mixed_dtypes_are_kept(teacher_of, build, tmp_path):
    """DeepSeek-V3 keeps its routing bias in float32 beside any other dtype; so does its student."""
    from transformers import AutoModelForCausalLM

    mla = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
    experts = {
        "n_routed_experts": 4,
        "n_group": 2,
        "topk_group": 1,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
    }
    teacher_of("deepseek_v3", first_k_dense_replace=2, **mla, **experts).save_pretrained(tmp_path)
    teacher = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    student = build(teacher, [0, 3, 5])

    assert {t.dtype for t in student.state_dict().values()} == {torch.bfloat16, torch.float32}
    assert student.config.first_k_dense_replace == 1


def test_no_sharing(teacher, build):
    """Changing every student parameter leaves the teacher's logits as they were."""
    prompt = torch.arange(3, 12)[None]
    before = teacher(input_ids=prompt).logits
    student = build(teacher, [0, 1, 4])
    for parameter in student.parameters():
        parameter.data.zero_()

    assert torch.equal(before, teacher(input_ids=prompt).logits)


def test_the_teacher_and_the_world_are_left_alone(teacher, build):
    """Modes, config, weights, hooks, gradients and random numbers are as before."""
    teacher.train()
    teacher.model.layers[2].eval()
    teacher.lm_head.requires_grad_(False)
    modes = [m.training for m in teacher.modules()]
    config, weights, state = teacher.config.to_dict(), identity(teacher), torch.get_rng_state()

    student = build(teacher, [0, 5])

    assert modes == [m.training for m in teacher.modules()]
    assert (config, weights) == (teacher.config.to_dict(), identity(teacher))
    assert torch.equal(state, torch.get_rng_state())
    assert not any(m._forward_hooks for m in teacher.modules())
    assert not student.training
    assert all(p.requires_grad for p in student.parameters())


def test_ties_and_generation_settings_come_along(teacher_of, build):
    """Tied rows stay one tensor, untied ones two; the generation config is a copy."""
    tied, untied = teacher_of("llama", tie_word_embeddings=True), teacher_of("llama", tie_word_embeddings=False)
    tied.generation_config.max_new_tokens = 17
    student = build(tied, [0, 1])

    assert student.lm_head.weight is student.model.embed_tokens.weight
    assert build(untied, [0]).lm_head.weight is not build(untied, [0]).model.embed_tokens.weight
    assert student.generation_config.max_new_tokens == 17
    assert student.generation_config is not tied.generation_config


def test_attention_implementation_is_the_teachers(teacher_of, build):
    """A teacher that runs eager attention has a student that does."""
    teacher = teacher_of("llama")
    teacher.set_attn_implementation("eager")

    assert build(teacher, [0, 1]).config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], "a selection keeps at least one layer"),
        ([2, 1], r"kept layers must be ascending and distinct, got \[2, 1\]"),
        ([1, 1], r"kept layers must be ascending and distinct, got \[1, 1\]"),
        ([-1], r"kept layers must be ascending and distinct, got \[-1\]"),
        ([6], r"layer 6 is not among the teacher's 6 layers \(0 … 5\)"),
        (Selection(kept=(0,), of=7), "the selection is of 7 layers, but the teacher has 6"),
    ],
)
def test_kept_layers_that_cannot_be(teacher, build, kept, message):
    """The error is one line that names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        build(teacher, kept)


def test_settings_without_a_name(teacher, build):
    """An architecture that is already built takes no settings."""
    with pytest.raises(
        ConfigurationError, match="settings go with the name of an architecture; this one is already built"
    ):
        build(teacher, [0], settings={})


class TestUnready:
    """Teachers that are not plain tensors in plain modules, and what to do first."""

    def refused(self, build, teacher, message):
        """Assert that the teacher is refused in one line."""
        with pytest.raises(UnsupportedModelError, match=message):
            build(teacher, [0])

    def test_not_a_model(self, build):
        """An object that is no model is refused."""
        self.refused(build, "gpt2", "a teacher is a transformers causal language model, got str")

    def test_lora(self, build, teacher):
        """Adapters must be merged."""
        lora = type("Linear", (nn.Linear,), {"__module__": "peft.tuners.lora.layer"})
        teacher.model.layers[0].self_attn.q_proj = lora(32, 32)
        self.refused(build, teacher, r"q_proj is Linear of peft; merge the adapter first \(merge_and_unload\)")

    def test_compiled(self, build):
        """The compiled wrapper hides the modules."""
        wrapper = type("OptimizedModule", (nn.Module,), {"__module__": "torch._dynamo.eval_frame"})
        self.refused(build, wrapper(), "the teacher is compiled; pass the model before torch.compile")

    def test_device_mapped(self, build, teacher):
        """Hooks of accelerate move tensors about."""
        teacher.model.layers[1]._hf_hook = object()
        self.refused(build, teacher, "model.layers.1 is device-mapped by accelerate; load it onto one device first")

    def test_spread(self, build, teacher):
        """Layers on the meta device have no weights to copy."""
        teacher.model.layers[1].to("meta")
        self.refused(build, teacher, "LlamaForCausalLM lies on cpu and meta; load all of it onto one device first")

    @pytest.mark.parametrize("how", ["config", "weights"])
    def test_quantised(self, build, teacher, how):
        """Quantised teachers are refused, by their config or by integer weights."""
        if how == "config":
            teacher.config.quantization_config = {"quant_method": "bitsandbytes"}
        else:
            packed = nn.Parameter(torch.zeros(32, 32, dtype=torch.uint8), requires_grad=False)
            teacher.model.layers[0].self_attn.q_proj.weight = packed
        self.refused(
            build, teacher, "LlamaForCausalLM is quantised; load or dequantise it to a floating-point dtype first"
        )

    def test_encoder_decoder(self, build):
        """The family is named."""
        from transformers import T5Config, T5ForConditionalGeneration

        teacher = T5ForConditionalGeneration(
            T5Config(vocab_size=64, d_model=16, d_kv=4, d_ff=16, num_layers=2, num_heads=2)
        )
        self.refused(
            build, teacher, r"T5ForConditionalGeneration \(t5\) is an encoder-decoder; use a decoder-only causal model"
        )

    def test_without_a_head(self, build, teacher):
        """The bare decoder has no output rows."""
        self.refused(
            build, teacher.model, r"LlamaModel \(llama\) is no causal language model; load it with its output head"
        )

    def test_another_class_than_stock(self, build, teacher):
        """A subclass would not come back from a reload."""
        teacher.__class__ = type("MyLlama", (type(teacher),), {})
        self.refused(
            build, teacher, "the teacher is MyLlama, but AutoModelForCausalLM loads its config as LlamaForCausalLM"
        )


def test_a_teacher_with_nan(teacher, build):
    """The tensor is named."""
    teacher.model.norm.weight.data[0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"the teacher's model.norm.weight holds NaN"):
        build(teacher, [0])


class TestProofs:
    """Architectures that are wrong, each caught by the proof that it breaks."""

    def broken(self, build, teacher, spoil, message):
        """Build with a layer-subset whose student is spoilt after the transfer."""

        class Spoilt(LayerSubset):
            def transfer(self, teacher, student, selection, calibration):
                copies = super().transfer(teacher, student, selection, calibration)
                return spoil(teacher, student, copies) or copies

        with pytest.raises(ProofError, match=message):
            build(teacher, [1, 3], Spoilt())

    def test_a_tensor_from_another_layer(self, build, teacher):
        """Layer 1 of the student is not the teacher's layer 3."""

        def spoil(teacher, student, _):
            student.model.layers[1].mlp.up_proj.weight.data = teacher.model.layers[2].mlp.up_proj.weight.data.clone()

        self.broken(
            build, teacher, spoil, "model.layers.1.mlp.up_proj.weight is not the teacher's model.layers.3.mlp.up_proj"
        )

    def test_a_tensor_that_was_forgotten(self, build, teacher):
        """Left out of the map, and not written either."""

        def spoil(_, student, copies):
            student.model.norm.weight.data.fill_(torch.nan)
            return {name: source for name, source in copies.items() if name != "model.norm.weight"}

        self.broken(build, teacher, spoil, "the architecture left model.norm.weight unfilled")

    def test_a_map_of_things_that_are_not(self, build, teacher):
        """A name that neither model has."""
        self.broken(build, teacher, lambda *_: {"a": "b"} | _[2], "the map says a ← b, but there is no such tensor")

    def test_shared_memory(self, build, teacher):
        """The teacher's own tensor instead of a copy."""

        def spoil(teacher, student, _):
            student.model.norm.weight.data = teacher.model.norm.weight.data

        self.broken(build, teacher, spoil, "model.norm.weight shares memory with the teacher's model.norm.weight")

    def test_untied(self, build, teacher_of):
        """The head copied beside the embedding."""

        def spoil(_, student, __):
            student.lm_head.weight = nn.Parameter(student.lm_head.weight.detach().clone())

        self.broken(build, teacher_of("llama", tie_word_embeddings=True), spoil, "tied weights differ")

    def test_another_count(self, build, teacher):
        """A projection left on the student."""

        def spoil(_, student, copies):
            student.extra = nn.Linear(2, 2, bias=False)

        self.broken(build, teacher, spoil, "the student has 19,620 parameters, but its config promises 19,616")

    def test_wrong_cache_places(self, build, teacher):
        """Layers that kept their old indices, which the cache uses."""

        def spoil(_, student, __):
            for layer in student.model.layers:
                layer.self_attn.layer_idx = 0

        self.broken(build, teacher, spoil, "generation with a cache fails: ")

    def test_a_cache_that_is_not_read(self, build, teacher):
        """A layer that sees only the newest token, without any error."""

        def spoil(_, student, __):
            attention = student.model.layers[1].self_attn
            forward = attention.forward

            def forgetful(*args, past_key_values=None, **rest):
                return forward(*args, past_key_values=None, **rest)

            attention.forward = forgetful

        self.broken(build, teacher, spoil, "generation with a cache differs from generation without")

    def test_a_teacher_whose_own_cache_is_wrong(self, teacher_of):
        """Nothing can be proved of a student then: the family is refused, and the student is not to blame."""

        def forgetful(model):
            attention = model.model.layers[1].self_attn
            forward = attention.forward
            attention.forward = lambda *args, past_key_values=None, **rest: forward(*args, past_key_values=None, **rest)
            return model

        with pytest.raises(
            UnsupportedModelError,
            match=r"^LlamaForCausalLM \(llama\) is not sure of its own cache, so a student of it cannot be proved: generation",
        ):
            prove_cache(forgetful(teacher_of("llama")), forgetful(teacher_of("llama")))

    def test_layers_spliced_into_an_old_config(self, build, teacher):
        """The config gives another depth than the model has."""

        def spoil(_, student, __):
            student.config.num_hidden_layers = 6

        self.broken(build, teacher, spoil, "a reload does not find what was saved")

    def test_a_config_that_does_not_say_all(self, build, teacher):
        """An attribute changed on the model but not in the config."""

        def spoil(_, student, __):
            student.model.norm.variance_epsilon = 3.0

        self.broken(
            build, teacher, spoil, "a reload has the same tensors but other logits: the config does not say all"
        )


def test_wrong_arithmetic_is_caught(teacher_of, build, monkeypatch):
    """With GPT-2's per-layer scale not folded, the student is not the teacher without the other layers."""
    from shortstack_students import attention_scale

    monkeypatch.setattr(attention_scale, "fold", lambda _student, _selection: [])
    teacher = teacher_of("gpt2", scale_attn_by_inverse_layer_idx=True, initializer_range=1.0)

    with pytest.raises(
        ProofError, match="the student's logits differ from the teacher's with the other layers skipped"
    ):
        build(teacher, [3, 5])


def test_the_fold_is_listed(teacher_of, build):
    """The adapted tensors are named in the record; the flag is off; layer 0 needs none."""
    student = build(teacher_of("gpt2", scale_attn_by_inverse_layer_idx=True), [0, 2])

    expected = ["transformer.h.1.attn.c_attn.bias", "transformer.h.1.attn.c_attn.weight"]
    assert expected == student.config.shortstack["adapted_tensors"]
    assert student.config.scale_attn_by_inverse_layer_idx is False


def test_config_is_left_as_it_was(teacher):
    """Shrinking a config makes another."""
    before = copy.deepcopy(teacher.config.to_dict())
    LayerSubset().shrink(teacher.config, Selection(kept=(0,), of=6))

    assert before == teacher.config.to_dict()


@pytest.mark.parametrize(
    "kept",
    [np.array([0, 3]), torch.tensor([0, 3]), [np.int64(0), np.int32(3)], [torch.tensor(0), 3], range(0, 6, 3)],
)
def test_kept_layers_of_any_kind(teacher, build, tmp_path, kept):
    """Arrays of NumPy and PyTorch become plain numbers, which JSON can hold."""
    student = build(teacher, kept)
    student.save_pretrained(tmp_path)

    assert student.config.shortstack["kept_layers"] == [0, 3]
    assert student.config.shortstack["budget"] == "keep 2 of 6 layers"


@pytest.mark.parametrize(
    "kept", [[0, 3.0], np.array([0.0, 3.0]), torch.tensor([True, False]), [False, True], 3, "03", None]
)
def test_kept_layers_that_are_no_indices(teacher, build, kept):
    """Floats, masks and lone numbers are named; a mask of two layers is not taken for layers 0 and 1."""
    with pytest.raises(ConfigurationError, match=r"^kept layers must be a list of whole numbers, got "):
        build(teacher, kept)
