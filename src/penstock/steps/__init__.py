"""Declared steps become one SELECT. Everything here is pure: values in, SQL text out."""

from penstock.steps.checks import others_named, table_order
from penstock.steps.compile import Compiled, Part, compile_steps
from penstock.steps.expressions import ExpressionProblem, check_expression
from penstock.steps.frame import Field
from penstock.steps.names import names_after
from penstock.steps.python import Outcome, PythonStep, load_function
from penstock.steps.source_types import SourceColumn
from penstock.steps.text_columns import text_columns
from penstock.steps.trace import Origin, trace
from penstock.steps.validate import column_problems, problems_of

__all__ = [
    "Compiled",
    "ExpressionProblem",
    "Field",
    "Origin",
    "Outcome",
    "Part",
    "PythonStep",
    "SourceColumn",
    "check_expression",
    "column_problems",
    "compile_steps",
    "load_function",
    "names_after",
    "others_named",
    "problems_of",
    "table_order",
    "text_columns",
    "trace",
]
