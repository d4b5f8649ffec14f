"""``docs/families.md``: what ``layer-subset`` makes of every causal language model of transformers, by trying it."""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import torch
import transformers
from students.tiny_families import LAYERS, NoTinyModelError, model_types, tiny_teacher
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import ProofError, UnsupportedModelError
from shortstack.models.decoder import Decoder
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.parameters import count_parameters
from shortstack.models.partial_passes import skipping
from shortstack.students.build import build_student
from shortstack_students.layer_subset import LayerSubset

KEPT, WITHOUT_FIRST = (0, 2, 3, 5), (1, 2, 4)
PROMPT = torch.arange(3, 15)[None]
_HEAD = """# Families

What `layer-subset` makes of every model type that `AutoModelForCausalLM` of transformers {version} knows, found by trying it on a tiny
model of six layers with random weights, whose kinds of layers are mixed where the family has several: {works} of {types} work. The rest is refused in the
words of the error that a user sees, or was not tried.

**works** means: the student that keeps all layers gives the teacher's logits bit for bit; the one with layers 0, 2, 3 and 5 is the teacher with the
others skipped; the one with layers 1, 2 and 4 generates the same with a cache and without; parameters are counted right from the config alone;
every tensor is the teacher's by the index map, ties are kept and no memory is shared; and stock transformers, in a process without shortstack, load it
with every tensor bit for bit and give the same logits within rounding (in which order a processor sums hangs on its threads). The last column names the
config's fields that speak of layers and were renewed with them.

`python docs/generate.py --families` tries it all again and writes this page (some minutes); `make test-full` fails if it would differ.

"""


@attrs.frozen(kw_only=True)
class Outcome:
    """Outcome of one model type.

    Attributes:
        model_type: As in a config.
        model: The class that ``AutoModelForCausalLM`` makes.
        result: ``"works"``, ``"refused"``, ``"not tried"``, or ``"wrong"``, which must not be.
        why: The error's message, why it was not tried, or what is wrong.
        fields: The config's fields that were renewed.
    """

    model_type: str
    model: str = ""
    result: str
    why: str = ""
    fields: tuple[str, ...] = ()


def outcomes(types: Iterable[str]) -> list[Outcome]:
    """Try each type."""
    with tempfile.TemporaryDirectory() as folder, _quiet(), silenced_transformers():
        results = [_outcome(name, Path(folder)) for name in types]
        working = [outcome for outcome in results if outcome.result == "works"]
        strange = _loaded_by_a_stranger([Path(folder) / outcome.model_type for outcome in working])
    return [
        attrs.evolve(outcome, result="wrong", why="stock transformers load something else")
        if outcome in working and not strange[outcome.model_type]
        else outcome
        for outcome in results
    ]


def _outcome(model_type: str, folder: Path) -> Outcome:
    try:
        teacher = tiny_teacher(model_type)
    except NoTinyModelError as error:
        return Outcome(model_type=model_type, result="not tried", why=str(error))
    name = type(teacher).__name__
    try:
        student = build_student(teacher, KEPT, LayerSubset())
        problems = list(_problems(teacher, student))
    except (UnsupportedModelError, ProofError) as error:
        return Outcome(model_type=model_type, model=name, result="refused", why=str(error))
    except Exception as error:  # noqa: BLE001 -- any error is a defect to show
        return Outcome(model_type=model_type, model=name, result="wrong", why=f"{type(error).__name__}: {error}")
    if problems:
        return Outcome(model_type=model_type, model=name, result="wrong", why="; ".join(problems))
    student.save_pretrained(folder / model_type)
    torch.save({"tensors": student.state_dict(), "logits": _logits(student)}, folder / model_type / "expected.pt")
    return Outcome(model_type=model_type, model=name, result="works", fields=_renewed(teacher, student))


