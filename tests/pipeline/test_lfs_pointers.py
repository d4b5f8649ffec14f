"""A clone without git-lfs holds pointers in place of large files: the error says so, and what to do."""

import pytest
from pipeline.little_language_model import llama, tokenizer

from shortstack.errors import DataError
from shortstack.files import refuse_lfs_pointer
from shortstack.models.language_models import language_model

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 269060552\n"
)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_in_a_models_folder(tmp_path, name):
    """Pointers in place of weights and other large files are reported."""
    llama().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    (tmp_path / name).write_text(POINTER, "utf-8")
    with pytest.raises(
        DataError,
        match=rf"{name} is a pointer of git-lfs, not the file itself, which has 269060552 bytes; run 'git lfs pull' in its",
    ):
        language_model(str(tmp_path))


def test_a_gguf(tmp_path):
    """A pointer in place of a GGUF file is reported."""
    (tmp_path / "m.gguf").write_text(POINTER, "utf-8")
    with pytest.raises(DataError, match=r"m\.gguf is a pointer of git-lfs"):
        language_model(str(tmp_path / "m.gguf"))


@pytest.mark.parametrize("content", ["", "version 2\n", "x" * 2000 + POINTER, POINTER + "x" * 2000])
def test_what_is_none(tmp_path, content):
    """Small files, files that mention a pointer, and a folder are no pointers."""
    (tmp_path / "file").write_text(content, "utf-8")
    refuse_lfs_pointer(tmp_path / "file")
    refuse_lfs_pointer(tmp_path)
