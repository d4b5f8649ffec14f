"""``repair``: the remaining weights compensate for removed layers, and the student stays a stock model."""

import pytest
import torch
from students.tiny_families import tiny_teacher

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError, DataError, EmptyDataError, UnsupportedModelError
from shortstack.models.decoder import Decoder
from shortstack_students.layer_subset import LayerSubset, LayerSubsetSettings
from shortstack_students.linear_patch import Seam, fitted, solved
from shortstack_students.magnitude import growth
from shortstack_students.stream import Gap, gaps_of, recorded

KEPT = (0, 1, 4)
GAPS = [Gap(first=2, last=3, place=2), Gap(first=5, last=5, place=3)]
PRE_NORM = ["gpt2", "gpt_neox", "llama", "mistral", "opt", "phi3", "qwen2", "qwen3", "stablelm"]
SANDWICHED = ["gemma2", "olmo2"]


@pytest.fixture
def batches():
    """Eight examples of twelve tokens, in two batches; the last example is half padding."""
    ids = torch.randint(3, 64, (8, 12), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    mask[7, 6:] = 0
    return [{"input_ids": ids[i : i + 4], "attention_mask": mask[i : i + 4], "labels": ids[i : i + 4]} for i in (0, 4)]


def repaired(build, teacher, repair, batches, kept=KEPT, **settings):
    """Build a repaired student of some layers."""
    chosen = LayerSubset(LayerSubsetSettings(repair=repair, **settings))
    return build(teacher, kept, chosen, calibration=batches)


@pytest.mark.parametrize("family", PRE_NORM)
@pytest.mark.parametrize("repair", ["magnitude", "linear"])
def test_stock_families_are_repaired(build, batches, family, repair):
    """The builder's proofs hold, and what changed is said; the embedding and the head are the teacher's."""
    teacher = tiny_teacher(family)
    student = repaired(build, teacher, repair, batches)
    adapted = set(student.config.shortstack["adapted_tensors"])

    assert adapted
    assert torch.equal(student.get_input_embeddings().weight, teacher.get_input_embeddings().weight)
    path = Decoder.of(student).path
    touched = {name.removeprefix(f"{path}.").split(".")[0] for name in adapted}
    if repair == "magnitude":  # what lies beyond the first gap; GPT-2's folded scale changes its queries
        assert {"2"} <= touched
    else:  # the MLPs before the gaps
        assert {"1", "2"} <= touched


def test_the_teacher_is_left_alone(build, batches):
    """Two repairs of one teacher are the same."""
    teacher = tiny_teacher("llama")
    first, second = (repaired(build, teacher, "linear", batches).state_dict() for _ in range(2))

    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("repair", ["magnitude", "linear"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_does_not_count(build, batches, repair, side):
    """More masked columns on either side: the same student, up to rounding."""
    teacher = tiny_teacher("llama")
    padded = []
    for batch in batches:
        ids = torch.full((4, 5), 9)
        pairs = {"input_ids": ids, "attention_mask": torch.zeros_like(ids), "labels": torch.full_like(ids, -100)}
        order = (lambda a, b: [a, b]) if side == "left" else (lambda a, b: [b, a])
        padded.append({name: torch.cat(order(pairs[name], tensor), dim=1) for name, tensor in batch.items()})
    plain, other = (
        repaired(build, teacher, repair, examples, ridge=0.1).state_dict() for examples in (batches, padded)
    )

    for name, tensor in plain.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-3, atol=1e-4)


def test_growth_is_the_mean_ratio_of_norms(batches):
    """Against the hidden states that transformers returns, of unmasked tokens alone."""
    teacher = tiny_teacher("llama")
    last, sums, tokens = {}, torch.zeros(2), 0  # the last hidden states that transformers returns are normed
    Decoder.of(teacher).layers[5].register_forward_hook(lambda _module, _inputs, output: last.update(states=output))
    for batch in batches:
        mask = batch["attention_mask"].bool()
        with torch.no_grad():
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            states = teacher(**inputs, output_hidden_states=True).hidden_states
        norms = [state[mask].norm(dim=-1) for state in (*states[:6], last["states"])]
        sums += torch.stack([(norms[4] / norms[2]).sum(), (norms[6] / norms[5]).sum()])
        tokens += int(mask.sum())

    with torch.no_grad():
        assert list(growth(teacher, GAPS, batches).values()) == pytest.approx((sums / tokens).tolist(), rel=1e-5)


def test_gaps():
    """Gaps are at the start, in between or at the end; none if all layers stay."""
    assert gaps_of(Selection(kept=KEPT, of=6)) == GAPS
    assert gaps_of(Selection(kept=(2, 3), of=5)) == [Gap(first=0, last=1, place=0), Gap(first=4, last=4, place=2)]
    assert gaps_of(Selection(kept=(0, 1), of=2)) == []


def test_a_gap_at_the_start(build, batches):
    """There is no MLP before it to patch; a factor can be taken out of what comes after."""
    teacher = tiny_teacher("llama")
    linear, magnitude = (repaired(build, teacher, name, batches, kept=(2, 3, 4, 5)) for name in ("linear", "magnitude"))

    assert linear.config.shortstack["adapted_tensors"] == []
    assert magnitude.config.shortstack["adapted_tensors"]


def test_linear_layers_are_recovered(batches):
    """If the removed layers apply a matrix to the output of the MLP before them, the fit recovers it."""
    student = tiny_teacher("llama")
    seam = Seam.of(student, GAPS[0])
    with torch.no_grad():
        written = torch.cat([states["mlp"] for states in seam.states(batches)])
        wanted = torch.randn(32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        solution = solved(written.T @ written, written.T @ (written @ wanted - written), ridge=1e-14)

    torch.testing.assert_close(solution, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("once", [False, True])
def test_packed_rows_are_refused(build, batches, once):
    """The positions of packed rows are not handed on, so their examples would see each other."""
    packed = [batches[0], {**batches[1], "position_ids": torch.arange(12).expand(4, 12) % 6}]
    with pytest.raises(
        DataError, match=r"^calibration batch 1 has position_ids that do not count the tokens of its attention"
    ):
        repaired(build, tiny_teacher("llama"), "linear", iter(packed) if once else packed)


def test_an_mlp_that_writes_nothing():
    """No matrix changes nothing, so there is no patch; least squares alone would have no one solution."""
    nothing = torch.zeros(4, 4, dtype=torch.float64)

    assert torch.equal(solved(nothing, nothing, ridge=1e-3), torch.eye(4, dtype=torch.float64))


def test_the_fit_is_the_best_and_ridge_shrinks_it(batches):
    """Against least squares over all tokens at once; a heavy ridge leaves the MLP as it is."""
    teacher, student = tiny_teacher("llama"), tiny_teacher("llama")
    seam = Seam.of(student, GAPS[0])
    with torch.no_grad():
        ours = [torch.cat(parts) for parts in zip(*((s["mlp"], s["out"]) for s in seam.states(batches)), strict=True)]
        points = {"out": (Decoder.of(teacher).layers[3], "out")}
        target = torch.cat([states["out"] for states in recorded(teacher, batches, points)])
        expected = torch.eye(32, dtype=torch.float64) + torch.linalg.lstsq(ours[0], target - ours[1]).solution
        fit, still = (fitted(teacher, seam, batches, ridge) for ridge in (1e-14, 1e9))

    torch.testing.assert_close(fit, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(still, torch.eye(32, dtype=torch.float64), rtol=0, atol=1e-6)


def test_linear_comes_nearer_to_the_teacher(build, batches):
    """On the calibration tokens themselves it cannot be worse than plain removal, gap by gap."""
    teacher = tiny_teacher("llama")
    plain, better = (repaired(build, teacher, name, batches, ridge=1e-9) for name in (None, "linear"))
    with torch.no_grad():
        wanted, first, second = (
            torch.cat([s["out"] for s in recorded(m, batches, {"out": (Decoder.of(m).layers[-1], "out")})])
            for m in (teacher, plain, better)
        )

    assert (second - wanted).norm() < (first - wanted).norm()


def test_none_is_the_teachers_layers(build, batches):
    """Nothing changes, and no examples are needed."""
    student = repaired(build, tiny_teacher("llama"), None, [])

    assert student.config.shortstack["adapted_tensors"] == []


def test_nothing_to_repair(build):
    """If all layers stay, no examples are needed."""
    assert (
        repaired(build, tiny_teacher("llama"), "linear", [], kept=range(6)).config.shortstack["adapted_tensors"] == []
    )


@pytest.mark.parametrize("family", SANDWICHED)
@pytest.mark.parametrize("repair", ["magnitude", "linear"])
def test_writers_that_end_in_a_norm_are_refused(build, batches, family, repair):
    """Layers whose output passes a norm are refused: a change before the norm is not a linear change after it."""
    with pytest.raises(UnsupportedModelError, match=rf"repair = '{repair}' cannot be folded into"):
        repaired(build, tiny_teacher(family), repair, batches)


def test_experts_have_no_one_projection(build, batches):
    """A mixture is refused by the linear patch; magnitudes can be folded into its experts."""
    with pytest.raises(UnsupportedModelError, match="needs an MLP with one last projection, but a layer of Mixtral"):
        repaired(build, tiny_teacher("mixtral"), "linear", batches)
    assert repaired(build, tiny_teacher("mixtral"), "magnitude", batches).config.shortstack["adapted_tensors"]


@pytest.mark.parametrize("repair", ["magnitude", "linear"])
def test_examples_are_needed(build, batches, repair):
    """Repair without examples, or with padding alone, is refused."""
    masked = [{**batches[0], "attention_mask": torch.zeros_like(batches[0]["attention_mask"])}]
    for examples in ([], masked):
        with pytest.raises(
            EmptyDataError,
            match=f"repair = '{repair}' looks at what the teacher does to calibration examples: give some",
        ):
            repaired(build, tiny_teacher("llama"), repair, examples)


def test_too_few_tokens_for_a_matrix(build, batches):
    """A matrix of width 32 from 24 tokens would be made up."""
    few = [{name: tensor[:2] for name, tensor in batches[0].items()}]
    with pytest.raises(
        ConfigurationError, match="a matrix of width 32 and needs at least as many calibration tokens, got 24"
    ):
        repaired(build, tiny_teacher("llama"), "linear", few)
