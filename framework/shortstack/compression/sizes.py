"""Bytes of a compressed model on the disk and in memory."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.compression.method import Method
from shortstack.files import written_whole
from shortstack.models.decoder import Decoder


def sizes_of(model: PreTrainedModel, method: Method, folder: Path) -> dict[str, int]:
    """Return a compressed model's bytes by kind; for the first its weights are written once, and removed.

    Args:
        model: The model that ``compress`` has changed.
        method: The method.
        folder: An existing folder with room for the weights.

    Returns:
        ``disk_bytes``, the file of weights as it is now: zeros count like all others; ``memory_bytes``, the weights
        in memory; and for sparse methods ``sparse_bytes``, the file in a format that leaves out zeros.

    Raises:
        DiskFullError: There is no room for the file.
    """
    disk, memory = _written(model, method, folder), sum(tensor.nbytes for tensor in _held(model))
    sizes = {"disk_bytes": disk, "memory_bytes": memory}
    return sizes | {"sparse_bytes": disk - saved_by_zeros(model)} if method.sparse else sizes


def saved_by_zeros(model: PreTrainedModel) -> int:
    """Return the bytes by which a file shrinks that stores the matrices of the layers without zeros.

    A matrix of ``n`` weights is stored as a mask of ``n`` bits and the weights that are not 0; for 2:4 that equals the two bits
    of position for each weight that NVIDIA's format has.

    Source: the format ``sparse-bitmask`` of compressed-tensors, without its offsets of rows.
    """
    linears = [m for layer in Decoder.of(model).layers for m in layer.modules() if isinstance(m, nn.Linear)]
    return sum(_saved(linear.weight) for linear in linears)


def _saved(weight: Tensor) -> int:
    zeros, mask = weight.numel() - int(weight.count_nonzero()), -(-weight.numel() // 8)
    return zeros * weight.element_size() - mask


def _written(model: PreTrainedModel, method: Method, folder: Path) -> int:
    """Write the weights, shared ones once, and return the size of the file."""
    tensors = {
        f"{name}.{part}": tensor.contiguous()
        for name, weight in _once(model)
        for part, tensor in (method.stored(weight) if _is_quantised(weight) else {"": weight}).items()
    }
    with TemporaryDirectory(dir=folder, prefix=".compressed-") as unfinished:
        path = Path(unfinished) / "model.safetensors"
        with written_whole(path) as partial:
            save_file(tensors, partial)
        return path.stat().st_size


def _once(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Yield each weight that is stored, and its name; of tied weights one."""
    seen: set[int] = set()
    for name, weight in model.state_dict().items():
        address = next(iter(_parts(weight))).untyped_storage().data_ptr()
        if address not in seen:
            yield name, weight
        seen.add(address)


def _held(model: PreTrainedModel) -> Iterator[Tensor]:
    for _, weight in _once(model):
        yield from _parts(weight)


def _parts(weight: Tensor) -> Iterator[Tensor]:
    """Yield the plain tensors of a weight: itself, or those of torchao's tensor."""
    if _is_quantised(weight):
        from shortstack.compression.int8 import parts

        yield from parts(weight).values()
    else:
        yield weight


def _is_quantised(weight: Tensor) -> bool:
    return type(weight) is not torch.Tensor
