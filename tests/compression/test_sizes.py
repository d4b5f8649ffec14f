"""Bytes of compressed models, against files that are written here."""

import json
import struct

import numpy as np
import pytest
from compression.conftest import linears
from students.tiny_families import tiny_teacher

from shortstack.compression.compressing import compress
from shortstack.compression.names import method_named
from shortstack.compression.sizes import sizes_of
from shortstack.models.stored_sizes import stored_sizes


def sizes(model, name, folder, batches=()):
    """Compress a model and return its sizes."""
    method = method_named(name)
    compress(model, method, batches)
    return sizes_of(model, method, folder)


def test_a_stored_model(llama, tmp_path):
    """The file, and its tensors without the header."""
    llama.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    length = struct.unpack("<Q", file.read_bytes()[:8])[0]
    header = json.loads(file.read_bytes()[8 : 8 + length])
    tensors = sum(end - start for start, end in (t["data_offsets"] for n, t in header.items() if n != "__metadata__"))

    assert stored_sizes(tmp_path) == {"disk_bytes": file.stat().st_size, "memory_bytes": tensors}


def test_zeros_are_stored_like_all_others(llama, tmp_path):
    """A sparse model is as large as it was, in memory and, up to the header, on the disk."""
    llama.save_pretrained(tmp_path / "whole")
    before, after = stored_sizes(tmp_path / "whole"), sizes(llama, "magnitude-50%", tmp_path)

    assert after["memory_bytes"] == before["memory_bytes"]
    assert after["disk_bytes"] == pytest.approx(before["disk_bytes"], abs=4096)


@pytest.mark.parametrize("name", ["magnitude-50%", "wanda-2:4", "magnitude-90%"])
def test_a_file_without_zeros(llama, tmp_path, batches, name):
    """A mask of bits, and the weights that are left."""
    measured = sizes(llama, name, tmp_path, batches)
    dense = sparse = 0
    for layer in range(6):
        for linear in linears(llama, layer).values():
            weight = linear.weight.detach().numpy()
            dense += weight.nbytes
            sparse += np.packbits(weight != 0).nbytes + weight[weight != 0].nbytes

    assert measured["sparse_bytes"] == measured["disk_bytes"] - dense + sparse


def test_eight_bits(llama, tmp_path):
    """A byte for each weight, a scale of four and an offset of one for each output."""
    whole = sum(p.nbytes for p in llama.parameters())
    outputs = sum(linear.out_features for layer in range(6) for linear in linears(llama, layer).values())
    weights = sum(linear.weight.numel() for layer in range(6) for linear in linears(llama, layer).values())

    assert sizes(llama, "int8", tmp_path)["memory_bytes"] == whole - 3 * weights + 5 * outputs


def test_four_bits_are_eight_in_memory(made, tmp_path):
    """On the disk two share a byte; each 32 have a scale of four bytes and an offset of one."""
    model = made(intermediate_size=64)
    weights = sum(linear.weight.numel() for layer in range(6) for linear in linears(model, layer).values())
    whole = sum(p.nbytes for p in model.parameters())
    measured = sizes(model, "int4", tmp_path)
    memory = whole - 3 * weights + 5 * weights // 32

    assert measured["memory_bytes"] == memory
    assert memory - weights / 2 < measured["disk_bytes"] < memory - weights / 2 + 24_000  # the header


def test_nothing_is_left_behind(llama, tmp_path):
    """The file is written for its size alone."""
    sizes(llama, "int8", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_tied_weights_count_once(made, tmp_path):
    """As in the file of the whole model."""
    model = made(tie_word_embeddings=True)
    model.save_pretrained(tmp_path / "whole")

    assert sizes(model, "magnitude-50%", tmp_path)["memory_bytes"] == stored_sizes(tmp_path / "whole")["memory_bytes"]


def test_gpt2(tmp_path, batches):
    """The transposed modules count as what they became."""
    model = tiny_teacher("gpt2")
    whole = sum(parameter.nbytes for parameter in model.parameters())

    assert sizes(model, "wanda-2:4", tmp_path, batches)["memory_bytes"] == whole
