"""Rotary fields of a student's config that transformers 4 reads, beside those of transformers 5."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from shortstack.models.older_readers import FORMER

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
SAID = {
    "llama": ({"rope_theta": 500_000.0, "rope_type": "default"}, {"rope_theta": 500_000.0}),
    "qwen2": ({"rope_theta": 1_000_000.0, "rope_type": "default"}, {"rope_theta": 1_000_000.0}),
    "smollm3": ({"rope_theta": 500_000.0, **LLAMA3}, {"rope_theta": 500_000.0, "rope_scaling": LLAMA3}),
    "stablelm": (
        {"rope_theta": 20_000.0, "rope_type": "default", "partial_rotary_factor": 0.5},
        {"rope_theta": 20_000.0, "partial_rotary_factor": 0.5},
    ),
    "gpt_neox": (
        {"rope_theta": 20_000.0, "rope_type": "default", "partial_rotary_factor": 0.5},
        {"rope_theta": 20_000.0, "partial_rotary_factor": 0.5, "rotary_emb_base": 20_000.0, "rotary_pct": 0.5},
    ),
    "gemma3_text": (
        {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": {"rope_type": "default", "rope_theta": 1_000_000.0},
        },
        {},
    ),
}


@pytest.mark.parametrize("family", SAID)
def test_both_names_are_written(teacher_of, build, tmp_path, family):
    """Both names are written; not where each kind of layer has its own positions, for which version 4 has no name."""
    rope, former = SAID[family]
    student = build(teacher_of(family, rope_parameters=rope), [0, 2, 5])
    student.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text("utf-8"))
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    prompt = torch.arange(3, 40)[None]

    assert {name: value for name, value in written.items() if name in FORMER} == former
    assert written["rope_parameters"] == AutoConfig.from_pretrained(tmp_path).rope_parameters
    assert torch.equal(student(input_ids=prompt).logits, again(input_ids=prompt).logits)


def test_no_positions_to_rotate(teacher_of, build):
    """GPT-2, with learned positions, gets no rotary fields."""
    assert not FORMER & build(teacher_of("gpt2"), [0, 2]).config.to_dict().keys()


def test_a_student_of_a_student(teacher_of, build, tmp_path):
    """A reload keeps the new name alone; the next student, and what is stored as a recommender, have both again."""
    teacher = teacher_of("llama", rope_parameters={"rope_theta": 500_000.0, "rope_type": "default"})
    build(teacher, [0, 2, 3, 5]).save_pretrained(tmp_path)
    again = build(AutoModelForCausalLM.from_pretrained(tmp_path).eval(), [0, 2])

    assert again.config.to_dict()["rope_theta"] == 500_000.0
