"""What AWS calls is thin: whatever it does is done by code that other tests call as well."""

from __future__ import annotations

import ast
import inspect

import pytest

from penstock.deployment import handlers
from tests.aws.synthesised import LAKES, template_of

LINES = 10


def called() -> dict[str, int]:
    """The functions of the module, with the number of lines that each has, from `def` to its end."""
    tree = ast.parse(inspect.getsource(handlers))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}


def test_handlers_have_ten_lines_at_most() -> None:
    """A handler opens the lake and hands over what it was given, and nothing else."""
    assert called()
    assert all(0 < lines <= LINES for lines in called().values()), called()


@pytest.mark.parametrize("lake", LAKES)
def test_the_template_calls_just_these(lake: str) -> None:
    """Each function of the stack calls a handler that there is, and each handler is called."""
    resources = template_of(lake).resources.values()
    named = [one["Properties"]["Handler"] for one in resources if one["Type"] == "AWS::Lambda::Function"]
    assert sorted(named) == sorted(f"{handlers.__name__}.{name}" for name in called())
