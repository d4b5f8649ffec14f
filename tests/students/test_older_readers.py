"""Rotary fields of a student's config that transformers 4 reads, beside those of transformers 5."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch
from pipeline.little_language_model import llama, tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from shortstack.data.catalogue import Catalogue, Item
from shortstack.models.older_readers import FORMER
from shortstack.recommender import Recommender

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


@pytest.fixture(scope="module")
def worded(tmp_path_factory):
    """The folder of a recommender with a tokenizer that knows a special token of its own."""
    words = tokenizer()
    words.add_special_tokens({"extra_special_tokens": ["<|own|>"]})
    model = llama(rope_parameters={"rope_theta": 500_000.0, "rope_type": "default"}).eval()
    folder = tmp_path_factory.mktemp("worded") / "student"
    items = [Item(id=f"{n}", title=f"Item {n}", token=n + 2) for n in range(20)]
    Recommender(model=model, catalogue=Catalogue(items=items), window=4, tokenizer=words).save_pretrained(folder)
    return folder


def test_a_tokenizer_keeps_its_words(worded):
    """Its class and special tokens have their former names, by which transformers 5 reads the same."""
    written = json.loads((worded / "tokenizer_config.json").read_text("utf-8"))
    again = AutoTokenizer.from_pretrained(worded)

    assert "PreTrainedTokenizerFast" == written["tokenizer_class"]
    assert (["<|own|>"], False) == (written["additional_special_tokens"], "extra_special_tokens" in written)
    assert ["<|own|>"] == again.extra_special_tokens
    assert tokenizer()("Item 3 7").input_ids == again("Item 3 7").input_ids
    assert [again.convert_tokens_to_ids("<|own|>")] == again("<|own|>").input_ids


READ = """
import sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
assert transformers.__version__.startswith("4.57."), transformers.__version__
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), (folder, report)
    with torch.no_grad():
        torch.save(model.eval()(input_ids=torch.arange(3, 33)[None], use_cache=False).logits, folder + "/logits.pt")
print(AutoTokenizer.from_pretrained(sys.argv[1])("Item 3 7 <|own|>").input_ids)
"""
READ_BY_BOTH = ("gpt2", "gpt_neox", "llama", "mistral", "phi3", "qwen2", "qwen3", "smollm3", "stablelm")
"""Families; the test gives each rotary positions that are not its defaults."""


@pytest.mark.full
def test_version_4_reads_the_same(teacher_of, build, tmp_path, worded):
    """Version 4.57 in an environment of its own, beside the same torch."""
    folders = [worded]
    for family in READ_BY_BOTH:
        rope = {} if family == "gpt2" else {"rope_parameters": {"rope_theta": 31_000.0, "rope_type": "default"}}
        build(teacher_of(family, **rope), [0, 2, 5]).save_pretrained(tmp_path / family)
        folders.append(tmp_path / family)
    venv.create(tmp_path / "env")
    packages = next((tmp_path / "env").glob("lib/python3*/site-packages"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    subprocess.run([*install, "transformers==4.57.*", "huggingface_hub<1", "tokenizers<0.23"], check=True)
    (packages / "torch.pth").write_text(f"{Path(torch.__file__).parents[1]}\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [tmp_path / "env" / "bin" / "python", "-c", READ, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert 0 == done.returncode, done.stderr
    assert str(AutoTokenizer.from_pretrained(worded)("Item 3 7 <|own|>").input_ids) == done.stdout.strip()
    for folder in folders:
        model = AutoModelForCausalLM.from_pretrained(folder).eval()
        with torch.no_grad():
            expected = model(input_ids=torch.arange(3, 33)[None], use_cache=False).logits
        torch.testing.assert_close(torch.load(folder / "logits.pt"), expected, rtol=1e-4, atol=1e-5, msg=folder.name)
