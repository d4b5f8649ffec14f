"""The trainer: gradients against a plain loop, accumulation, an unchanged teacher, and exports."""

import json

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, TrainerCallback, TrainingArguments

from shortstack import tasks
from shortstack.config.training import FitSettings
from shortstack.contracts import LossBatch, ModelOutputs, Output, Selection
from shortstack.distillation.fitting import fit
from shortstack.distillation.weighted_losses import WeightedLoss
from shortstack.errors import (
    ConfigurationError,
    DataError,
    EmptyDataError,
    NonFiniteError,
    PluginError,
    UnsupportedModelError,
)
from shortstack_losses.soft_targets import soft_targets


class Gradients(TrainerCallback):
    """Keeps the gradients of every optimiser step, before any clipping is undone by the step."""

    def __init__(self):
        self.steps = []

    def on_pre_optimizer_step(self, args, state, control, model, **_):
        """Keep the gradients."""
        self.steps.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})


def one_step(stage, **changed):
    """Return the unclipped gradients of one step over sixteen examples, in the data's order, and the trainer."""
    watch = Gradients()
    accumulate = changed.pop("accumulate", 1)
    settings = FitSettings(steps=1, batch_size=16, accumulate=accumulate, warmup_steps=0, max_grad_norm=0.0)
    trainer = stage.trainer(settings=settings, callbacks=[watch], train_dataset=stage.examples[:16], **changed)
    trainer.train()
    return watch.steps[0], trainer


