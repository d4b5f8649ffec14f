"""Model folders: odd configs, tokenizers and headers of weights; and the texts that a model is scored on."""

import json
import struct
from pathlib import Path

from campaign.bases import TEXTS, score
from campaign.case import Case
from campaign.recipes import ODD_TEXTS, damaged, trees, values, written
from hypothesis import strategies as st

INDEX = "model.safetensors.index.json"
COMMANDS = (score(), ("plan", "model", "--budget", "layers=2"), ("plan", "model/config.json", "--json"))
WRITES = ("scores.json", ".scores.json.partial", ".scores.json.lock")


def cases(bases: Path) -> st.SearchStrategy[Case]:
    """Draw a model's folder or texts of which one file is odd, and a command that reads them."""
    return st.builds(
        lambda files, command: Case(base="model", files=files, command=command, writes=WRITES),
        st.one_of(_model_file(bases / "model" / "model"), _index(), _texts()),
        st.sampled_from(COMMANDS),
    )


@st.composite
def _model_file(draw: st.DrawFn, folder: Path) -> dict[str, bytes | str | None]:
    path = draw(st.sampled_from(sorted(folder.iterdir())))
    content = path.read_bytes()
    odd = trees(json.loads(content)).map(written) if path.suffix == ".json" else _weights(content)
    return {
        f"model/{path.name}": draw(
            st.one_of(odd, odd, damaged(content), st.none(), st.sampled_from(("/dev/null", "nowhere")))
        )
    }


@st.composite
def _weights(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw weights with an odd header: names, shapes, types and places of tensors; or an odd length of it."""
    (length,) = struct.unpack("<Q", content[:8])
    header = written(draw(trees(json.loads(content[8 : 8 + length]))))
    announced = draw(st.just(len(header)) | st.sampled_from((0, 1, 2**31, 2**63, 2**64 - 1)))
    return struct.pack("<Q", announced) + header + content[8 + length :]


def _index() -> st.SearchStrategy[dict[str, bytes | str | None]]:
    """Draw an index beside the weights, as models in several files have."""
    usual = {"metadata": {"total_size": 1}, "weight_map": {"model.norm.weight": "model.safetensors"}}
    return (trees(usual) | values()).map(lambda tree: {f"model/{INDEX}": written(tree)})


def _texts() -> st.SearchStrategy[dict[str, bytes | str | None]]:
    whole = b"".join(written(text) + b"\n" for text in TEXTS)
    line = trees(TEXTS[-1]) | values() | st.sampled_from(ODD_TEXTS).map(lambda text: {"text": text})
    return (damaged(whole) | line.map(lambda tree: whole + written(tree))).map(lambda content: {"texts.jsonl": content})