def _problems(teacher: PreTrainedModel, student: PreTrainedModel) -> Iterator[str]:
    """Yield what is wrong with a student; the builder has checked tensors, ties, memory, reload and cache already."""
    if not torch.equal(_logits(teacher), _logits(build_student(teacher, range(LAYERS), LayerSubset()))):
        yield "keeping all layers is not the teacher"
    expected = _logits(skipping(Decoder.of(teacher), set(range(LAYERS)) - {*KEPT}).model)
    rounding = 1e-5 if student.config.shortstack["adapted_tensors"] else 0.0
    if not torch.allclose(expected, _logits(student), rtol=rounding, atol=rounding):
        yield "keeping some layers is not the teacher without the others"
    count = count_parameters(student.config)
    if count != count_parameters(student) or count.total != _distinct(student):
        yield "parameters are counted wrong"
    without_first = build_student(teacher, WITHOUT_FIRST, LayerSubset())
    if not torch.equal(_generated(without_first, use_cache=True), _generated(without_first, use_cache=False)):
        yield "generation with a cache is another"


def _distinct(model: PreTrainedModel) -> int:
    """Count the numbers in the model's parameters, shared storage once."""
    return sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())


def _logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(input_ids=PROMPT, attention_mask=torch.ones_like(PROMPT), use_cache=False).logits
    return logits


def _generated(model: PreTrainedModel, *, use_cache: bool) -> Tensor:
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "use_cache": use_cache}
    tokens: Tensor = model.generate(PROMPT, attention_mask=torch.ones_like(PROMPT), **settings)
    return tokens


def _renewed(teacher: PreTrainedModel, student: PreTrainedModel) -> tuple[str, ...]:
    before, after = (model.config.get_text_config().to_dict() for model in (teacher, student))
    excluded = {
        "architectures",
        "shortstack",
        "dtype",
        "_name_or_path",
        *(name for name, value in after.items() if value == len(KEPT)),
    }
    return tuple(sorted(name for name in before.keys() & after.keys() - excluded if before[name] != after[name]))


ALONE = """
import importlib.util, json, sys, pathlib
sys.path = [path for path in sys.path if "framework" not in path and "plugins" not in path]
assert importlib.util.find_spec("shortstack") is None
import torch
from transformers import AutoModelForCausalLM
torch.set_num_threads(1)
prompt = torch.arange(3, 15)[None]
for folder in map(pathlib.Path, sys.argv[1:]):
    expected = torch.load(folder / "expected.pt", weights_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(input_ids=prompt, attention_mask=torch.ones_like(prompt), use_cache=False).logits
    found, tensors = model.state_dict(), expected["tensors"]
    same = found.keys() == tensors.keys() and all(torch.equal(found[name], tensors[name]) for name in tensors)
    near = torch.allclose(logits, expected["logits"], rtol=1e-5, atol=1e-5)
    print(json.dumps([folder.name, same and near]))
assert "shortstack" not in sys.modules
"""


def _loaded_by_a_stranger(folders: Sequence[Path]) -> dict[str, bool]:
    """Return by model type whether a process with stock transformers alone gets the same tensors and logits."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ALONE, *map(str, folders)]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(line) for line in output.splitlines() if line.startswith("["))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers, which warns of missing kernels and odd tiny sizes."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.logging.set_verbosity(level)


def families_page() -> str:
    """Return the page, from trying every type."""
    results = outcomes(model_types())
    works = sum(outcome.result == "works" for outcome in results)
    rows = [f"| `{o.model_type}` | {o.result} | {_cell(o)} |" for o in results]
    head = _HEAD.format(version=transformers.__version__, works=works, types=len(results))
    return head + "\n".join(["| type | result | fields renewed, or why not |", "|---|---|---|", *rows, ""])


def _cell(outcome: Outcome) -> str:
    """Return a cell's text without bars, which would end it."""
    text = ", ".join(f"`{name}`" for name in outcome.fields) if outcome.result == "works" else outcome.why
    return text.replace("|", "\\|")