def collate(rows):
    """Stack the examples."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def test_gradients_are_those_of_a_plain_loop(stage):
    """Every loss, written out on full-vocabulary logits and transformers' own hidden states."""
    actual, _ = one_step(stage, balancing="fixed")

    student, teacher = stage.tiny(2, seed=1), stage.tiny(4)
    batch = collate(stage.examples[:16])
    inputs = {n: batch[n] for n in ("input_ids", "attention_mask")}
    ours = student(**inputs, output_hidden_states=True)
    with torch.no_grad():
        theirs = teacher(**inputs, output_hidden_states=True)
    wanted = batch["labels"][:, 1:] != -100
    q, p = (m.logits[:, :-1][wanted][:, 1:] for m in (ours, theirs))
    labels = F.cross_entropy(q, batch["labels"][:, 1:][wanted] - 1)
    soft = 9 * F.kl_div((q / 3).log_softmax(-1), (p / 3).softmax(-1), reduction="batchmean")
    # hidden_states[-1] lies after the final norm, so only the first student layer is compared here, and weighed alone
    mask = batch["attention_mask"].bool()
    first = 1 - F.cosine_similarity(ours.hidden_states[1][mask], theirs.hidden_states[1][mask], dim=-1)
    states = {}
    handles = [
        m.model.layers[i].register_forward_hook(lambda *a, k=k: states.update({k: a[2]}))
        for k, m, i in (("s", student, 1), ("t", teacher, 2))
    ]
    again = student(**inputs)
    with torch.no_grad():
        teacher(**inputs)
    for handle in handles:
        handle.remove()
    assert torch.equal(ours.logits, again.logits)
    last = 1 - F.cosine_similarity(states["s"][mask], states["t"][mask], dim=-1)
    (1.0 * labels + 2.0 * soft + 0.5 * (first.mean() + last.mean()) / 2).backward()

    expected = {f"student.{n}": p.grad for n, p in student.named_parameters()}
    assert expected.keys() == actual.keys()
    for name, gradient in expected.items():
        assert torch.allclose(gradient, actual[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("accumulate", [*(pytest.param(n, marks=pytest.mark.full) for n in (2, 8)), 4, 16])
@pytest.mark.parametrize("balancing", ["fixed", "ema"])
def test_micro_batches_equal_the_big_batch(stage, accumulate, balancing):
    """Micro-batches give the gradients of the whole batch: rows are ragged, so a mean of means would differ."""
    student = stage.tiny(2, seed=1, hidden=8)
    big, _ = one_step(stage, student=student, balancing=balancing)
    small, _ = one_step(stage, student=stage.tiny(2, seed=1, hidden=8), balancing=balancing, accumulate=accumulate)

    assert {"loss_modules.2.0.weight", "loss_modules.2.2.weight"} <= big.keys()
    for name, gradient in big.items():
        assert torch.allclose(gradient, small[name], rtol=0, atol=1e-6), name


@pytest.mark.parametrize("balancing", ["fixed", "ema"])
def test_accumulation_changes_no_logged_loss(stage, balancing, tmp_path):
    """Whole runs agree, scales and all."""
    records = []
    for accumulate in (1, 4):
        settings = FitSettings(steps=6, batch_size=8, accumulate=accumulate, warmup_steps=0, evaluate_every=1)
        trainer = stage.trainer(settings=settings, folder=tmp_path / str(accumulate), balancing=balancing)
        records.append(fit(trainer))
    for big, small in zip(*records, strict=True):
        for name in ("loss", "loss/labels", "loss/soft-targets", "loss/hidden-states", "grad_norm"):
            assert pytest.approx(big[name], rel=2e-4) == small[name]


def test_ema_scales_follow_the_losses(stage):
    """After the first step the total is 1 up to the change of the losses between steps."""
    history = fit(stage.trainer(settings=FitSettings(steps=4, batch_size=24, warmup_steps=0, evaluate_every=1)))

    assert (
        pytest.approx(
            (
                1.0 * history[0]["loss/labels"]
                + 2.0 * history[0]["loss/soft-targets"]
                + 0.5 * history[0]["loss/hidden-states"]
            )
            / 3.5,
            rel=1e-5,
        )
        == history[0]["loss"]
    )
    assert pytest.approx(1.0, abs=0.15) == history[1]["loss"]


def test_the_teacher_is_left_alone(stage):
    """The teacher's weights, mode, gradients and hooks are unchanged."""
    teacher, student = stage.tiny(4, dropout=0.5), stage.tiny(2, seed=1)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    weights = student.lm_head.weight.detach().clone()
    trainer = stage.trainer(student=student, teacher=teacher)
    modes = set()
    teacher.model.register_forward_pre_hook(lambda module, _: modes.add(module.training))
    trainer.train()

    assert modes == {False}
    assert not torch.equal(weights, student.lm_head.weight)
    assert all(torch.equal(value, teacher.state_dict()[name]) for name, value in before.items())
    assert all(p.grad is None for p in teacher.parameters())
    assert not any(layer._forward_hooks for layer in (*teacher.model.layers, *student.model.layers))
    assert not any("teacher" in name for name, _ in trainer.model.named_parameters())
    assert "forward" not in vars(student)
    assert not student.training


def test_the_students_config_is_left_alone(stage):
    """The student's config is unchanged, though Trainer would switch the cache off."""
    student = stage.tiny(2, seed=1)
    before = student.config.to_dict()
    stage.trainer(student=student).train()
    facts = {"architectures": ["LlamaForCausalLM"], "dtype": "float32"}

    assert {**before, **facts} == student.config.to_dict()


def test_labels_alone_run_no_teacher(stage, tmp_path):
    """No teacher is needed, and a given one is not run."""
    teacher = stage.tiny(4)
    teacher.register_forward_pre_hook(lambda *_: pytest.fail("the teacher was asked"))
    stage.trainer(teacher=teacher, losses={"labels": 1.0}).train()
    alone = {"teacher": False, "losses": {"labels": 1.0}, "balancing": "fixed", "selection": None}
    history = fit(stage.trainer(**alone, folder=tmp_path / "alone"))

    assert history[-1]["loss/labels"] < history[0]["loss/labels"]
    assert pytest.approx(history[-1]["loss"], rel=1e-6) == history[-1]["loss/labels"]


def test_the_export_holds_the_student_alone(stage, tmp_path):
    """The export holds no projection, and the stock classes load it."""
    student = stage.tiny(2, seed=1, hidden=8)
    names = set(student.state_dict())
    trainer = stage.trainer(student=student)
    trainer.train()
    trainer.save_model(tmp_path / "student")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "student")

    assert {"config.json", "generation_config.json", "model.safetensors"} == {
        p.name for p in (tmp_path / "student").iterdir()
    }
    assert names == set(loaded.state_dict()) == set(student.state_dict())
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in student.state_dict().items())
    assert [name for name, _ in trainer.model.loss_modules.named_parameters()] == ["2.0.weight", "2.2.weight"]


def test_projections_learn_without_weight_decay(stage):
    """Projections and the student's vectors are in the optimiser's group without weight decay."""
    _, trainer = one_step(stage, student=stage.tiny(2, seed=1, hidden=8))
    decayed, free = trainer.optimizer.param_groups
    named = {id(p): n for n, p in trainer.model.named_parameters()}
    decayed, free = ({named[id(p)] for p in group["params"]} for group in (decayed, free))

    assert all(trainer.model.get_parameter(name).ndim == 2 for name in decayed)
    assert {n for n in named.values() if n.startswith("loss_modules.") or "norm" in n} == free
    assert set(named.values()) == decayed | free


