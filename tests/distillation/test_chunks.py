"""Losses over chunks of positions give the sums and gradients of all positions at once, in the memory of one chunk."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from students.tiny_families import tiny_teacher
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from shortstack.contracts import Output
from shortstack.distillation import chunks, in_place_products
from shortstack.distillation.chunks import ChunkedSums
from shortstack.distillation.model_outputs import TEACHER_OUTPUTS
from shortstack.distillation.training_module import TrainingModule, output_reader, prepare
from shortstack.distillation.weighted_losses import WeightedLoss, wanted, weighted_losses
from shortstack.models.head_split import Head
from shortstack.models.malloc import MAPPED_FROM

IDS = torch.tensor([[5, 6, 7, 8, 9, 4], [9, 8, 7, 3, 0, 0], [3, 4, 7, 5, 6, 0]])
MASK = (IDS > 0).long()
LABELS = IDS.masked_fill(MASK == 0, -100)
CANDIDATES = torch.tensor([7, 3, 21, 4, 5, 6, 8, 9])
NAMED = {"labels": 1.0, "soft-targets": {"temperature": 3.0, "weight": 0.5}}


def gradients(student, teacher, losses, candidates, *, scales=(0.5, 2.0)):
    """Return the total, the sums, and the gradient of each parameter of the student and of the losses."""
    student = copy.deepcopy(student).train()
    torch.manual_seed(0)  # some families drop out
    module = TrainingModule(student, losses, prepare(losses, teacher, student, None, 0), candidates)
    reader = output_reader(teacher, candidates, wanted(losses), TEACHER_OUTPUTS)
    with torch.no_grad():
        outputs = reader(IDS, MASK, nn.functional.pad(LABELS[:, 1:], (0, 1), value=-100) != -100)
    factors = torch.tensor(scales, dtype=torch.float64)
    total, sums = module(IDS, MASK, LABELS, teacher=outputs, scales=factors)
    total.backward()
    return (
        total.detach(),
        torch.stack(sums).detach(),
        {name: p.grad for name, p in module.named_parameters() if p.grad is not None},
    )


def compare(monkeypatch, student, teacher, losses, candidates):
    """Require equal results of one chunk, and of chunks of five positions of which losses see two at a time."""
    results = []
    for size in (1 << 30, 2 * (len(candidates) if candidates is not None else 64)):
        monkeypatch.setattr(chunks, "PART", size)
        monkeypatch.setattr(chunks, "FEWEST_ROWS", 5)
        results.append(gradients(student, teacher, losses, candidates))
    (total, sums, whole), (again, parts_sums, parts) = results
    torch.testing.assert_close(again, total, rtol=1e-6, atol=0)
    torch.testing.assert_close(parts_sums, sums, rtol=1e-6, atol=0)
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=0, atol=2e-6 * float(gradient.abs().max()) + 1e-12)


@pytest.mark.parametrize("candidates", [CANDIDATES, None], ids=["items", "vocabulary"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "cohere", "bert", "opt", "granite", "mamba"])
def test_chunks_change_nothing(monkeypatch, family, candidates):
    """Tied and untied heads, soft caps, scales, transforms: sums and gradients are equal."""
    losses = weighted_losses(NAMED, None)
    model = tiny_teacher(family).double()
    compare(monkeypatch, model, model, losses, candidates)


def test_all_positions_at_once_is_the_plain_sum(monkeypatch):
    """The total and its gradient are those of one product with the output matrix, computed by torch alone."""
    student = tiny_teacher("llama").double()
    monkeypatch.setattr(chunks, "PART", 16)
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 1)
    losses = weighted_losses({"labels": 1.0}, None)
    total, _, parts = gradients(student, student, losses, CANDIDATES, scales=(0.25,))

    plain = copy.deepcopy(student).train()
    logits = plain(input_ids=IDS, attention_mask=MASK).logits[:, :-1, CANDIDATES].flatten(0, 1)
    places = {int(token): place for place, token in enumerate(CANDIDATES)}
    targets = torch.tensor([places.get(int(label), -100) for label in LABELS[:, 1:].flatten()])
    expected = 0.25 * nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="sum")
    expected.backward()

    torch.testing.assert_close(total, expected.detach(), rtol=1e-12, atol=0)
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(parts[f"student.{name}"], parameter.grad, rtol=1e-9, atol=1e-12)


class Probe(nn.Module):
    """A loss with a parameter of its own that records the shapes of the logits that it sees."""

    needs = frozenset({Output.STUDENT_LOGITS, Output.TEACHER_LOGITS})

    def __init__(self):
        super().__init__()
        self.seen, self.scale = [], nn.Parameter(torch.tensor(1.5))

    def prepare(self, teacher, student, selection):
        """Return itself: it has a parameter."""
        return self

    def count(self, batch):
        """Return the number of positions."""
        return batch.labels.new_tensor(batch.labels.numel())

    def forward(self, student, teacher, batch, module):
        """Return a weighted squared difference."""
        assert student.logits.shape == teacher.logits.shape
        self.seen.append(len(student.logits))
        assert len(batch.labels) == len(student.logits)
        return module.scale * (student.logits - 2 * teacher.logits).square().sum()


@given(rows=st.integers(1, 20))
@settings(max_examples=8, deadline=None)
def test_no_more_than_a_chunk_is_held(rows):
    """An additive loss never sees more positions than a chunk has; its own parameter learns as with all of them."""
    model = tiny_teacher("llama")
    found = []
    for size in (rows, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunks, "PART", size * len(CANDIDATES))
            patch.setattr(chunks, "FEWEST_ROWS", 1)
            loss = WeightedLoss(name="probe", loss=(probe := Probe()), additive=True)
            _, sums, parts = gradients(model, model, (loss,), CANDIDATES, scales=(1.0,))
        found.append((sums, parts["loss_modules.0.scale"]))
        positions = int((LABELS[:, 1:] != -100).sum())
        assert sum(probe.seen) == positions
        assert max(probe.seen) == min(size, positions)
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=0)


def test_parts_share_the_products_with_the_output_matrix(monkeypatch):
    """However few positions the losses see at once, both heads compute four positions each time."""
    student, teacher = tiny_teacher("llama"), tiny_teacher("llama")
    seen, head = [], Head.__call__
    monkeypatch.setattr(chunks, "PART", len(CANDIDATES))
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 4)
    loss = WeightedLoss(name="probe", loss=(probe := Probe()), additive=True)
    module = TrainingModule(student, (loss,), [probe], CANDIDATES)
    reader = output_reader(teacher, CANDIDATES, wanted((loss,)), TEACHER_OUTPUTS)
    with torch.no_grad():
        outputs = reader(IDS, MASK, nn.functional.pad(LABELS[:, 1:], (0, 1), value=-100) != -100)
    module(
        IDS, MASK, LABELS, teacher=outputs, scales=torch.ones(1, dtype=torch.float64)
    )  # whether it is split is tried
    monkeypatch.setattr(Head, "__call__", lambda self, rows: seen.append(len(rows)) or head(self, rows))
    probe.seen.clear()
    module(IDS, MASK, LABELS, teacher=outputs, scales=torch.ones(1, dtype=torch.float64))

    assert [1] * 12 == probe.seen
    assert [4] * 6 == seen, "three chunks of the twelve supervised positions, student and teacher"


class Made(TorchDispatchMode):
    """Counts the new tensors of one shape that operations give: no views, and nothing that is changed in place."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.count = shape, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run one operation."""
        result = func(*args, **(kwargs or {}))
        new = [returned.alias_info is None for returned in func._schema.returns]
        results = result if isinstance(result, tuple) else (result,)
        self.count += sum(
            fresh and isinstance(one, torch.Tensor) and one.shape == self.shape
            for fresh, one in zip(new, results, strict=False)
        )
        return result


