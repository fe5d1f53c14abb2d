"""Which columns are text because of the steps that read them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.declaration import Step
from penstock.steps import text_columns


@pytest.mark.parametrize(
    ("steps", "columns"),
    [
        ([{"parse": {"A": "date"}}, {"cast": {"b": "integer"}}], {"a", "b"}),
        ([{"trim": ["A"]}, {"case": {"b": "lower"}}, {"mask": {"c": {}}}, {"mask": ["d"]}], {"a", "b", "c", "d"}),
        ([{"replace": {"a": {"pattern": "x", "by": ""}}}], {"a"}),
        ([{"hash": ["a"]}, {"hash": {"columns": ["b"], "salt": "s"}}], {"a", "b"}),
        ([{"extract": {"column": "a", "pattern": "(x)", "into": ["b"]}}, {"trim": ["b"]}], {"a"}),
        (
            [{"split": {"column": "a", "on": ";", "into": "b"}}, {"split": {"column": "b", "on": ",", "into": "c"}}],
            {"a"},
        ),
        ([{"explode": {"column": "a", "on": ";"}}, {"explode": {"column": "b"}}], {"a"}),
        ([{"map": {"a": {"1": "one"}, "b": {"1": 2}}}], {"a"}),
        ([{"map": {"a": {"values": {"1": 2}, "otherwise": "null"}}}], {"a"}),
        ([{"rename": {"a": "b"}}, {"trim": ["B"]}], {"a"}),
        ([{"derive": {"a": "1"}}, {"trim": ["a", "b"]}], {"b"}),
        (
            [{"clip": {"a": [0, 1]}}, {"fill": {"b": 0, "c": "x"}}, {"cast": {"a": "text", "b": "text", "c": "text"}}],
            {"c"},
        ),
        ([{"sql": "SELECT a AS b FROM input"}, {"trim": ["b"]}], set()),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_text_columns(steps: list[dict[str, Any]], columns: set[str]) -> None:
    """Columns of the file whose text a step reads, before any step made something else of them."""
    assert text_columns([Step.model_validate(step) for step in steps]) == columns
