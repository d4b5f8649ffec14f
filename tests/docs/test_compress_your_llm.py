"""The guide works as printed, on a model of four layers: its files are written and its commands run in order."""

import json
import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from documents import blocks
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

DOCUMENT = "docs/compress-your-llm.md"


def model(folder):
    """Write a model with four layers of width 16, which reads bytes."""
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        ["Item 3"], trainers.BpeTrainer(vocab_size=256, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    )
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=256, tie_word_embeddings=True, **shape)).save_pretrained(folder)


def choices(path):
    """Write histories of fifty users who walk round a ring of items at most once, so that none returns to one."""
    generator = random.Random(0)
    lines = ["user,item,rating,time,title"]
    for user in range(50):
        item = generator.randrange(40)
        for step in range(10):
            lines.append(f"u{user},i{item},{generator.randint(1, 5)},{1_700_000_000 + 100 * step},Item {item}")
            item = (item + generator.choice([1, 1, 1, 4])) % 40
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def script():
    """Return all blocks in order, without the installation, with fewer steps and a free port."""
    parts = ["set -e"]
    for block in blocks(DOCUMENT):
        if block.language == "bash" and block.info != "install":
            parts.append(block.code)
        elif block.language != "bash":
            code = re.sub(r"^steps = \d+", "steps = 6", block.code, flags=re.MULTILINE)
            code = re.sub(r"^warmup_steps = \d+", "warmup_steps = 1", code, flags=re.MULTILINE)
            parts.append(f"cat > {shlex.quote(block.info)} <<'END_OF_BLOCK'\n{code}END_OF_BLOCK")
    return "\n".join(parts)


@pytest.mark.full
def test_as_a_reader_types_it(tmp_path):
    """The tutorial works as typed: from a model's folder and a file to answers over HTTP."""
    model(tmp_path / "model")
    choices(tmp_path / "choices.csv")
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", script()], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    *before, last = done.stdout.strip().splitlines()
    answer = json.loads(last)
    assert re.fullmatch(r"\['Item \d+'(, 'Item \d+'){4}\]", before[-1])  # what stock.py says
    assert len(answer) == 10
    assert not {"Item 3", "Item 4"} & {*answer}
    for run in ("run", "adapted", "slowly", "rated"):
        assert (tmp_path / run / "report.html").is_file()
    assert "audit" in (tmp_path / "run" / "result.json").read_text("utf-8")
    assert "evaluation" in done.stdout