def test_chunks_make_no_gradient_of_the_whole_matrix(monkeypatch):
    """Twelve chunks make as many tensors of its size as one does: the gradient is added where it is kept."""
    student, counts = tiny_teacher("llama"), []
    monkeypatch.setattr(chunks, "PART", 1)
    for rows in (12, 1):
        monkeypatch.setattr(chunks, "FEWEST_ROWS", rows)
        with Made(student.lm_head.weight.shape) as made:
            gradients(student, student, weighted_losses(NAMED, None), None)
        counts.append(made.count)

    assert counts[0] == counts[1] > 0


def test_chunks_share_the_memory_of_their_logits(monkeypatch):
    """Three chunks make as many tensors of a chunk's size as one does, and none goes back through a block of zeros."""
    student, counts = tiny_teacher("llama"), []
    losses = weighted_losses({"labels": 1.0}, None)
    module = TrainingModule(student, losses, prepare(losses, student, student, None, 0), None)
    reader, scales = output_reader(student, None, wanted(losses), TEACHER_OUTPUTS), torch.ones(1, dtype=torch.float64)
    monkeypatch.setattr(chunks, "PART", 64)
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 4)
    for labels in (
        LABELS,
        LABELS[:1, :5],
        LABELS,
    ):  # 12, 4 and 12 supervised positions; the first also tries the losses
        ids = IDS[: len(labels), : labels.shape[1]]
        with torch.no_grad():
            outputs = reader(ids, (ids > 0).long(), nn.functional.pad(labels[:, 1:], (0, 1), value=-100) != -100)
        for shape in ((4, 64), (1, 4, 64)):
            with Made(shape) as made:
                module(ids, (ids > 0).long(), labels, teacher=outputs, scales=scales)[0].backward()
            counts.append(made.count)

    one, one_row, three, three_row = counts[2:]
    assert one == three
    assert one_row == three_row == 0


