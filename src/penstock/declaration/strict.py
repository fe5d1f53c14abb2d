"""What all parts of a declaration share: strictness, and the names of types."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

TYPE_NAME = re.compile(
    r"^(?:text|boolean|integer|double|date|timestamp|timestamptz"
    r"|decimal\((?P<precision>\d{1,2}),\s*(?P<scale>\d{1,2})\))$"
)
MAX_PRECISION = 38


class Strict(BaseModel):
    """Base of all parts: no unknown keys, no conversion of types, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


def _type_name(value: str) -> str:
    match = TYPE_NAME.match(value)
    if match is None:
        message = (
            f'unknown type "{value}"; use text, boolean, integer, double, date, timestamp, timestamptz or decimal(P,S)'
        )
        raise ValueError(message)
    if match["precision"] and not (
        1 <= int(match["precision"]) <= MAX_PRECISION and int(match["scale"]) <= int(match["precision"])
    ):
        message = f'"{value}" is out of range; decimal(P,S) needs P from 1 to {MAX_PRECISION} and S from 0 to P'
        raise ValueError(message)
    return value


def _null_word(value: Any) -> Any:
    return "null" if value is None else value


QuarantineOrNull = Annotated[
    Literal["quarantine", "null"],
    BeforeValidator(_null_word),
    WithJsonSchema({"enum": ["quarantine", "null", None]}),
]
"""What a value does that cannot be had: `null` may be written with and without quotes."""
QuarantineNullOrKeep = Annotated[
    Literal["quarantine", "null", "keep"],
    BeforeValidator(_null_word),
    WithJsonSchema({"enum": ["quarantine", "null", "keep", None]}),
]
TypeName = Annotated[str, AfterValidator(_type_name)]
Expression = Annotated[str, Field(min_length=1, description="A SQL expression in DuckDB's dialect.")]
ColumnList = Annotated[list[str], Field(min_length=1)]
Scalar = str | bool | int | Annotated[float, Field(allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
