"""Exports of stock families, read where neither torch nor shortstack can be had."""

import json
import os
import subprocess
import sys
import venv

import attrs
import pytest
from documents import ROOT
from exporting.conftest import FILMS, answers, histories, made, of_family, read

from shortstack import export_recommender

FAMILIES = ("llama", "gpt2", "qwen3", "gemma3_text", "mistral", "phi3")
"""Those that docs/export.md names."""
BLOCKED = ("torch", "transformers", "shortstack", "onnx", "onnxscript")
BLOCKER = "import sys; sys.modules.update(dict.fromkeys({blocked!r})); sys.path.insert(0, {folder!r});"
READING = "import json, recommend; print(json.dumps(recommend.Reader().recommend(json.load(sys.stdin))))"


def read_apart(folder, asked, python=sys.executable, blocked=BLOCKED):
    """What the reader of a folder says in a process that can import none of the packages that made it."""
    code = BLOCKER.format(blocked=blocked, folder=str(folder)) + READING
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code], input=json.dumps(asked), capture_output=True, text=True, check=False, env=environment
    )

    assert 0 == done.returncode, done.stderr
    return read(json.loads(done.stdout))


@pytest.mark.full
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx(tmp_path, family):
    """The same lists and scores for histories of any number and length."""
    recommender, asked = of_family(family), histories()
    proof = export_recommender(recommender, tmp_path / "out", k=FILMS)

    assert answers(recommender, asked, FILMS) == read_apart(tmp_path / "out", asked)
    assert answers(recommender, asked[:1], FILMS) == read_apart(tmp_path / "out", asked[:1])
    assert 1.0 == proof.same_items


@pytest.mark.full
def test_int8(tmp_path):
    """Weights of 8 bits, each file smaller by them, and nearly the same items."""
    from onnx import TensorProto, load

    recommender = of_family("llama")
    proof = export_recommender(recommender, tmp_path / "out", format="int8")
    graph = load(tmp_path / "out" / "model.onnx").graph
    rounded = {one.name for one in graph.initializer if one.data_type == TensorProto.INT8}
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]

    assert 0.9 <= proof.same_items
    assert 1 + 2 * 7 == len(products)  # the head, and seven matrices of each of two layers
    assert all(node.input[1] in rounded for node in products)
    assert {"catalogue.json", "export.json", "model.onnx", "recommend.py"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert read_apart(tmp_path / "out", [["m1"]])[0]


@pytest.mark.full
@pytest.mark.parametrize("window", [1, 2])
def test_short_windows(tmp_path, window):
    """Of which torch would take the length for a constant."""
    recommender = attrs.evolve(made(), window=window)
    export_recommender(recommender, tmp_path / "out", format="torch-export")
    export_recommender(recommender, tmp_path / "onnx")
    asked = histories(5)

    assert answers(recommender, asked, 10) == read_apart(tmp_path / "onnx", asked)


@pytest.mark.full
def test_in_an_environment_of_its_own(tmp_path):
    """With onnxruntime and numpy from the index, and nothing else of ours."""
    recommender, asked = made(), histories()
    export_recommender(recommender, tmp_path / "out")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*install, "onnxruntime", "numpy"], check=True, env=environment)
    absent = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False, env=environment)

    assert 0 != absent.returncode
    assert answers(recommender, asked, 10) == read_apart(tmp_path / "out", asked, python, blocked=())


def test_the_reader_is_short():
    """At most forty lines, and two packages."""
    text = (ROOT / "framework/shortstack/exporting/reader.py").read_text(encoding="utf-8")
    imported = {line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))}

    assert len(text.splitlines()) <= 40
    assert {"numpy", "onnxruntime"} == imported - sys.stdlib_module_names