def test_preparing_projections_leaves_the_random_state_alone(stage):
    """Projections depend on the seed alone, and the global random state is unchanged."""
    torch.manual_seed(1)
    first = stage.trainer(student=stage.tiny(2, seed=1, hidden=8)).model.loss_modules.state_dict()
    torch.manual_seed(2)
    second = stage.trainer(student=stage.tiny(2, seed=1, hidden=8)).model.loss_modules.state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.filterwarnings("ignore:.*deprecated.*:FutureWarning")
@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_changes_nothing(stage, reentrant):
    """Hooks do not fire twice into the losses, and states keep their gradients."""
    plain, _ = one_step(stage)
    student = stage.tiny(2, seed=1)
    student.gradient_checkpointing_enable({"use_reentrant": reentrant})
    saved, _ = one_step(stage, student=student)

    for name, gradient in plain.items():
        assert torch.allclose(gradient, saved[name], rtol=0, atol=1e-6), name


def test_checkpointing_by_the_arguments(stage, tmp_path):
    """Trainer's own switch reaches the student."""
    arguments = TrainingArguments(
        str(tmp_path), max_steps=1, use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no"
    )
    arguments.activation_checkpointing = True
    student = stage.tiny(2, seed=1)
    stage.trainer(student=student, args=arguments).train()

    assert all(layer.gradient_checkpointing for layer in student.model.layers)


def test_frozen_layers_are_refused_for_losses_on_states(stage):
    """A loss on states without gradients would teach nothing, silently."""
    student = stage.tiny(2, seed=1)
    student.model.requires_grad_(requires_grad=False)
    student.lm_head.weight = torch.nn.Parameter(student.lm_head.weight.detach().clone())
    with pytest.raises(ValueError, match=r"^no layer of LlamaForCausalLM passes on a gradient although"):
        stage.trainer(student=student).train()


def test_whole_vocabulary_without_candidates(stage):
    """``candidates=None`` ranks every token."""
    gradients, _ = one_step(stage, candidates=None, losses={"labels": 1.0}, balancing="fixed", teacher=False)
    student = stage.tiny(2, seed=1)
    batch = collate(stage.examples[:16])
    student(**batch).loss.backward()

    for name, parameter in student.named_parameters():
        assert torch.allclose(parameter.grad, gradients[f"student.{name}"], rtol=1e-4, atol=1e-6), name


def test_float64_stays_float64(stage):
    """Students in double precision are trained in it."""
    gradients, _ = one_step(stage, student=stage.tiny(2, seed=1, hidden=8).double(), teacher=stage.tiny(4).double())

    assert {gradient.dtype for gradient in gradients.values()} == {torch.float64}


def test_mixed_precision_leaves_no_trace_in_the_student(stage, tmp_path):
    """bf16 autocast reaches both models and the losses; weights stay float32, losses near float32's."""
    history = {}
    for bf16 in (False, True):
        arguments = TrainingArguments(
            str(tmp_path), max_steps=1, use_cpu=True, bf16=bf16, report_to="none", disable_tqdm=True, logging_steps=1,
            save_strategy="no", per_device_train_batch_size=24,
        )  # fmt: skip
        student = stage.tiny(2, seed=1, hidden=8)
        trainer = stage.trainer(student=student, args=arguments)
        trainer.train()
        history[bf16] = trainer.state.log_history[0]
        assert {torch.float32} == {p.dtype for p in trainer.model.parameters()}
        assert student(torch.ones(1, 2, dtype=torch.long)).logits.dtype == torch.float32

    for name in ("loss/labels", "loss/soft-targets", "loss/hidden-states"):
        assert pytest.approx(history[False][name], rel=0.03) == history[True][name]
        assert history[False][name] != history[True][name]


