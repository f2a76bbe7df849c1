"""The few operations that formulas need, on the arrays of each framework.

The one file of the core that names frameworks. None is imported: an array's framework
is loaded already, so it is found in `sys.modules`.
"""

from __future__ import annotations

import math
import struct
import sys
from typing import TYPE_CHECKING, Any, Protocol, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.scalar import MASK, MULTIPLIERS, SEED_STEP, Ops, mixed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stepsize.schedules.scalar import Numeric

INT32_MAX = 2**31 - 1


class ArrayOps(Ops, Protocol):
    """What finding the phase of each step needs besides."""

    def steps(self, t: Numeric) -> Numeric:
        """Return the steps in a dtype that counts: small and unsigned ints widened.

        Raises:
            InvalidScheduleError: They are booleans or complex.
        """

    def column(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return numbers as an array that goes with the steps `like`."""

    def starts(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return sorted boundaries, comparable with the steps `like`."""

    def find(self, starts: Numeric, t: Numeric) -> Numeric:
        """Return, for each step, how many boundaries lie at or before it."""

    def take(self, column: Numeric, index: Numeric) -> Numeric:
        """Return column[index]."""

    def where(self, condition: Numeric, a: Numeric, b: Numeric) -> Numeric:
        """Return a where the condition holds, else b."""

    def clamp(self, t: Numeric, last: float) -> Numeric:
        """Return the steps within [0, last], NaN as 0."""

    def result(self, value: Numeric, like: Numeric) -> Numeric:
        """Return a value in the result's dtype and the shape of the steps."""


@final
class NumpyOps:
    """NumPy arrays: integers give float64, floats their own dtype (>= 32 bits)."""

    def __init__(self) -> None:
        """Find numpy, which is loaded: the caller holds one of its arrays."""
        np = sys.modules["numpy"]
        self.np: Any = np
        self.sin, self.exp, self.log = np.sin, np.exp, np.log
        self.sqrt, self.floor = np.sqrt, np.floor
        self.power, self.divide, self.remainder = np.power, np.divide, np.remainder
        self.minimum, self.maximum = np.minimum, np.maximum
        self.where, self.take = np.where, np.take

    def scatter(self, step: Numeric, high: Numeric, low: Numeric) -> Numeric:
        """Return a hash of step and seed in [-1, 1)."""
        whole = self.np.floor(step).astype(self.np.int64)
        halves = (self.np.asarray(half, self.np.int64) for half in (high, low))
        seeds = next(halves) * 65536 + next(halves)
        with self.np.errstate(over="ignore"):  # wrapping is the point
            return mixed(whole, seeds) / 2.0**23 - 1.0

    def steps(self, t: Numeric) -> Numeric:
        """Return the steps as int64, or as a float of at least 32 bits."""
        np = self.np
        if t.dtype == np.uint64:
            return np.minimum(t, np.uint64(2**63 - 1)).astype(np.int64)
        if t.dtype.kind in "iu":
            return t.astype(np.int64, copy=False)
        if t.dtype.kind != "f":
            raise _no_steps(t.dtype)
        return t.astype(np.promote_types(t.dtype, np.float32), copy=False)

    def _float(self, like: Numeric) -> Any:
        return like.dtype if like.dtype.kind == "f" else self.np.float64

    def column(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return numbers as an array: integers as int64 for integer steps."""
        whole = like.dtype.kind == "i" and all(type(v) is int for v in values)
        return self.np.array(values, self.np.int64 if whole else self._float(like))

    def starts(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return sorted boundaries."""
        if like.dtype.kind == "i":
            return self.np.array([math.ceil(v) for v in values], self.np.int64)
        return self.np.array(_raised(values, like.dtype), like.dtype)

    def clamp(self, t: Numeric, last: float) -> Numeric:
        """Return the steps within [0, last], NaN as 0."""
        np = self.np
        # fmax takes the other number where one is NaN
        low = np.fmax(t, 0) if t.dtype.kind == "f" else np.maximum(t, 0)
        return np.minimum(low, t.dtype.type(_last(last, t.dtype)))

    def find(self, starts: Numeric, t: Numeric) -> Numeric:
        """Return how many boundaries lie at or before each step."""
        return self.np.searchsorted(starts, t, side="right")

    def result(self, value: Numeric, like: Numeric) -> Numeric:
        """Return the value, which block by block was written in shape and dtype."""
        return value


@final
class TorchOps:
    """torch tensors: integers give float64 (float32 on devices without it)."""

    def __init__(self) -> None:
        """Find torch, which is loaded: the caller holds one of its tensors."""
        torch = sys.modules["torch"]
        self.torch: Any = torch
        self.sin, self.exp, self.log = torch.sin, torch.exp, torch.log
        self.sqrt, self.floor = torch.sqrt, torch.floor
        self.minimum, self.maximum = torch.minimum, torch.maximum
        self.power, self.where, self.remainder = torch.pow, torch.where, torch.remainder

    def _float(self, like: Numeric) -> Any:
        if like.dtype.is_floating_point:
            return like.dtype
        narrow = like.device.type == "mps"
        return self.torch.float32 if narrow else self.torch.float64

    def divide(self, a: Numeric, b: Numeric) -> Numeric:
        """Return a / b; integers would become the default dtype, so cast them."""
        dtype = self._float(a)
        return a.to(dtype) / (b.to(dtype) if hasattr(b, "to") else b)

    def scatter(self, step: Numeric, high: Numeric, low: Numeric) -> Numeric:
        """Return a hash of step and seed in [-1, 1)."""
        torch = self.torch
        whole = step if step.dtype == torch.int64 else torch.floor(step).long()
        halves = (h.long() if hasattr(h, "long") else h for h in (high, low))
        seeds = next(halves) * 65536 + next(halves)
        return mixed(whole, seeds).to(self._float(step)) / 2.0**23 - 1.0

    def steps(self, t: Numeric) -> Numeric:
        """Return the steps as int64, or as a float of at least 32 bits."""
        torch = self.torch
        if t.dtype == torch.bool or t.dtype.is_complex:
            raise _no_steps(t.dtype)
        if t.dtype.is_floating_point:
            return t if t.dtype in (torch.float32, torch.float64) else t.float()
        return t.long()

    def take(self, column: Numeric, index: Numeric) -> Numeric:
        """Return column[index]."""
        return column[index]

    def column(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return numbers as a tensor: integers as int64 for integer steps."""
        whole = not like.dtype.is_floating_point and all(type(v) is int for v in values)
        dtype = self.torch.int64 if whole else self._float(like)
        return self.torch.tensor(values, dtype=dtype, device=like.device)

    def starts(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return sorted boundaries."""
        if not like.dtype.is_floating_point:
            values = [math.ceil(v) for v in values]
        else:
            values = _raised(values, like.dtype)
        return self.torch.tensor(values, dtype=like.dtype, device=like.device)

    def find(self, starts: Numeric, t: Numeric) -> Numeric:
        """Return how many boundaries lie at or before each step."""
        return self.torch.searchsorted(starts, t.contiguous(), right=True)

    def clamp(self, t: Numeric, last: float) -> Numeric:
        """Return the steps within [0, last], NaN as 0."""
        if t.dtype.is_floating_point:
            t = self.torch.where(t.isnan(), 0.0, t)
        return t.clamp(0, _last(last, t.dtype))

    def result(self, value: Numeric, like: Numeric) -> Numeric:
        """Return a value in the result's dtype and the shape of the steps."""
        dtype = self._float(like)
        full = self.torch.as_tensor(value, dtype=dtype, device=like.device)
        return full.expand(like.shape).clone()


class _NumpyLikeOps:
    """What JAX and Keras share: an array module with numpy's names, and 32-bit ints."""

    module: Any
    where: Callable[..., Any]

    def __init__(self, module: Any) -> None:
        """Take the operations from the module."""
        self.module = module
        self.sin, self.exp, self.log = module.sin, module.exp, module.log
        self.sqrt, self.floor = module.sqrt, module.floor
        self.minimum, self.maximum = module.minimum, module.maximum
        self.power, self.where = module.power, module.where

    def _dtypes(self, t: Numeric) -> tuple[Any, Any]:
        """Return the integer and the float dtype that go with the steps."""
        raise NotImplementedError  # pragma: no cover - both subclasses have it

    def _cast(self, x: Numeric, dtype: Any) -> Numeric:
        raise NotImplementedError  # pragma: no cover - both subclasses have it

    def _array(self, values: Sequence[float], dtype: Any) -> Numeric:
        return self.module.array(values, dtype=dtype)

    def _is_float(self, t: Numeric) -> bool:
        return "float" in str(t.dtype)

    def divide(self, a: Numeric, b: Numeric) -> Numeric:
        """Return a / b in the float dtype of the steps."""
        dtype = self._dtypes(a)[1]
        return self._cast(a, dtype) / self._cast(b, dtype)

    def remainder(self, a: Numeric, b: Numeric) -> Numeric:
        """Return a modulo b; beyond 32 bits that is a, where the steps are of 32."""
        if type(b) is int and "int32" in str(self._dtypes(a)[0]):
            b = min(b, INT32_MAX)
        return self.module.mod(a, b)

    def steps(self, t: Numeric) -> Numeric:
        """Return the steps in the framework's integer, or a float of >= 32 bits."""
        name = str(t.dtype)
        if "bool" in name or "complex" in name:
            raise _no_steps(name)
        if self._is_float(t):
            return t if "16" not in name else self._cast(t, "float32")
        integer = self._dtypes(t)[0]
        if name.startswith("uint") and "int32" in str(integer):
            t = self.module.minimum(t, min(INT32_MAX, 2 ** int(name[4:]) - 1))
        return self._cast(t, integer)

    def column(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return numbers as an array: integers saturate in 32 bits."""
        integer, floating = self._dtypes(like)
        if not self._is_float(like) and all(type(v) is int for v in values):
            return self._array(_saturated(values, integer), integer)
        return self._array(values, floating)

    def starts(self, values: Sequence[float], like: Numeric) -> Numeric:
        """Return sorted boundaries; integers saturate in 32 bits."""
        integer, floating = self._dtypes(like)
        if self._is_float(like):
            return self._array(_raised(values, floating), floating)
        return self._array(_saturated([math.ceil(v) for v in values], integer), integer)

    def find(self, starts: Numeric, t: Numeric) -> Numeric:
        """Return how many boundaries lie at or before each step."""
        return self.module.searchsorted(starts, t, side="right")

    def take(self, column: Numeric, index: Numeric) -> Numeric:
        """Return column[index]."""
        return self.module.take(column, index)

    def clamp(self, t: Numeric, last: float) -> Numeric:
        """Return the steps within [0, last], NaN as 0."""
        integer, _ = self._dtypes(t)
        if self._is_float(t):
            t = self.where(self.module.isnan(t), self._cast(0.0, t.dtype), t)
        elif "int32" in str(integer):
            # a boundary that saturates must stay ahead of every step
            last = min(last, INT32_MAX - 1)
        last = _last(last, t.dtype)
        return self.module.clip(t, 0, last)

    def result(self, value: Numeric, like: Numeric) -> Numeric:
        """Return a value in the result's dtype and the shape of the steps."""
        dtype = self._dtypes(like)[1]
        return self.module.broadcast_to(self._cast(value, dtype), like.shape)


@final
class JaxOps(_NumpyLikeOps):
    """JAX arrays and tracers: 32-bit integers and floats unless x64 is enabled."""

    def __init__(self) -> None:
        """Find JAX, which is loaded: the caller holds one of its arrays."""
        super().__init__(sys.modules["jax.numpy"])

    def _dtypes(self, t: Numeric) -> tuple[Any, Any]:
        jnp = self.module
        integer = jnp.asarray(0).dtype
        return integer, t.dtype if self._is_float(t) else jnp.asarray(0.0).dtype

    def _cast(self, x: Numeric, dtype: Any) -> Numeric:
        return self.module.asarray(x, dtype=dtype)

    def scatter(self, step: Numeric, high: Numeric, low: Numeric) -> Numeric:
        """Return a hash of step and seed in [-1, 1): uint32 wraps by itself."""
        jnp = self.module
        dtype = self._dtypes(step)[1]
        whole = jnp.floor(step) if self._is_float(step) else step
        x = whole.astype(jnp.uint32)
        halves = (jnp.asarray(half).astype(jnp.uint32) for half in (high, low))
        seeds = next(halves) * 65536 + next(halves)
        x = x + seeds * jnp.uint32(SEED_STEP)
        x = (x ^ (x >> 16)) * jnp.uint32(MULTIPLIERS[0])
        x = (x ^ (x >> 15)) * jnp.uint32(MULTIPLIERS[1])
        return ((x ^ (x >> 16)) >> 8).astype(dtype) / 2.0**23 - 1.0


@final
class KerasOps(_NumpyLikeOps):
    """Keras tensors and variables of any backend, through `keras.ops`."""

    def __init__(self) -> None:
        """Find Keras, which is loaded: the caller holds one of its values."""
        self.keras: Any = sys.modules["keras"]
        super().__init__(self.keras.ops)

    def _dtypes(self, t: Numeric) -> tuple[Any, Any]:
        wide = self.keras.config.backend() != "jax"
        floating = self.keras.config.floatx()
        if self._is_float(t):
            floating = self.keras.backend.standardize_dtype(t.dtype)
        return "int64" if wide else "int32", floating

    def _cast(self, x: Numeric, dtype: Any) -> Numeric:
        return self.module.cast(x, dtype)

    def find(self, starts: Numeric, t: Numeric) -> Numeric:
        """Return how many boundaries lie at or before each step."""
        k = self.module  # TensorFlow's searchsorted takes a row, and nothing else
        row = k.searchsorted(starts, k.reshape(t, (-1,)), side="right")
        return k.reshape(row, k.shape(t))

    def scatter(self, step: Numeric, high: Numeric, low: Numeric) -> Numeric:
        """Return a hash of step and seed in [-1, 1)."""
        integer, floating = self._dtypes(step)
        whole = self.module.floor(step) if self._is_float(step) else step
        if integer == "int32":  # the JAX backend, whose uint32 wraps
            tensor = self.keras.ops.convert_to_tensor(whole)
            return JaxOps().scatter(tensor, high, low)
        x = self._cast(whole, integer)
        k, mask = self.module, self._cast(MASK, integer)
        seeds = self._cast(high, integer) * 65536 + self._cast(low, integer)
        x = k.bitwise_and(x + seeds * SEED_STEP, mask)
        for shift, factor in zip((16, 15, 16), (*MULTIPLIERS, None), strict=True):
            x = k.bitwise_xor(x, k.right_shift(x, shift))
            x = x if factor is None else k.bitwise_and(x * factor, mask)
        return self._cast(k.right_shift(x, 8), floating) / 2.0**23 - 1.0


_FOUND: dict[str, ArrayOps] = {}
_ROOTS: dict[str, Callable[[], ArrayOps]] = {
    "numpy": NumpyOps,
    "torch": TorchOps,
    "jax": JaxOps,
    "jaxlib": JaxOps,
    "keras": KerasOps,
    "tensorflow": KerasOps,
}


def array_ops(value: object) -> ArrayOps | None:
    """Return the operations for an array's framework, or None if it is no array."""
    for base in type(value).__mro__:
        root = base.__module__.partition(".")[0]
        if root in _ROOTS:
            if root not in _FOUND:
                _FOUND[root] = _ROOTS[root]()
            return _FOUND[root]
    return None


def _last(end: float, dtype: Any) -> float:
    """Return the step to hold from, in the dtype of the steps."""
    if "float" in str(dtype):
        return _raised([end], dtype)[0]
    return math.ceil(end)


def _saturated(values: Sequence[float], integer: Any) -> list[int]:
    if "int32" not in str(integer):
        return [int(v) for v in values]
    return [int(min(v, INT32_MAX)) for v in values]


def _raised(values: Sequence[float], dtype: Any) -> Sequence[float]:
    """Round boundaries up to 32 bits, where the steps have no more.

    A boundary just after a step must stay after it (`reverse` makes such).
    """
    if "32" not in str(dtype):
        return values
    raised = []
    for value in values:
        (narrow,) = struct.unpack("f", struct.pack("f", value))
        if narrow < value:  # positive floats are ordered as their bits are
            (bits,) = struct.unpack("I", struct.pack("f", narrow))
            (narrow,) = struct.unpack("f", struct.pack("I", bits + 1))
        raised.append(narrow)
    return raised


def _no_steps(dtype: object) -> InvalidScheduleError:
    rule = "be integers or real numbers (unit: updates)"
    return InvalidScheduleError(describe("step.dtype", rule, str(dtype)))
