"""Generation configs with fields in vain, as many publishers have them, do not end a build, a save or a training."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from shortstack.models.generation import settle_generation

VAIN = {
    "temperature": ({"temperature": 0.6, "top_p": 0.9}, {"temperature", "top_p"}),
    "beams": ({"length_penalty": 2.0, "early_stopping": True}, {"length_penalty", "early_stopping"}),
    "outputs": ({"output_scores": True}, {"output_scores"}),
    "padding": ({"pad_token_id": -1}, {"pad_token_id"}),
    "sequences": ({"num_return_sequences": 3}, {"num_return_sequences"}),
}


@pytest.mark.parametrize("kind", VAIN)
def test_a_student_can_be_saved(teacher, build, tmp_path, caplog, kind):
    """Generation settings without effect are unset and named; others stay; the teacher's config is unchanged."""
    fields, vain = VAIN[kind]
    teacher.generation_config = GenerationConfig(max_new_tokens=7, eos_token_id=[2, 3])
    for name, value in fields.items():
        setattr(teacher.generation_config, name, value)
    student = build(teacher, [0, 3])
    student.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).generation_config

    assert all(getattr(again, name) is None for name in vain)
    assert (again.max_new_tokens, again.eos_token_id) == (7, [2, 3])
    assert {name: getattr(teacher.generation_config, name) for name in fields} == fields
    assert (
        f"the generation config of LlamaForCausalLM sets {', '.join(sorted(vain))}, which has no effect" in caplog.text
    )


def test_generation_is_as_before(teacher):
    """Generation stays greedy."""
    teacher.generation_config.temperature = 0.6
    prompt = torch.tensor([[3, 4, 5]])
    before = teacher.generate(prompt, max_new_tokens=5)
    settle_generation(teacher)

    assert torch.equal(before, teacher.generate(prompt, max_new_tokens=5))


def test_what_is_sound_stays(teacher, caplog):
    """Sampling that is meant keeps its temperature."""
    fields = {"do_sample": True, "temperature": 0.6, "top_k": 20}
    teacher.generation_config = GenerationConfig(**fields)
    settle_generation(teacher)

    assert {name: getattr(teacher.generation_config, name) for name in fields} == fields
    assert not caplog.text
