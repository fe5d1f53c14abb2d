"""One file at a time: is it there, and is it what was written?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from penstock.signals import Signals
from penstock.state import DataFile
from penstock.storage import Seals
from penstock.storage.seals import Seal, digest_of, mark_of
from penstock.tables.sealed import rows_of
from penstock.upkeep.findings import REPAIR, RESTORE, Report


class Files:
    """Looks at files and notes what is wrong with them."""

    def __init__(
        self,
        seals: Iterable[Seal],
        report: Report,
        signals: Signals,
        *,
        quick: bool,
        others: set[str] | None = None,
    ) -> None:
        """Compare with `seals`.

        Args:
            seals: What files were when they were written.
            report: Takes what is found.
            signals: Announces each file.
            quick: Whether a file whose mark is as it was is not read.
            others: Sealed files that nobody has looked at yet; all, when left out.
        """
        self._seals = {seal.path: seal for seal in seals}
        self._report, self._signals, self._quick = report, signals, quick
        self._looked: dict[str, bool] = {}
        self._others = others if others is not None else set(self._seals)

    @classmethod
    def of(cls, seals: Seals, folder: Path, report: Report, signals: Signals, *, quick: bool) -> Files:
        """Compare with the seals of everything below a folder."""
        return cls(seals.below(str(folder)), report, signals, quick=quick)

    def noting(self, report: Report) -> Files:
        """The same files, looked at anew, for another report."""
        return Files(self._seals.values(), report, self._signals, quick=self._quick, others=self._others)

    def look_at_others(self, report: Report) -> None:
        """Look at sealed files that no table led to: what is left of earlier versions and is not removed yet."""
        rest = self.noting(report)
        for path in sorted(self._others):
            if mark_of(path) is not None:
                rest.is_whole(path, "an earlier version", "file", "nothing is served of it; upkeep removes it")

    def sealed(self, path: str) -> bool:
        """Whether somebody sealed a file."""
        return path in self._seals

    def is_whole(self, path: str, where: str, what: str, hint: str = RESTORE) -> bool:
        """Whether a file is there and as it was written; what is wrong is noted, once."""
        if path not in self._looked:
            self._looked[path] = self._look(path, where, what, hint)
        return self._looked[path]

    def _look(self, path: str, where: str, what: str, hint: str) -> bool:
        mark, seal = mark_of(path), self._seals.get(path)
        self._others.discard(path)
        if mark is None:
            self._report.find("missing", where, f"the {what} {path} is missing", hint)
            return False
        self._report.files += 1
        size = int(mark.partition("-")[0])
        self._signals.announce("looked", table=where, file=path, bytes=size)
        if seal is None:
            return True
        if seal.mark is None:
            self._report.find("seal", where, f"the seal of {path} is damaged: queries refuse the file", REPAIR)
            return True
        if self._quick and seal.mark == mark:
            return True
        self._report.bytes += size
        if digest_of(path) == seal.digest:
            return True
        self._report.find("changed", where, f"the {what} {path} is not as it was written: queries refuse it", hint)
        return False

    def look_at_data(self, file: DataFile, where: str) -> bool:
        """Look at a live data file: its bytes, size and rows, and whether its members add up; False if not."""
        hint = f"{REPAIR} writes it anew where its raw file is there"
        if not self.is_whole(file.path, where, "data file", hint):
            return False
        wrong = _contradictions(file, thorough=not self._quick and not self.sealed(file.path))
        if wrong is not None:
            self._report.find("rows", where, f"the data file {file.path} {wrong}", hint)
        return wrong is None


def _contradictions(file: DataFile, *, thorough: bool) -> str | None:
    """What a data file says of itself that the table does not; all of it is decoded if that is wanted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    size, members = Path(file.path).stat().st_size, sum(member.rows for member in file.members)
    try:
        with pq.ParquetFile(file.path) as parquet:
            rows = parquet.metadata.num_rows
            if thorough:
                rows = sum(batch.num_rows for batch in parquet.iter_batches())
    except (pa.ArrowException, OSError) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"
    if size != file.bytes:
        return f"has {size:,} bytes, the table says {file.bytes:,}"
    if rows != rows_of(file):
        return f"holds {rows:,} rows, the table says {rows_of(file):,}"
    if file.members and members != rows:
        return f"holds {rows:,} rows, its arrivals add up to {members:,}"
    return None
