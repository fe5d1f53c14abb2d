"""The step `python`: a function of the lake's own, called for each batch of rows."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from penstock import faults
from penstock.engines import raw_column
from penstock.errors import BadFileError
from penstock.formats import RESERVED

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Outcome:
    """What a function made of its batches: a Parquet file with columns `raw_column(0)` and so on."""

    path: str
    header: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class PythonStep:
    """A function and the place that declares it, for errors."""

    place: str
    name: str
    function: Function

    def apply(self, source: str, target: str) -> Outcome:
        """Call the function for each batch of the Parquet file `source`; what it gives is written to `target`.

        Raises:
            BadFileError: The function fails, or gives something else than rows with the same columns every time.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema: pa.Schema | None = None
        rows = 0
        with pq.ParquetFile(source) as file, _Writer(target) as writer:
            for batch in file.iter_batches(BATCH_ROWS):
                table = self._called(batch)
                schema = schema or self._checked(table.schema)
                if table.schema.names != schema.names:
                    message = f"gave the columns {', '.join(table.schema.names)} after {', '.join(schema.names)}"
                    raise self._error(message, "every batch must have the same columns, in the same order")
                try:
                    writer.write(table.cast(_storable(schema)))
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                    hint = "every batch must have the same types; cast the column in the function"
                    raise self._error(f"gave other types than before: {error}", hint) from None
                rows += table.num_rows
        return Outcome(target, tuple(schema.names) if schema else (), rows)

    def _called(self, batch: pa.RecordBatch) -> pa.Table:
        import pyarrow as pa

        try:
            made = self.function(batch)
        except (Exception, SystemExit) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name} line {last.lineno}"
            hint = "correct the function and run again"
            raise self._error(f"raised {type(error).__name__}: {error} ({where})", hint) from error
        if isinstance(made, pa.RecordBatch):
            return pa.Table.from_batches([made])
        if isinstance(made, pa.Table):
            return made
        message = f"gave a {type(made).__name__}"
        raise self._error(message, "it must return a pyarrow RecordBatch or Table")

    def _checked(self, schema: pa.Schema) -> pa.Schema:
        lower = [name.lower() for name in schema.names]
        doubled = next((name for name in reversed(schema.names) if lower.count(name.lower()) > 1), None)
        if doubled is not None:
            message = f'gave two columns called "{doubled}"'
            raise self._error(message, "names must differ by more than upper and lower case")
        taken = next((name for name in schema.names if name.lower().startswith(RESERVED) or not name.strip()), None)
        if taken is not None:
            message = f'gave a column called "{taken}"'
            raise self._error(message, f"names must not be blank or start with {RESERVED}")
        return schema

    def _error(self, what: str, hint: str) -> BadFileError:
        return BadFileError(f"{self.place}: {self.name} {what}", hint=hint)


class _Writer:
    """A Parquet file whose schema is known with the first table."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: Any = None

    def write(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        named = table.rename_columns([raw_column(at) for at in range(table.num_columns)])
        if self._file is None:
            self._file = pq.ParquetWriter(faults.sink(self._path, "scratch.write"), named.schema)
        self._file.write_table(named)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()


def _storable(schema: pa.Schema) -> pa.Schema:
    """Columns without any value become text, which is what files without values are."""
    import pyarrow as pa

    return pa.schema([field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema])


def load_function(folder: Path, declared: str, place: str) -> PythonStep:
    """Load the function `FILE.py:FUNCTION` below the lake's folder.

    Raises:
        BadFileError: There is no such file or function, or importing the file fails.
    """
    file, _, name = declared.partition(":")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise BadFileError(
            f"{place}: no file {file} in the lake's folder", hint=f"write {path.name} there, or correct the name"
        )
    module = _module(path, place)
    function = getattr(module, name, None)
    if not callable(function):
        known = ", ".join(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise BadFileError(f"{place}: {file} has no function {name}", hint=f"it has: {known or 'none'}")
    return PythonStep(place, declared, function)


def _module(path: Path, place: str) -> Any:
    """Import a file once for each content that it has."""
    name = f"penstock_steps_{sha256(str(path).encode() + path.read_bytes()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadFileError(f"{place}: {path.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadFileError(
            f"{place}: importing {path.name} raised {type(error).__name__}: {error}",
            hint="correct the file and run again",
        ) from error
    sys.modules[name] = module
    return module
