"""Precision of training: float32, whatever the stored dtype, unless set otherwise."""

import pytest
import torch

from shortstack.config.training import FitSettings


def moved(stage, student, **changed):
    """Return the share of a student's weights that twenty small steps change."""
    before = torch.cat([p.detach().flatten().double() for p in student.parameters()])
    settings = FitSettings(steps=20, batch_size=8, warmup_steps=0, evaluate_every=20, learning_rate=1e-5)
    stage.trainer(student=student, settings=settings, **changed).train()
    after = torch.cat([p.detach().flatten().double() for p in student.parameters()])
    return float((before != after).double().mean())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_learn_in_float32(stage, caplog, dtype):
    """Weights are float32 from the start, whatever the teacher's dtype: steps of 1e-5 are lost in 16 bits."""
    student, teacher = stage.tiny(2, seed=1).to(dtype), stage.tiny(4).to(dtype)

    assert moved(stage, student, teacher=teacher) > 0.95  # item 0 has no label, so no gradient
    assert {p.dtype for p in student.parameters()} == {torch.float32}
    assert {p.dtype for p in teacher.parameters()} == {dtype}
    assert f"the weights of LlamaForCausalLM were {str(dtype)[6:]} and are float32 now" in caplog.text


def test_weights_may_stay_in_half(stage):
    """Weights stay in half precision if set so; most then do not change."""
    student = stage.tiny(2, seed=1).bfloat16()

    assert moved(stage, student, half_weights=True) < 0.5
    assert {p.dtype for p in student.parameters()} == {torch.bfloat16}


def test_wider_weights_stay(stage, caplog):
    """float64 weights and frozen ones keep their dtype."""
    student = stage.tiny(2, seed=1).double()
    stage.trainer(student=student)
    frozen = stage.tiny(2, seed=1).bfloat16()
    for parameter in frozen.parameters():
        parameter.requires_grad = False
    frozen.model.norm.weight.data = frozen.model.norm.weight.data.float()
    frozen.model.norm.weight.requires_grad = True
    stage.trainer(student=frozen)

    assert {p.dtype for p in student.parameters()} == {torch.float64}
    assert {p.dtype for p in frozen.parameters()} == {torch.float32, torch.bfloat16}
    assert "are float32 now" not in caplog.text
