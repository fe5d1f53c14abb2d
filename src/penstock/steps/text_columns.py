"""Which of the files' columns are text because a step says so, whatever their values look like.

A column that is trimmed, searched or hashed is text by declaration: were its type inferred, the first file would decide
what the step sees, and `007` would be hashed as 7.
"""

from __future__ import annotations

from typing import Any

from penstock.declaration import Hash, Map, Step

OPAQUE = ("sql", "python")


def text_columns(steps: list[Step]) -> set[str]:
    """Columns, in lower case, whose text a step reads itself: their type is declared and need not be inferred."""
    found: set[str] = set()
    names: dict[str, str] = {}
    touched: set[str] = set()
    for step in steps:
        if step.kind == "rename":
            names |= {new.lower(): names.get(old.lower(), old.lower()) for old, new in step.body.items()}
        elif step.kind == "derive":
            touched |= {name.lower() for name in step.body}
        elif step.kind == "bucket":
            touched.add(step.body.into.lower())
        elif step.kind in OPAQUE:
            return found  # what comes after may be made of other columns altogether
        else:
            found |= {names.get(name.lower(), name.lower()) for name in _texts_of(step)} - touched
            touched |= {name.lower() for name in _made_by(step)}
    return found


def _texts_of(step: Step) -> list[str]:
    """Columns that a step takes for text, whatever their values look like."""
    match step.kind:
        case "parse" | "cast" | "trim" | "case" | "replace" | "mask":
            return list(step.body)
        case "hash":
            return list(step.body.columns) if isinstance(step.body, Hash) else list(step.body)
        case "extract" | "split":
            return [step.body.column]
        case "explode":
            return [step.body.column] if step.body.on is not None else []
        case "map":
            return [name for name, rule in step.body.items() if _reads_text(rule)]
    return []


def _reads_text(rule: Map | dict[str, Any]) -> bool:
    """Whether what `map` looks up is text: it is, unless values of another type are to stay beside the new ones."""
    values, otherwise = (rule.values, rule.otherwise) if isinstance(rule, Map) else (rule, "keep")
    return otherwise != "keep" or any(isinstance(value, str) for value in values.values())


def _made_by(step: Step) -> list[str]:
    """Columns that are not, or are no longer, the text that stands in the file."""
    match step.kind:
        case "extract" | "split":
            return [step.body.into] if isinstance(step.body.into, str) else list(step.body.into)
        case "clip":
            return list(step.body)
        case "fill":
            return [name for name, value in step.body.items() if not isinstance(value, str)]
        case "map":
            return [name for name, rule in step.body.items() if not _reads_text(rule)]
    return []
