"""Liger's kernels on the CPU, by triton's interpreter, which runs them with numpy: ``TRITON_INTERPRET=1 pytest FILE``.

Three things the interpreter lacks are put in here, from outside, and the kernels are Liger's own: the compiler makes
scalars of float arguments; libdevice, a library of CUDA, has ``rsqrt`` and ``tanh``; and bfloat16, which the interpreter
holds as integers and computes with as such, is computed in float32 and rounded to the nearest.
"""

import os
from importlib.util import find_spec

import numpy as np
import pytest
import torch

MISSING = [name for name in ("liger_kernel", "triton") if find_spec(name) is None]


@pytest.fixture(scope="module")
def interpreter():
    """Skips unless the interpreter runs Liger's kernels: triton reads the variable when it is imported, which torch may do."""
    if MISSING:
        pytest.skip(f"{' and '.join(MISSING)} not installed: pip install 'shortstack[liger]'")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("triton's interpreter is off: start pytest with TRITON_INTERPRET=1")
    with pytest.MonkeyPatch.context() as patch:
        _complete(patch)
        yield


def _complete(patch):
    import triton.language as tl
    from liger_kernel.ops import geglu, layer_norm, rms_norm
    from triton.runtime import interpreter

    converted = interpreter._implicit_cvt

    def converting(argument):
        if not isinstance(argument, float):
            return converted(argument)
        return tl.tensor(interpreter.TensorHandle(np.array([argument], dtype=np.float32), tl.float32), tl.float32)

    def rsqrt(value):
        return tl.rsqrt(value)  # another function while a kernel is interpreted

    patch.setattr(interpreter, "_implicit_cvt", converting)
    patch.setattr(rms_norm, "rsqrt", rsqrt)
    patch.setattr(layer_norm, "rsqrt", rsqrt)
    patch.setattr(geglu, "tanh", lambda value: 2 * tl.sigmoid(2 * value) - 1)
    _complete_bfloat16(patch)


def _complete_bfloat16(patch):
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    computed, cast = InterpreterBuilder.binary_op, InterpreterBuilder.cast_impl

    def binary_op(self, lhs, rhs, op):
        if lhs.dtype.scalar != tl.bfloat16:
            return computed(self, lhs, rhs, op)
        return TensorHandle(_narrowed(op(_widened(lhs.data), _widened(rhs.data))), tl.bfloat16)

    def cast_impl(self, src, dst_type):
        types = src.dtype.scalar, dst_type.scalar
        if types == (tl.bfloat16, tl.float32):
            return TensorHandle(_widened(src.data), tl.float32)
        if types == (tl.float32, tl.bfloat16):
            return TensorHandle(_narrowed(src.data), tl.bfloat16)
        return cast(self, src, dst_type)

    patch.setattr(InterpreterBuilder, "binary_op", binary_op)
    patch.setattr(InterpreterBuilder, "cast_impl", cast_impl)


def _widened(bits):
    """Return the numbers of bfloat16's bits."""
    return torch.from_numpy(bits.astype(np.int16)).view(torch.bfloat16).float().numpy()


def _narrowed(numbers):
    """Return the bits of the nearest bfloat16."""
    return torch.from_numpy(numbers.astype(np.float32)).bfloat16().view(torch.int16).numpy().astype(np.uint16)