class Broken:
    """A loss that returns a given value."""

    needs = frozenset({Output.STUDENT_LOGITS})

    def __init__(self, value):
        self.value = value

    def prepare(self, teacher, student, selection):
        """Nothing."""

    def count(self, batch: LossBatch):
        """Return the number of positions."""
        return batch.labels.new_tensor(batch.labels.numel())

    def __call__(self, student: ModelOutputs, teacher, batch, module):
        """Return the given value, with a gradient."""
        return self.value(student.logits)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_step(stage, bad):
    """A loss that is not finite raises before the step, so the weights are unchanged."""
    student = stage.tiny(2, seed=1)
    before = student.lm_head.weight.detach().clone()
    losses = [WeightedLoss(name="mine", loss=Broken(lambda logits: logits.sum() * bad))]
    trainer = stage.trainer(student=student, teacher=False, losses=losses)
    with pytest.raises(NonFiniteError, match=r"^the loss 'mine' is (nan|inf|-inf) at step 1; lower the learning rate"):
        trainer.train()

    assert torch.equal(before, student.lm_head.weight)
    assert not student.training


class BrokenFor(Broken):
    """A loss that is not finite for one label."""

    def __call__(self, student, teacher, batch, module):
        """Return cross-entropy, or NaN where the label is among the batch's."""
        value = torch.nn.functional.cross_entropy(student.logits, batch.labels, reduction="sum")
        return value * (float("nan") if (batch.labels == self.value).any() else 1.0)


@pytest.mark.parametrize("accumulate", [1, 4])
def test_the_example_of_a_loss_that_is_not_finite_is_named(stage, accumulate):
    """By its tokens: it is the first of the step's micro-batches whose loss alone is not finite."""
    row = [1, 2, 3, 12]  # the only one with the last item
    examples = [{"input_ids": ids, "labels": [-100, *ids[1:]]} for ids in ([4, 5], [6, 7, 8], row, [9, 4])]
    trainer = stage.trainer(
        teacher=False,
        losses=[WeightedLoss(name="mine", loss=BrokenFor(11))],  # the place of the token 12 among the candidates
        train_dataset=examples,
        data_collator=tasks.collate,
        settings=FitSettings(steps=1, batch_size=4, accumulate=accumulate, warmup_steps=0, evaluate_every=1),
    )
    with pytest.raises(NonFiniteError, match=r"^the loss 'mine' is nan at step 1") as caught:
        trainer.train()
    assert f"the first example with such a loss has the tokens {row}" in caught.value.__notes__


@pytest.mark.parametrize(
    ("value", "shape"),
    [(lambda x: x.sum(-1), r"\(\d+,\)"), (lambda x: x.sum().bfloat16(), r"\(\) and type torch.bfloat16")],
)
def test_a_loss_that_is_no_sum(stage, value, shape):
    """A plugin that gives one value a position, or half precision, is named."""
    losses = [WeightedLoss(name="mine", loss=Broken(value))]
    with pytest.raises(PluginError, match=f"^loss 'mine' gave a tensor of shape {shape}"):
        stage.trainer(teacher=False, losses=losses).train()


def test_nothing_supervised(stage):
    """A step without any term is an error, not a loss of 0."""
    rows = [{**row, "labels": torch.full_like(row["labels"], -100)} for row in stage.examples]
    with pytest.raises(EmptyDataError, match=r"^no loss has a term at step 1: the batch holds no supervised position$"):
        stage.trainer(teacher=False, losses={"labels": 1.0}, train_dataset=rows).train()


def test_labels_that_are_no_candidates(stage):
    """Labels outside the candidates are counted and refused."""
    with pytest.raises(
        DataError, match=r"^\d+ labels of step 1 are not among the candidates; every label must be one$"
    ):
        stage.trainer(candidates=torch.arange(1, 5)).train()


def test_candidates_outside_the_vocabulary(stage):
    """Candidates outside the vocabulary are refused when the trainer is built."""
    with pytest.raises(
        ConfigurationError, match=r"^candidate token 13 lies outside the model's vocabulary of 13 tokens"
    ):
        stage.trainer(candidates=torch.arange(1, 14))


def test_candidates_that_are_no_set_of_tokens(stage):
    """A token that is there twice would count twice in every softmax; a negative one would be another."""
    with pytest.raises(ConfigurationError, match=r"^candidate token 4 is there twice; name each item's token once$"):
        stage.trainer(candidates=torch.tensor([4, 2, 4]))
    with pytest.raises(ConfigurationError, match=r"^candidate token -1 lies outside the model's vocabulary"):
        stage.trainer(candidates=torch.tensor([-1, 2, 4]))


def test_students_that_cannot_learn(stage):
    """Students that are wrapped or frozen, and empty data, are refused."""
    with pytest.raises(UnsupportedModelError, match=r"^the student is OptimizedModule, not .* before torch\.compile"):
        stage.trainer(student=torch.compile(stage.tiny(2), backend="eager"))
    with pytest.raises(ConfigurationError, match=r"^no weight of LlamaForCausalLM asks for a gradient"):
        stage.trainer(student=stage.tiny(2).requires_grad_(False))
    with pytest.raises(EmptyDataError, match=r"^the training data set is empty; give at least one example$"):
        stage.trainer(train_dataset=[])


