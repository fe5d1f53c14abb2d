"""Any sequence of files: the table holds what a plain reading of the files says, for two readers of the format."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.road.lakes import ask
from tests.road.schemas import lake_of, rows, run, types

COLUMNS = ["a", "b", "c"]
VALUES = {
    "integers": ["0", "7", "-12"],
    "large integers": ["9007199254740993", "9223372036854775807"],
    "huge integers": ["12345678901234567890"],
    "numbers": ["1.5", "-0.25"],
    "dates": ["2024-01-05", "1999-12-31"],
    "stamps": ["2024-01-05 10:00", "2024-01-06T00:00:01"],
    "truths": ["true", "false"],
    "texts": ["x", "007"],
    "nothing": [""],
}


@dataclass(frozen=True)
class File:
    """One version of a file."""

    key: int
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    @property
    def text(self) -> str:
        """The file as it lands; an id makes each row one of a kind."""
        lines = [",".join(("id", *self.header))]
        lines += [",".join((str(1000 * self.key + at), *row)) for at, row in enumerate(self.cells)]
        return "\n".join(lines) + "\n"


@st.composite
def files(draw: st.DrawFn) -> File:
    """A file with some of the columns in some order; most values of a column are of one kind."""
    header = tuple(draw(st.permutations(COLUMNS))[: draw(st.integers(1, 3))])
    count = draw(st.integers(1, 3))
    kinds = {name: draw(st.sampled_from(sorted(VALUES))) for name in header}
    cell = {
        name: st.sampled_from(VALUES[kind] * 3 + VALUES["nothing"] + VALUES["integers"][:1])
        for name, kind in kinds.items()
    }
    return File(
        draw(st.integers(0, 2)), header, tuple(tuple(draw(cell[name]) for name in header) for _ in range(count))
    )


@dataclass
class Model:
    """What files say, kept as texts."""

    newest: dict[int, File] = field(default_factory=dict)

    def expected(self) -> dict[int, dict[str, str]]:
        """Every row by its id, with the text of each value."""
        return {
            1000 * key + at: {name: text for name, text in zip(file.header, row, strict=True) if text}
            for key, file in self.newest.items()
            for at, row in enumerate(file.cells)
        }


def means(text: str, value: Any) -> bool:
    """Whether a value of the table is what a text stands for, to the last digit."""
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, datetime):
        return datetime.fromisoformat(text) == value
    if hasattr(value, "isoformat"):
        return bool(value.isoformat() == text)
    return Fraction(text) in {Fraction(value), Fraction(str(value))}


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(files(), min_size=2, max_size=5))
def test_old_files_read_correctly_after_every_change(deliveries: list[File]) -> None:
    """After each file every row is in the table with its exact values, or in quarantine; none is both, none is lost."""
    with tempfile.TemporaryDirectory() as folder:
        lake, model = lake_of(Path(folder)), Model()
        kinds: dict[str, str] = {}
        for file in deliveries:
            summary = run(lake, **{f"f{file.key}_csv": file.text})
            assert summary.dead == []
            model.newest[file.key] = file
            expected, names = model.expected(), list(types(lake))
            found = {row[0]: dict(zip(names, row, strict=True)) for row in rows(lake)}
            aside = ask(lake, "SELECT raw FROM penstock.quarantine")
            set_aside = {int(raw.split(",")[0]) for (raw,) in aside}
            assert found.keys() | set_aside == expected.keys()
            assert not found.keys() & set_aside
            for at, row in found.items():
                filled = {name: value for name, value in row.items() if value is not None and name != "id"}
                assert filled.keys() == expected[at].keys(), (at, row)
                assert all(means(expected[at][name], value) for name, value in filled.items()), (at, row, expected[at])
            now = types(lake)
            for name, kind in kinds.items():
                assert kind == now[name] or now[name] != "VARCHAR" or kind == "VARCHAR", "nothing becomes text"
            kinds = now
            for name, kind, line, value in ask(
                lake, "SELECT column_name, type, line, value FROM penstock.schema_history WHERE line IS NOT NULL"
            ):
                assert value is not None, (name, kind, line)
