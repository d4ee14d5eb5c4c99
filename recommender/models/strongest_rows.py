"""Keeping of each row of an item-item table the weights that matter."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Float32s, Float64s, Int32s

_ROWS_AT_ONCE = 256


def strongest_of_dense(block: Float32s, rows: Int32s, films: Int32s, factor: Float64s,
                       keep: int) -> sp.csr_matrix:
    """The `keep` weights of each row that are largest by |weight| * factor, over all films.

    Args:
        block: float32 of shape (n_rows, n_films).
        rows, films: int32, ascending indexes among all films of its rows and of its columns.
        factor: float64 of shape (n_items,), above 0, of all films.
    """
    n_items, n_films = len(factor), len(films)
    kept = min(keep, n_films)
    columns = np.empty((len(rows), kept), np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        strength = np.abs(block[start:start + _ROWS_AT_ONCE]) * factor[films].astype(np.float32)
        if kept < n_films:
            chosen = np.argpartition(-strength, kept - 1, axis=1)[:, :kept]
        else:
            chosen = np.tile(np.arange(n_films), (len(strength), 1))
        columns[start:start + _ROWS_AT_ONCE] = np.sort(chosen, axis=1)
    lengths = np.zeros(n_items, np.int64)
    lengths[rows] = kept
    table = sp.csr_matrix(
        (np.take_along_axis(block, columns, axis=1).ravel(), films[columns].ravel(),
         np.append(0, np.cumsum(lengths))), shape=(n_items, n_items))
    table.eliminate_zeros()
    return table


def strongest(table: sp.csr_matrix, factor: Float64s, keep: int) -> sp.csr_matrix:
    """The same of a sparse table of shape (n_items, n_items)."""
    strength = np.abs(table.data) * factor[table.indices]
    rows = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    order = np.lexsort((-strength, rows))
    place = np.arange(len(order)) - table.indptr[rows[order]]
    chosen = np.sort(order[place < keep])
    found = sp.csr_matrix(
        (table.data[chosen], table.indices[chosen],
         np.append(0, np.cumsum(np.bincount(rows[chosen], minlength=table.shape[0])))),
        shape=table.shape)
    found.sort_indices()
    return found