def test_a_student_that_shares_weights_with_its_teacher(stage):
    """Training it would change the teacher; what is shared and frozen does no harm."""
    teacher, student = stage.tiny(4), stage.tiny(2, seed=1)
    student.model.layers[0] = teacher.model.layers[0]
    with pytest.raises(
        ConfigurationError, match=r"^the student's model\.layers\.0\.\S+ lies in the teacher's memory, .*deepcopy"
    ):
        stage.trainer(student=student, teacher=teacher)
    student.model.layers[0].requires_grad_(False)
    stage.trainer(student=student, teacher=teacher)


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("labels", lambda t: t.int(), r"has labels of type torch\.int32; give an int64 tensor"),
        ("input_ids", lambda t: t.float(), r"has input_ids of type torch\.float32; give an int64 tensor"),
        ("labels", lambda t: t + 200, r"has the token \d+ among its labels; the model's tokens are 0 to 12"),
        ("input_ids", lambda t: t - 50, r"has the token -\d+ among its input_ids; the model's tokens are 0 to 12"),
        ("labels", lambda t: t[:3], r"has shapes \{.*'labels': \(8, 3\)\}; all three must be the same"),
        ("attention_mask", lambda t: t[None], r"has shapes \{.*; all three must be the same \(batch, tokens\)"),
    ],
)
def test_batches_of_other_tensors(stage, key, change, message):
    """Each is named before it goes through a model, and no loss is made responsible."""
    rows = [{**row, key: change(row[key])} for row in stage.examples]
    with pytest.raises(ConfigurationError, match=f"^a batch {message}"):
        stage.trainer(teacher=False, losses={"labels": 1.0}, candidates=None, train_dataset=rows).train()


def test_teachers_that_do_not_fit(stage):
    """Missing, of another vocabulary, in training mode, or the student itself."""
    student = stage.tiny(2, seed=1)
    with pytest.raises(ConfigurationError, match=r"^the loss 'soft-targets' needs a teacher; give one, or train on"):
        stage.trainer(teacher=False)
    with pytest.raises(
        ConfigurationError, match=r"^the teacher's vocabulary has 14 tokens and the student's 13; they must"
    ):
        stage.trainer(teacher=stage.tiny(4, vocabulary=14))
    with pytest.raises(ConfigurationError, match=r"^the teacher is in training mode, .*; call teacher\.eval\(\)$"):
        stage.trainer(teacher=stage.tiny(4).train())
    partly = stage.tiny(4).eval()
    partly.model.layers[1].self_attn.train()
    with pytest.raises(ConfigurationError, match=r"^model\.layers\.1\.self_attn is in training mode, where dropout"):
        stage.trainer(teacher=partly)
    with pytest.raises(ConfigurationError, match=r"^the teacher is the student itself; build the student with"):
        stage.trainer(student=student, teacher=student)
    with pytest.raises(ConfigurationError, match=r"^the selection keeps 3 of 4 layers"):
        stage.trainer(selection=Selection(kept=(0, 1, 2), of=4))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"eval_strategy": "epoch"}, r"^eval_strategy='epoch' needs metrics: give a function validate\(model\)$"),
        ({"fp16": True}, "^fp16 loses small gradients without a scaler; use bf16=True, or neither$"),
        ({"fsdp": True}, "^fsdp=True divides a model among processes, and this is one; start several with torchrun"),
        ({"deepspeed": "any"}, '^DeepSpeed is not supported; set parallel = "fsdp" in the fit'),
        (
            {"label_smoothing_factor": 0.1},
            "^label_smoothing_factor=0.1 is not followed by this trainer; the loss is the sum",
        ),
        (
            {"neftune_noise_alpha": 5.0},
            "^neftune_noise_alpha=5.0 is not followed by this trainer; use embedding_dropout",
        ),
        (
            {"use_liger_kernel": True},
            "^use_liger_kernel=True is not followed by this trainer; set liger=True of the trainer, which",
        ),
        ({"torch_compile": True}, "^torch_compile=True is not followed by this trainer; set compiled=True of the"),
        ({"auto_find_batch_size": True}, "^auto_find_batch_size=True is not followed by this trainer; set per_device"),
        ({"parallelism_config": "any"}, "^parallelism_config='any' is not followed by this trainer; use one process"),
        ({"push_to_hub": True}, "^push_to_hub=True is not followed by this trainer; save trainer.student with"),
        (
            {"include_for_metrics": ["loss"]},
            r"^include_for_metrics=\['loss'\] is not followed by this trainer; validate",
        ),
        ({"bf16_full_eval": True}, r"^bf16_full_eval=True is not followed by this trainer; validate\(model\) gets"),
        ({"_n_gpu": 4}, "^one process sees 4 devices; start one process a device with torchrun, or set"),
    ],
)
def test_arguments_that_cannot_be_done_right(stage, tmp_path, changed, message):
    """Each unsupported argument is named."""
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", disable_tqdm=True)
    assert arguments.n_gpu == 0
    strategy = type(arguments.eval_strategy)
    for name, value in changed.items():
        setattr(arguments, name, strategy(value) if name == "eval_strategy" else value)
    with pytest.raises(ConfigurationError, match=message):
        stage.trainer(args=arguments)