def scaled_in_place(hidden, weight):
    """Project twice with one matrix, and change both results in place, as a head may."""
    first, second = nn.functional.linear(hidden, weight), nn.functional.linear(hidden * 2, weight)
    return first.mul_(0.5).tanh_() + second.sub_(1.0)


def test_products_are_a_models_own(monkeypatch):
    """A head may use its matrix twice and change the logits in place: chunks change neither the total nor a gradient."""
    states, weight = torch.randn(12, 8).double().requires_grad_(), torch.randn(20, 8).double().requires_grad_()
    work = ChunkedSums(
        head=lambda rows: scaled_in_place(rows, weight),
        teacher=lambda _chunk: None,
        sums=lambda ours, _theirs, _part: ours.square().sum()[None],
        scales=torch.ones(1, dtype=torch.float64),
        weights=[weight],
        sources=[weight],
        parameters=[],
        candidates=20,
    )
    monkeypatch.setattr(chunks, "PART", 20)
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 5)
    whole = scaled_in_place(states, weight).square().sum()
    right = torch.autograd.grad(whole, [states, weight])
    total, _ = work.of(states)

    torch.testing.assert_close(total, whole.detach())
    for gradient, expected in zip(torch.autograd.grad(total, [states, weight]), right, strict=True):
        torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("candidates", [8, 1_000, 65_536, 1_000_000, 1 << 20])
def test_no_copy_of_a_part_is_returned_to_the_system(candidates):
    """From that size on each copy would cost a page fault for every 4 KiB, which took half of the time of a step."""
    work = ChunkedSums(
        head=lambda rows: rows,
        teacher=lambda _chunk: None,
        sums=lambda ours, _theirs, _part: ours.sum()[None],
        scales=torch.ones(1, dtype=torch.float64),
        weights=[],
        sources=[],
        parameters=[],
        candidates=candidates,
    )
    chunk = next(work.chunks(10_000_000))
    logits = torch.empty(chunk.stop, candidates, device="meta")  # has a size, and takes no memory
    parts = [ours for ours, _theirs, _part in work.parts(chunk, logits)]

    assert max(part.nbytes for part in parts) < MAPPED_FROM
    assert sum(map(len, parts)) == len(logits) >= 32


