"""Blocks of files, for ``fit_blocks``: Parquet, NumPy's ``.npy`` and CSV.

Each function gives blocks that are read when a fit asks for them, by a thread that reads ahead. A fitted
transformer turns the columns of a block into rows of numbers there::

    blocks = skgd.io.parquet_blocks("flights/", target="arr_delay")
    encoder = TableEncoder().fit(blocks[0][0])
    blocks = skgd.io.parquet_blocks("flights/", target="arr_delay", transformer=encoder)
    GDRegressor().fit_blocks(blocks)

Parquet needs pyarrow and pandas, CSV pandas: ``pip install skgd[io]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CsvBlocks", "NpyBlocks", "ParquetBlocks", "csv_blocks", "npy_blocks", "parquet_blocks"]

_ROWS = 100_000


def _needed(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module.partition('.')[0]} is needed to read these blocks: pip install skgd[io]."
        ) from error


def _paths(path, suffix: str) -> list[Path]:
    """The files that are meant: one, several, or all of a folder, by name."""
    given = [path] if isinstance(path, (str, Path)) else list(path)
    found: list[Path] = []
    for each in map(Path, given):
        found += sorted(each.rglob(f"*{suffix}")) if each.is_dir() else [each]
    for each in found:
        if not each.is_file():
            raise FileNotFoundError(f"There is no file {str(each)!r}.")
    if not found:
        raise FileNotFoundError(f"There are no {suffix} files in {', '.join(map(str, given))!r}.")
    return found


class _Columns:
    """Which columns of a table are features, targets and weights, and what turns features into numbers."""

    def __init__(self, target, columns, weight, transformer, dtype):
        self.target, self.weight, self.transformer, self.dtype = target, weight, transformer, dtype
        self.targets = [target] if isinstance(target, str) else list(target)
        self.columns = None if columns is None else list(columns)

    def features(self, names: Sequence[str]) -> list[str]:
        """The features among the names of a file; raises where a column is missing."""
        others = {*self.targets, self.weight}
        wanted = [name for name in names if name not in others] if self.columns is None else self.columns
        missing = [name for name in self.all(wanted) if name not in names]
        if missing:
            raise ValueError(f"There are no columns {missing}; the file has {list(names)}.")
        return wanted

    def all(self, features: list[str]) -> list[str]:
        weight = [] if self.weight is None else [self.weight]
        return list(dict.fromkeys([*features, *self.targets, *weight]))

    def block(self, frame, features: list[str]) -> tuple:
        """(X, y) or (X, y, weight) of a data frame with these columns."""
        X = frame[features]
        return self.with_targets(X, frame)

    def with_targets(self, X, frame) -> tuple:
        if self.transformer is not None:
            X = self.transformer.transform(X)
        elif self.dtype is not None:
            X = X.astype(self.dtype)
        y = frame[self.target if isinstance(self.target, str) else self.targets].to_numpy()
        return (X, y) if self.weight is None else (X, y, frame[self.weight].to_numpy())


class ParquetBlocks(Sequence):
    """Row groups of Parquet files, as :func:`parquet_blocks` gives them."""

    def __init__(self, paths: list[Path], columns: _Columns, rows: int):
        _needed("pandas")
        self.transformer = columns.transformer
        self._paths, self._columns = paths, columns
        self._features = columns.features(self._files[0].schema_arrow.names)
        self._parts = [
            (number, groups)
            for number, file in enumerate(self._files)
            for groups in _groups(file.metadata, rows)
        ]

    @cached_property
    def _files(self) -> list:
        return [_needed("pyarrow.parquet").ParquetFile(path) for path in self._paths]

    def __getstate__(self) -> dict:
        """What moves to another process, which opens the files anew."""
        return {name: value for name, value in vars(self).items() if name != "_files"}

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index):
        """The block of a number: (X, y) or (X, y, sample_weight)."""
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        number, groups = self._parts[index]
        wanted = self._columns.all(self._features)
        table = self._files[number].read_row_groups(groups, columns=wanted)
        others = table.select(self._columns.all([])).to_pandas()
        return self._columns.with_targets(self._frame(table), others)

    def _frame(self, table):
        """The features as a data frame, of numbers around one array in the layout of the core."""
        types, pandas = import_module("pyarrow").types, import_module("pandas")
        fields = [table.schema.field(name).type for name in self._features]
        numbers = all(
            types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind) for kind in fields
        )
        if not numbers or self._columns.transformer is not None:
            return table.select(self._features).to_pandas()
        narrow = all(types.is_float32(kind) for kind in fields)
        rows = np.empty((table.num_rows, len(fields)), dtype=np.float32 if narrow else np.float64)
        for j, name in enumerate(self._features):
            rows[:, j] = table.column(name).to_numpy()
        return pandas.DataFrame(rows, columns=self._features, copy=False)


def _groups(metadata, rows: int) -> Iterator[list[int]]:
    """Numbers of neighbouring row groups that hold so many rows together, or one that holds more."""
    groups: list[int] = []
    count = 0
    for number in range(metadata.num_row_groups):
        groups.append(number)
        count += metadata.row_group(number).num_rows
        if count >= rows:
            yield groups
            groups, count = [], 0
    if groups:
        yield groups


def parquet_blocks(
    path,
    *,
    target: str | list[str],
    columns: list[str] | None = None,
    weight: str | None = None,
    transformer=None,
    dtype=None,
    rows: int = _ROWS,
) -> ParquetBlocks:
    """Blocks of Parquet files: their row groups, of which small ones are joined.

    Parameters
    ----------
    path : str, Path, or a list of them
        Files, or folders, of which all ``.parquet`` files are taken, by name.
    target : str or list of str
        The column of the targets, or those of several outputs.
    columns : list of str, default=None
        The features; all other columns by default. Only columns that are asked for are read.
    weight : str, default=None
        The column of the sample weights.
    transformer : object, default=None
        A fitted transformer of the features, such as
        :class:`~skgd.preprocessing.TableEncoder`: X of a block is what its ``transform`` gives.
    dtype : dtype, default=None
        Precision of X. By default float32 where all features are that, otherwise float64.
    rows : int, default=100_000
        Row groups are joined until a block has so many rows. They are not cut: files with large ones are
        better written anew (``pyarrow.parquet.write_table(table, path, row_group_size=...)``).

    Returns
    -------
    blocks : ParquetBlocks
        A sequence of (X, y) or (X, y, sample_weight), X a data frame or what the transformer gives.

    Raises
    ------
    ImportError
        Without pyarrow or pandas.
    FileNotFoundError, ValueError
        If there are no such files or columns.
    """
    return ParquetBlocks(
        _paths(path, ".parquet"), _Columns(target, columns, weight, transformer, dtype), rows
    )


class NpyBlocks(Sequence):
    """Rows of ``.npy`` files, as :func:`npy_blocks` gives them."""

    def __init__(self, files: list[list[Path]], transformer, rows: int):
        self.transformer, self._files = transformer, files
        self._parts = [
            (number, slice(start, start + rows))
            for number in range(len(files[0]))
            for start in range(0, self._rows_of(number), rows)
        ]

    @cached_property
    def _arrays(self) -> list[list[np.ndarray]]:
        """Memory maps."""
        return [[np.load(path, mmap_mode="r", allow_pickle=False) for path in files] for files in self._files]

    def __getstate__(self) -> dict:
        """What moves to another process, which opens the files anew."""
        return {name: value for name, value in vars(self).items() if name != "_arrays"}

    def _rows_of(self, number: int) -> int:
        counts = [len(arrays[number]) for arrays in self._arrays]
        if len(set(counts)) > 1:
            raise ValueError(f"The files have different numbers of rows: {counts}.")
        return counts[0]

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index):
        """The block of a number: (X, y) or (X, y, sample_weight)."""
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        number, part = self._parts[index]
        X, *others = (np.array(arrays[number][part]) for arrays in self._arrays)
        return (X if self.transformer is None else self.transformer.transform(X), *others)


def npy_blocks(X, y, *, weight=None, transformer=None, rows: int = _ROWS) -> NpyBlocks:
    """Blocks of arrays in ``.npy`` files, which are not read as a whole.

    Parameters
    ----------
    X, y : str, Path, or lists of them
        Files of rows and of their targets, of as many rows; or folders, of which all ``.npy`` files are
        taken, by name.
    weight : str, Path, or a list of them, default=None
        Files of sample weights.
    transformer : object, default=None
        A fitted transformer: X of a block is what its ``transform`` gives.
    rows : int, default=100_000
        Rows of a block.

    Returns
    -------
    blocks : NpyBlocks
        A sequence of (X, y) or (X, y, sample_weight).

    Raises
    ------
    FileNotFoundError, ValueError
        If there are no such files, or they have different numbers of rows.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from skgd import GDRegressor, io
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> X = np.linspace(-1, 1, 600).reshape(-1, 2)
    >>> np.save(folder / "X.npy", X)
    >>> np.save(folder / "y.npy", X.sum(axis=1))
    >>> blocks = io.npy_blocks(folder / "X.npy", folder / "y.npy", rows=100)
    >>> len(blocks)
    3
    >>> GDRegressor(solver="batch").fit_blocks(blocks).score(X, X.sum(axis=1)) > 0.99
    True
    """
    files = [_paths(each, ".npy") for each in (X, y, weight) if each is not None]
    if len(set(map(len, files))) > 1:
        raise ValueError(f"X, y and weight have different numbers of files: {list(map(len, files))}.")
    return NpyBlocks(files, transformer, rows)


class CsvBlocks:
    """Rows of CSV files, as :func:`csv_blocks` gives them: each call begins anew."""

    def __init__(self, paths: list[Path], columns: _Columns, rows: int, options: dict):
        self._pandas = _needed("pandas")
        self._paths, self._columns, self._rows, self._options = paths, columns, rows, options
        self.transformer = columns.transformer

    def __call__(self) -> Iterator[tuple]:
        """An iterator of (X, y) or (X, y, sample_weight)."""
        for path in self._paths:
            with self._pandas.read_csv(path, chunksize=self._rows, **self._options) as chunks:
                for frame in chunks:
                    yield self._columns.block(frame, self._columns.features(list(frame.columns)))

    __iter__ = __call__


def csv_blocks(
    path,
    *,
    target: str | list[str],
    columns: list[str] | None = None,
    weight: str | None = None,
    transformer=None,
    dtype=None,
    rows: int = _ROWS,
    **options,
) -> CsvBlocks:
    """Blocks of CSV files, read from their beginnings at each pass: blocks keep their order.

    Text has to be read and understood at each pass, which takes much longer than an epoch: for more than one
    fit, Parquet files are worth their space.

    Parameters
    ----------
    path : str, Path, or a list of them
        Files, or folders, of which all ``.csv`` files are taken, by name.
    target, columns, weight, transformer, dtype
        As in :func:`parquet_blocks`.
    rows : int, default=100_000
        Rows of a block.
    **options
        Further arguments of :func:`pandas.read_csv`.

    Returns
    -------
    blocks : CsvBlocks
        A function that gives an iterator of (X, y) or (X, y, sample_weight).

    Raises
    ------
    ImportError
        Without pandas.
    FileNotFoundError, ValueError
        If there are no such files or columns.
    """
    return CsvBlocks(
        _paths(path, ".csv"), _Columns(target, columns, weight, transformer, dtype), rows, options
    )
