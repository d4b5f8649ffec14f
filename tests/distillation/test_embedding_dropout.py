"""Embedding dropout acts on the student's input embeddings, in training, and nowhere else."""

import torch

from shortstack.distillation.fitting import fit
from shortstack.distillation.training_module import TrainingModule


def seen(student, share, *, training):
    """Return the input of the student's first layer under a dropout rate."""
    entered, tokens = [], torch.ones(1, 200, dtype=torch.long)
    hook = student.model.layers[0].register_forward_pre_hook(lambda _module, args: entered.append(args[0]))
    module = TrainingModule(student, (), (), None, share).train(training)
    module._read(tokens, tokens, tokens.bool(), module._dropping())
    hook.remove()
    return entered[0]


def test_zeroes_the_share_in_training_alone(tiny):
    """About three in ten entries are 0 in training, none in evaluation, and the others are scaled up."""
    student = tiny(1, hidden=64)
    plain, dropped = seen(student, 0.3, training=False), seen(student, 0.3, training=True)
    zero = dropped == 0

    assert (plain != 0).all()
    assert 0.27 < zero.float().mean() < 0.33  # 12,800 entries: seven standard deviations
    torch.testing.assert_close(dropped[~zero], plain[~zero] / 0.7)


def test_leaves_no_trace(stage, tmp_path):
    """After training, the student has no hook and gives the same answer in both modes."""
    trainer = stage.trainer(folder=tmp_path / "dropped", embedding_dropout=0.5)
    fit(trainer)
    student, tokens = trainer.student, torch.tensor([[1, 2, 3]])

    assert not student.get_input_embeddings()._forward_hooks
    torch.testing.assert_close(student.train()(tokens).logits, student.eval()(tokens).logits, rtol=0, atol=0)


def test_changes_what_is_learnt(stage, tmp_path):
    """The same seed with and without it ends in other weights."""
    plain = stage.trainer(folder=tmp_path / "plain")
    dropped = stage.trainer(folder=tmp_path / "dropped", embedding_dropout=0.5)
    fit(plain)
    fit(dropped)

    assert not torch.equal(plain.student.lm_head.weight, dropped.student.lm_head.weight)
