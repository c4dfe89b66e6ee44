"""Matrix products of a forward pass, seen while llama.cpp computes them: for importance matrices and super weights."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.llama import library
from models.llama.library import llama_cpp

_OBJECT_SIZE = 32  # of struct ggml_object, which ggml_tensor_overhead() counts with the tensor
_CONTEXT_SIZE = 1 << 14  # of the three tensors of _checked_library


class _Tensor(ctypes.Structure):
    """``struct ggml_tensor`` of ggml.h."""


_Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(_Tensor) * 10),
    ("view_src", ctypes.POINTER(_Tensor)),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
    ("extra", ctypes.c_void_p),
    ("padding", ctypes.c_char * 8),
]
_OPS = (b"MUL_MAT", b"MUL_MAT_ID")


class Product:
    """A product of a weight with activations, valid while it is looked at.

    Shapes are in numpy's order. Of a dense weight, activations are (…, tokens, columns) and results (…, tokens, rows);
    of experts (1, tokens, slots, columns), where one slot may serve all, and (1, tokens, slots, rows).

    Attributes:
        weight: its name in the model file.
        weight_shape: (…, matrices, rows, columns), always four numbers.
        has_experts: of the matrices, each token is multiplied with a few.
    """

    def __init__(self, ggml: ctypes.CDLL, tensor: _Tensor, has_experts: bool):
        self._ggml, self._tensor, self.has_experts = ggml, tensor, has_experts
        weight = tensor.src[0].contents
        name = weight.name.decode("utf-8", "replace")
        # A copy that the scheduler made for another device is called CUDA0#blk.0.attn_k.weight#0.
        self.weight = name.split("#")[1] if "#" in name else name
        self.weight_shape: tuple[int, ...] = tuple(weight.ne)[::-1]

    @property
    def rows(self) -> int:
        """How many tokens are multiplied at once; of experts, how many slots each has."""
        return int(self._tensor.src[1].contents.ne[1])

    @property
    def is_readable(self) -> bool:
        """Are the activations numbers of 32 bits? Others are not handed out."""
        source = self._tensor.src[1].contents
        return bool(source.type == llama_cpp.GGML_TYPE_F32 and source.nb[0] == 4)

    def activations(self) -> NDArray[np.float32]:
        """What the weight is multiplied with."""
        return self._read(self._tensor.src[1].contents, np.float32)

    def results(self) -> NDArray[np.float32]:
        """What came out."""
        return self._read(self._tensor, np.float32)

    def experts(self) -> NDArray[np.int32] | None:
        """(tokens, slots): which expert each slot of a token is; None for a dense weight."""
        return self._read(self._tensor.src[2].contents, np.int32)[0, 0] if self.has_experts else None

    def replace(self, results: NDArray[np.float32]) -> None:
        """Let the rest of the pass be computed with other results, of the same shape."""
        if results.shape != tuple(self._tensor.ne)[::-1] or results.nbytes != self._size(self._tensor):
            raise ValueError(f"results of the shape {results.shape} do not fit {self.weight}")
        raw = np.ascontiguousarray(results, np.float32)
        self._ggml.ggml_backend_tensor_set(ctypes.byref(self._tensor), raw.ctypes.data, 0, raw.nbytes)

    def _read(self, tensor: _Tensor, dtype: type) -> NDArray:  # type: ignore[type-arg]
        raw = np.empty(self._size(tensor), np.uint8)  # it may lie on a GPU, and be a view with gaps
        self._ggml.ggml_backend_tensor_get(ctypes.byref(tensor), raw.ctypes.data, 0, raw.nbytes)
        shape, strides = tuple(tensor.ne)[::-1], tuple(tensor.nb)[::-1]
        return np.lib.stride_tricks.as_strided(raw[:4].view(dtype), shape, strides, writeable=False)

    @staticmethod
    def _size(tensor: _Tensor) -> int:
        """Bytes from the first number to the last, of numbers of 4 bytes."""
        return int(4 + sum((count - 1) * stride for count, stride in zip(tensor.ne, tensor.nb, strict=True)))


class Observer:
    """Give it to a context, which it must not be shared with another.

    Evaluation is slower with it: llama.cpp asks Python about every node of the graph, and computes up to each product
    that is wanted before it goes on.

    Args:
        wants: shall :meth:`see` be called with this product? Its numbers are not there yet.
        see: looks at a product that was computed. What either raises ends the evaluation, and is raised by
            ``Context.decode``.

    Raises:
        ModelError: this build of llama.cpp lays tensors out differently.
    """

    def __init__(self, wants: Callable[[Product], bool], see: Callable[[Product], None]):
        ggml = _checked_library()
        failure: BaseException | None = None
        names: dict[int, bytes] = {}

        @llama_cpp.ggml_backend_sched_eval_callback  # type: ignore[untyped-decorator]
        def callback(address: int, ask: bool, _user_data: object) -> bool:
            nonlocal failure
            if failure is not None:  # yes to the question, and no to going on: one node of each split is still computed
                return ask
            try:
                tensor = _Tensor.from_address(address)
                op = names.get(tensor.op)
                if op is None:
                    op = names[tensor.op] = ggml.ggml_op_name(tensor.op)
                if op not in _OPS:
                    return False
                product = Product(ggml, tensor, op == b"MUL_MAT_ID")
                if ask:
                    return wants(product)
                see(product)
                return True
            except BaseException as error:  # it would vanish in native code
                failure = error
                return ask

        def raise_failure() -> None:
            nonlocal failure
            if failure is not None:
                error, failure = failure, None
                raise error

        self.callback = callback  # must live as long as the context
        self.raise_failure = raise_failure


def _checked_library() -> ctypes.CDLL:
    """ggml with the types of the functions used here, after a comparison of a product that it makes with the mirror."""
    ggml = library.start()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, arguments in (
        ("ggml_op_name", ctypes.c_char_p, [ctypes.c_int]),
        ("ggml_tensor_overhead", size, []),
        ("ggml_init", pointer, [_InitParams]),
        ("ggml_free", None, [pointer]),
        ("ggml_new_tensor_2d", pointer, [pointer, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]),
        ("ggml_mul_mat", pointer, [pointer, pointer, pointer]),
        ("ggml_set_name", pointer, [pointer, ctypes.c_char_p]),
        ("ggml_backend_tensor_get", None, [pointer, pointer, size, size]),
        ("ggml_backend_tensor_set", None, [pointer, pointer, size, size]),
    ):
        function = getattr(ggml, name)
        function.restype, function.argtypes = result, arguments
    if ggml.ggml_tensor_overhead() != _OBJECT_SIZE + ctypes.sizeof(_Tensor) or not _mirrors(ggml):
        raise ModelError(
            "This build of llama.cpp lays tensors out differently than the one this program is written for.",
            f"Install llama-cpp-python {library.REQUIRED_VERSION}.",
        )
    return ggml


class _InitParams(ctypes.Structure):
    """``struct ggml_init_params``."""

    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


def _mirrors(ggml: ctypes.CDLL) -> bool:
    """Is a product of known factors seen as what it is?"""
    context = ggml.ggml_init(_InitParams(_CONTEXT_SIZE, None, True))
    try:
        weight = ggml.ggml_new_tensor_2d(context, llama_cpp.GGML_TYPE_F16, 3, 5)
        activations = ggml.ggml_new_tensor_2d(context, llama_cpp.GGML_TYPE_F32, 3, 7)
        ggml.ggml_set_name(weight, b"weight")
        product = _Tensor.from_address(ggml.ggml_mul_mat(context, weight, activations))
        seen = product.src[0].contents
        return (
            [ctypes.addressof(product.src[index].contents) for index in range(2)] == [weight, activations]
            and not product.src[2]
            and (seen.type, seen.name, list(seen.ne)) == (llama_cpp.GGML_TYPE_F16, b"weight", [3, 5, 1, 1])
            and list(product.ne) == [5, 7, 1, 1]
            and [product.nb[index] for index in range(4)] == [4 * math.prod((5, 7, 1)[:index]) for index in range(4)]
            and ggml.ggml_op_name(product.op) == _OPS[0]
            and product.type == llama_cpp.GGML_TYPE_F32
            and not product.data
            and not product.buffer
        )
    finally:
        ggml.ggml_free(context)