def test_batches_that_lack_something(stage):
    """A batch that lacks a tensor is an error about the collator."""
    rows = [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in stage.examples]
    with pytest.raises(
        ConfigurationError, match=r"^a batch must hold input_ids, attention_mask, labels, got \['input_ids'"
    ):
        stage.trainer(train_dataset=rows).train()
    with pytest.raises(ConfigurationError, match=r"^a batch must hold .*, got list; give a data_collator"):
        stage.trainer(data_collator=list).train()


def test_losses_as_objects(stage):
    """Ready objects need no registry."""
    losses = [WeightedLoss(name="soft", loss=soft_targets(2.0), weight=2.0)]
    history = fit(stage.trainer(losses=losses, registry=None))

    assert "loss/soft" in history[-1]


def test_batches_that_hold_more(stage):
    """Packed rows of a collator and columns of a data set are refused, though transformers drops unused columns."""
    rows = [{**row, "position_ids": torch.tensor([0, 1, 0, 1, 2, 3])} for row in stage.examples]
    arguments = TrainingArguments(str(stage.folder), use_cpu=True, report_to="none", disable_tqdm=True)
    assert arguments.remove_unused_columns
    with pytest.raises(
        ConfigurationError, match=r"^a batch has position_ids that do not count the tokens of its attention_"
    ):
        stage.trainer(args=arguments, train_dataset=rows).train()
    with pytest.raises(
        ConfigurationError, match=r"^a batch holds 'token_type_ids', which is not read; a batch holds input_"
    ):
        stage.trainer(train_dataset=[{**row, "token_type_ids": row["labels"]} for row in stage.examples]).train()
    rows = [{**row, "position_ids": torch.arange(6), "text": "dropped"} for row in stage.examples]
    assert stage.trainer(args=arguments, train_dataset=rows).train().global_step == 9


def test_what_a_plain_trainer_has_beside_training(stage):
    """No predictions, and no data set for a validation that has its own."""
    trainer = stage.trainer(validate=lambda _model: {"ndcg@10": 1.0})
    with pytest.raises(ConfigurationError, match=r"^predict\(\) is not this trainer's: call trainer.student, or use"):
        trainer.predict(stage.examples)
    with pytest.raises(
        ConfigurationError, match=r"^evaluate\(\) asks validate\(model\), which has data of its own; give"
    ):
        trainer.evaluate(stage.examples)


@pytest.mark.parametrize("headless", ["student", "teacher"])
def test_models_without_a_head(stage, headless):
    """Models without a head are refused before anything is trained."""
    models = {"student": stage.tiny(2, seed=1), "teacher": stage.tiny(4)}
    models[headless] = models[headless].model
    with pytest.raises(
        UnsupportedModelError, match=r"^LlamaModel \(llama\) has no output head, so it predicts no tokens"
    ):
        stage.trainer(**models)


def test_a_head_that_is_trained_under_a_flag(stage):
    """A student with a head of its own says so in every checkpoint, for older transformers would tie it."""
    student = stage.tiny(2, seed=1)
    student.lm_head.weight = torch.nn.Parameter(student.lm_head.weight.detach().clone())
    assert student.config.tie_word_embeddings
    fit(stage.trainer(student=student))
    written = json.loads((stage.folder / "checkpoint-6" / "config.json").read_text("utf-8"))

    assert not written["tie_word_embeddings"]
    assert not torch.equal(student.lm_head.weight, student.model.embed_tokens.weight)
