"""Who may do what in a deployed lake: one source for the stack's policies, the evaluator, the docs and the tests."""

from penstock.deployment.permissions.principals import (
    Principal,
    grouped,
    principal_of,
    principals,
    statements,
)

__all__ = ["Principal", "grouped", "principal_of", "principals", "statements"]
