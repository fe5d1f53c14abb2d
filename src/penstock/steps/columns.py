"""Steps that choose and name columns: rename, keep, drop."""

from __future__ import annotations

from dataclasses import replace

from penstock.errors import BadFileError
from penstock.naming import identifier
from penstock.steps.frame import Frame


def rename(frame: Frame, names: dict[str, str]) -> Frame:
    """Rename columns; names that are not there are passed over."""
    wanted: dict[str, str] = {}
    for old, new in names.items():
        frame.check_free(new)
        if wanted.setdefault(old.lower(), new) != new:
            message = f'{frame.place}: the column "{old}" gets two names'
            raise BadFileError(message, hint="upper and lower case are alike; keep one of the two")
    fields = tuple(replace(field, name=wanted.get(field.name.lower(), field.name)) for field in frame.fields)
    lower = [field.name.lower() for field in fields]
    doubled = next((field.name for field in fields if lower.count(field.name.lower()) > 1), None)
    if doubled is not None:
        raise BadFileError(
            f'{frame.place}: after renaming, two columns are called "{doubled}"',
            hint="drop one of them before, or choose another name",
        )
    changed = {new.name: identifier(old.name) for old, new in zip(frame.fields, fields, strict=True)}
    return frame.layer(fields, changed)


def keep(frame: Frame, names: list[str]) -> Frame:
    """Keep only these columns, in this order."""
    fields = tuple(frame.find(name) for name in names)
    if len({field.name for field in fields}) < len(fields):
        message = f"{frame.place}: a column is named twice"
        raise BadFileError(message, hint="name every column once; upper and lower case are alike")
    return frame.layer(fields, {})


def drop(frame: Frame, names: list[str]) -> Frame:
    """Leave columns out."""
    return frame.without(*(frame.find(name).name for name in names))
