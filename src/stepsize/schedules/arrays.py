"""Evaluation of a curve at arrays of steps, in any framework; numbers are in curve.

Every step finds its piece by binary search over the boundaries, gathers the numbers of
that piece, and each distinct form is evaluated once. NumPy arrays go block by block,
which keeps them in the cache, and sorted blocks need no search for each step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.curve import FOREVER, constant, evaluate
from stepsize.schedules.ops import NumpyOps, array_ops

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stepsize.schedules.curve import Curve, Expression, Form
    from stepsize.schedules.ops import ArrayOps
    from stepsize.schedules.scalar import Numeric

BLOCK = 16_384
"""Steps evaluated at once: a few such float64 arrays fit into a second-level cache."""
BINS_A_PIECE = 16
"""Bins for each piece, at most, in the look-up of pieces."""
CONSTANT = constant(0.0).form()
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
    if isinstance(ops, NumpyOps):
        return _numpy(curve, t, ops)
    t = ops.clamp(t, _last(curve))
    return ops.result(evaluate_within(curve, t, ops), t)


def _last(curve: Curve) -> float:
    return FOREVER if curve.end is None else curve.end


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
    """Evaluate at any steps; those outside [0, end] are brought to its ends."""
    np = ops.np
    flat = np.ascontiguousarray(t).reshape(-1)
    out = np.empty(flat.shape, flat.dtype if flat.dtype.kind == "f" else np.float64)
    key = flat.dtype.char
    if key not in curve._columns:
        starts = ops.starts(curve.starts, flat)
        curve._columns[key] = (starts, _bins(starts, ops))
    found = curve._columns[key]
    with np.errstate(all="ignore"):
        if flat.size and _is_ordered(flat):
            if not (flat[0] >= 0 and flat[-1] <= _last(curve)):
                flat = ops.clamp(flat, _last(curve))
            _numpy_ordered(curve, found, flat, out, ops)
        else:
            for low in range(0, flat.size, BLOCK):
                block = ops.clamp(flat[low : low + BLOCK], _last(curve))
                _numpy_mixed(curve, found, block, out[low : low + BLOCK], ops)
    return out.reshape(t.shape)


def _is_ordered(t: Any) -> bool:
    """Whether no step lies below the one before; False if there is a NaN."""
    for low in range(0, t.size, BLOCK):
        block = t[low : low + BLOCK + 1]
        # one step has nothing beside it: compare it with itself, for NaN
        if not (block[1:] >= block[:-1]).all() or block[0] != block[0]:
            return False
    return True


def _bins(starts: Any, ops: NumpyOps) -> tuple[Any, Any, int] | None:
    """Return the piece at the start of each bin of 2^shift steps, at most one a bin.

    With them a step finds its piece by a look-up and one comparison. None where steps
    are floats or the bins would be many.
    """
    np = ops.np
    gaps = np.diff(starts)
    if starts.dtype.kind != "i" or not gaps.size or gaps.min() < 1:
        return None
    shift = int(gaps.min()).bit_length() - 1
    count = (int(starts[-1]) >> shift) + 1
    if count > BINS_A_PIECE * starts.size + BLOCK:
        return None
    edges = np.arange(count, dtype=np.int64) << shift
    table = np.searchsorted(starts, edges, side="right") - 1
    after = np.append(starts[1:], np.iinfo(np.int64).max)
    return table, after, shift


def _pieces_of(found: Any, t: Any, ops: NumpyOps) -> Any:
    """Return the number of the piece of each step."""
    starts, bins = found
    if bins is None:
        return ops.np.searchsorted(starts, t, side="right") - 1
    table, after, shift = bins
    index = table.take(t >> shift, mode="clip")
    index += t >= after.take(index)
    return index


def _numpy_ordered(curve: Curve, found: Any, t: Any, out: Any, ops: NumpyOps) -> None:
    """Evaluate ordered steps: each piece has its own stretch of them."""
    np = ops.np
    first, last = (np.searchsorted(found[0], t[[0, -1]], side="right") - 1).tolist()
    inner = np.searchsorted(t, found[0][first + 1 : last + 1], side="left")
    if t.size >= LONG_PIECE * (last - first + 1):
        cuts = [0, *inner.tolist(), t.size]
        _piecewise(curve.expressions[first : last + 1], cuts, t, out, ops)
        return
    index = np.repeat(
        np.arange(first, last + 1), np.diff(inner, prepend=0, append=t.size)
    )
    for low in range(0, t.size, BLOCK):
        part = slice(low, low + BLOCK)
        _gather(curve, index[part], t[part], out[part], ops)


def _numpy_mixed(curve: Curve, found: Any, t: Any, out: Any, ops: NumpyOps) -> None:
    """Evaluate a block of steps in any order."""
    np = ops.np
    span = (t.min(), t.max())
    first, last = (np.searchsorted(found[0], span, side="right") - 1).tolist()
    if first == last:
        _piecewise(curve.expressions[first : first + 1], [0, t.size], t, out, ops)
        return
    index = _pieces_of(found, t, ops)
    if t.size < LONG_PIECE * (last - first + 1):
        _gather(curve, index, t, out, ops)
        return
    # bring the steps of each piece together; so few pieces fit into 8 bits, which
    # numpy sorts by counting
    near = (index - first).astype(np.uint8)
    order = near.argsort(kind="stable")
    cuts = [0, *np.bincount(near, minlength=last - first + 1).cumsum().tolist()]
    values = np.empty(out.shape, out.dtype)
    pieces = curve.expressions[first : last + 1]
    _piecewise(pieces, cuts, t.take(order), values, ops)
    out[order] = values


def _piecewise(
    expressions: Sequence[Expression],
    cuts: Sequence[int],
    t: Any,
    out: Any,
    ops: NumpyOps,
) -> None:
    """Evaluate steps that lie together: between two cuts by one expression."""
    for expression, (start, stop) in zip(expressions, pairwise(cuts), strict=True):
        form = expression.form()
        if form == CONSTANT:
            out[start:stop] = expression.flat()[1]
            continue
        for low in range(start, stop, BLOCK):
            part = slice(low, min(low + BLOCK, stop))
            out[part] = evaluate(form, t[part], iter(expression.flat()), ops)


def _gather(curve: Curve, index: Any, t: Any, out: Any, ops: NumpyOps) -> None:
    """Evaluate each form once, with the numbers of each step's piece."""
    np = ops.np
    form_of, forms = _numpy_tables(curve, t, ops)
    kind = form_of.take(index)
    present = np.unique(form_of[index.min() : index.max() + 1])
    if present.size == 1:
        form, columns = forms[present[0]]
        numbers = (column.take(index) for column in columns)
        out[...] = evaluate(form, t, numbers, ops)
        return
    for number in present:
        form, columns = forms[number]
        where = np.flatnonzero(kind == number)
        chosen = index.take(where)
        numbers = (column.take(chosen) for column in columns)
        out[where] = evaluate(form, t.take(where), numbers, ops)


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
