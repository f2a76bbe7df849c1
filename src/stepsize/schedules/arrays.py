"""Evaluation of a curve at arrays of steps, in any framework; numbers are in curve.

Every step finds its piece by binary search over the boundaries, gathers the numbers of
that piece, and each distinct form is evaluated once. NumPy arrays go block by block,
which keeps them in the cache, and sorted blocks need no search for each step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.curve import FOREVER, evaluate
from stepsize.schedules.ops import NumpyOps, array_ops

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stepsize.schedules.curve import Curve, Form
    from stepsize.schedules.ops import ArrayOps
    from stepsize.schedules.scalar import Numeric

BLOCK = 16_384
"""Steps evaluated at once: a few such float64 arrays fit into a second-level cache."""
LONG_PIECE = 512
"""Steps from which evaluating a piece by itself beats gathering its numbers."""


def evaluate_array(curve: Curve, steps: Numeric) -> Numeric:
    """Return the values at steps of any integer or real dtype, in their shape.

    Raises:
        InvalidScheduleError: They are no array of a framework that is known, or of
            another dtype.
    """
    ops = array_ops(steps)
    if ops is None:
        rule = "be a number or an array of NumPy, torch, JAX or Keras (unit: updates)"
        raise InvalidScheduleError(describe("step", rule, steps))
    t = ops.steps(steps)
    last = FOREVER if curve.end is None else curve.end
    t = ops.clamp(t, last)
    return ops.result(evaluate_within(curve, t, ops), t)


def evaluate_within(curve: Curve, t: Numeric, ops: ArrayOps) -> Numeric:
    """Return the values at steps that lie within [0, end]."""
    if isinstance(ops, NumpyOps):
        return _numpy(curve, t, ops)
    forms = curve.forms()
    if len(curve.starts) == 1:
        return _direct(curve, 0, t, ops)
    index = ops.find(ops.starts(curve.starts[1:], t), t)
    value: Numeric = None
    for form, members in forms.items():
        columns = _columns(curve, form, members, t, ops)
        numbers = (ops.take(column, index) for column in columns)
        one = evaluate(form, t, numbers, ops)
        if value is None:
            value = one
        else:
            mine = set(members)
            flags = [1 if i in mine else 0 for i in range(len(curve.starts))]
            holds = ops.take(ops.column(flags, t), index) > 0
            value = ops.where(holds, one, value)
    return value


def _direct(curve: Curve, index: int, t: Numeric, ops: ArrayOps) -> Numeric:
    expression = curve.expressions[index]
    return evaluate(expression.form(), t, iter(expression.flat()), ops)


def _columns(
    curve: Curve, form: Form, members: Sequence[int], t: Numeric, ops: ArrayOps
) -> Iterator[Numeric]:
    """Yield, for each number of a form, its value in every piece.

    Pieces of another form repeat numbers of this one, so that formulas stay finite.
    """
    rows = [curve.expressions[i].flat() for i in members]
    position = {index: row for row, index in enumerate(members)}
    filled, row = [], 0
    for index in range(len(curve.starts)):
        row = position.get(index, row)
        filled.append(rows[row])
    for column in zip(*filled, strict=True):
        yield ops.column(column, t)


def _numpy(curve: Curve, t: Any, ops: NumpyOps) -> Any:
    """Evaluate block by block; `t` lies within [0, end]."""
    np = ops.np
    flat = np.ascontiguousarray(t).reshape(-1)
    out = np.empty(flat.shape, flat.dtype if flat.dtype.kind == "f" else np.float64)
    key = flat.dtype.char
    if key not in curve._columns:
        curve._columns[key] = ops.starts(curve.starts, flat)
    starts = curve._columns[key]
    with np.errstate(all="ignore"):
        for low in range(0, flat.size, BLOCK):
            block = flat[low : low + BLOCK]
            _numpy_block(curve, starts, block, out[low : low + BLOCK], ops)
    return out.reshape(t.shape)


def _numpy_block(curve: Curve, starts: Any, t: Any, out: Any, ops: NumpyOps) -> None:
    np = ops.np
    first, last = ops.find(starts, (t.min(), t.max())) - 1
    if first == last:
        out[...] = _direct(curve, int(first), t, ops)
        return
    if (t[1:] >= t[:-1]).all():
        inner = np.searchsorted(t, starts[first + 1 : last + 1], side="left")
        cuts = [0, *inner.tolist(), t.size]
        if t.size >= LONG_PIECE * (last - first + 1):
            for offset, (low, high) in enumerate(pairwise(cuts)):
                if low < high:
                    piece = _direct(curve, int(first) + offset, t[low:high], ops)
                    out[low:high] = piece
            return
        index = np.repeat(np.arange(first, last + 1), np.diff(cuts))
    else:
        index = ops.find(starts, t) - 1
    tables = _numpy_tables(curve, t, ops)
    form_of, forms = tables
    kinds = form_of[first : last + 1]
    present = kinds[:1] if (kinds == kinds[0]).all() else np.unique(kinds)
    for number in present:
        form, columns = forms[number]
        if present.size == 1:
            numbers = (column[index] for column in columns)
            out[...] = evaluate(form, t, numbers, ops)
            continue
        mask = form_of[index] == number
        chosen = index[mask]
        numbers = (column[chosen] for column in columns)
        out[mask] = evaluate(form, t[mask], numbers, ops)


def _numpy_tables(curve: Curve, t: Any, ops: NumpyOps) -> Any:
    """Return the form number of each piece, and the columns of each form."""
    key = ("forms", t.dtype.char)
    if key not in curve._columns:
        np = ops.np
        form_of = np.zeros(len(curve.starts), np.int64)
        forms = []
        for number, (form, members) in enumerate(curve.forms().items()):
            form_of[members] = number
            forms.append((form, list(_columns(curve, form, members, t, ops))))
        curve._columns[key] = (form_of, forms)
    return curve._columns[key]
