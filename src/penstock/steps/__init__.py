"""Declared steps become one SELECT. Everything here is pure: values in, SQL text out."""

from penstock.steps.compile import Compiled, compile_steps, text_columns
from penstock.steps.expressions import ExpressionProblem, check_expression
from penstock.steps.frame import Field
from penstock.steps.validate import problems_of

__all__ = [
    "Compiled",
    "ExpressionProblem",
    "Field",
    "check_expression",
    "compile_steps",
    "problems_of",
    "text_columns",
]
