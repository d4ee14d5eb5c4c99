"""The compiled half step of alternating least squares."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

_types: Any = nb.types  # numba's types are built at run time, untyped
_INTS = _types.Array(nb.int32, 1, "C", readonly=True)
_LONGS = _types.Array(nb.int64, 1, "C", readonly=True)
_MATRIX = _types.Array(nb.float64, 2, "C", readonly=True)


@nb.njit(nb.void(_LONGS, _INTS, _types.Array(nb.float32, 1, "C", readonly=True), _MATRIX, _MATRIX,
                 _types.Array(nb.float64, 1, "C", readonly=True), nb.float64[:, ::1]),
         nogil=True, cache=True)
def solve_rows(starts, others, weights, vectors, common, penalties, solved):  # type: ignore[no-untyped-def]
    """Solve (common + sum of w v v' + penalty) x = sum of w v for each row, by Cholesky."""
    size = vectors.shape[1]
    matrix = np.empty((size, size), np.float64)
    for row in range(len(starts) - 1):
        x = solved[row]
        x[:] = 0.0
        if starts[row] == starts[row + 1]:
            continue
        matrix[:] = common
        for place in range(starts[row], starts[row + 1]):
            v, weight = vectors[others[place]], np.float64(weights[place])
            for i in range(size):
                weighted = weight * v[i]
                x[i] += weighted
                for j in range(i + 1):
                    matrix[i, j] += weighted * v[j]
        for i in range(size):
            matrix[i, i] += penalties[row]
        for i in range(size):
            for j in range(i + 1):
                rest = matrix[i, j]
                for m in range(j):
                    rest -= matrix[i, m] * matrix[j, m]
                matrix[i, j] = np.sqrt(rest) if i == j else rest / matrix[j, j]
        for i in range(size):
            for m in range(i):
                x[i] -= matrix[i, m] * x[m]
            x[i] /= matrix[i, i]
        for i in range(size - 1, -1, -1):
            for m in range(i + 1, size):
                x[i] -= matrix[m, i] * x[m]
            x[i] /= matrix[i, i]