@pytest.mark.parametrize("additive", [True, False], ids=["in-chunks", "at-once"])
def test_no_gradient_reaches_the_teacher(additive):
    """Not even where a loss does not detach the teacher's logits: no weight of its head gets one."""
    student, teacher = tiny_teacher("llama"), copy.deepcopy(tiny_teacher("llama"))
    assert teacher.lm_head.weight.requires_grad
    gradients(
        student, teacher, (WeightedLoss(name="probe", loss=Probe(), additive=additive),), CANDIDATES, scales=(1.0,)
    )
    assert all(parameter.grad is None for parameter in teacher.parameters())


def in_chunks(stage, losses):
    """Return which losses a trainer computes in chunks."""
    return {loss.name: loss.additive for loss in stage.trainer(losses=losses).model.losses}


def test_a_loss_that_is_not_additive_sees_all_positions(monkeypatch):
    """One that is marked so is computed from all logits at once."""
    monkeypatch.setattr(chunks, "PART", len(CANDIDATES))
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 1)
    model, loss = tiny_teacher("llama"), WeightedLoss(name="probe", loss=(probe := Probe()), additive=False)
    gradients(model, model, (loss,), CANDIDATES, scales=(1.0,))
    assert probe.seen == [int((LABELS[:, 1:] != -100).sum())]


def contrast(student, teacher, labels):
    """Contrast each position with the others: no sum over positions."""
    return nn.functional.cross_entropy(student @ teacher.T, torch.arange(len(student)), reduction="none")


def squares(student, teacher, labels):
    """Squared differences."""
    return (student - teacher).square().sum(-1)


def test_additivity_is_tried(stage):
    """A function that compares positions is found out, whatever it promises; one that does not is computed in chunks."""
    given = {"contrast": {"loss": contrast}, "squares": {"loss": squares}, "labels": 1.0, "hidden-states": 1.0}
    assert in_chunks(stage, given) == {"contrast": False, "squares": True, "labels": True, "hidden-states": False}


def test_a_loss_on_states_computes_no_logits(monkeypatch):
    """Beside a loss in chunks it gets the states alone: no product with the output matrix is of all positions."""
    student = tiny_teacher("llama").double()
    losses = weighted_losses({"labels": 1.0, "contrastive": 1.0}, None)
    monkeypatch.setattr(chunks, "PART", 1)
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 1)
    seen, head = [], Head.__call__
    monkeypatch.setattr(Head, "__call__", lambda self, rows: seen.append(len(rows)) or head(self, rows))
    gradients(student, student, losses, CANDIDATES)

    assert 12 not in seen, "the batch has 12 supervised positions"


def test_gradients_are_added_up_in_the_type_of_the_source(monkeypatch):
    """In bfloat16, 2,000 chunks that add 1 each would end at 256, whose successor is 258."""
    monkeypatch.setattr(chunks, "PART", 1)
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 1)
    monkeypatch.setattr(in_place_products, "CONVERTED_ROWS", 2)  # of three rows
    source = torch.zeros(3, 1, requires_grad=True)
    lowered = source.bfloat16()
    work = ChunkedSums(
        head=lambda rows: nn.functional.linear(rows.bfloat16(), lowered),
        teacher=lambda _chunk: None,
        sums=lambda ours, _theirs, _part: ours.float().sum()[None],
        scales=torch.full((1,), 2.0, dtype=torch.float64),
        weights=[lowered],
        sources=[source],
        parameters=[],
        candidates=3,
    )
    total, _ = work.of(torch.ones(2_000, 1))
    (0.5 * total).backward()

    assert source.grad.tolist() == [[2_000.0]] * 3
