"""What policies say to a request, told offline as IAM tells it: a denial wins, then a permission, else it is refused.

It knows the part of IAM's language that policies here are written in, and refuses to answer where a policy uses more:
an unknown condition operator is an error, never a guess. Beside what is written down in AWS's guide these hold:

- Actions and keys of conditions are compared without regard to case, resources and values with it.
- `*` and `?` stay within one of the six parts of an ARN, of which the last may hold anything.
- A condition whose key the request does not have is not met; a negated one (`StringNotEquals`) is.
- Several policies are one: an answer is the answer of all their statements together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from penstock.errors import AccessError

Context = Mapping[str, str | tuple[str, ...]]
Policy = Mapping[str, Any]
_ARN_PARTS = 6
_VARIABLE = re.compile(r"\$\{(?P<name>[^},]+?)\s*(?:,\s*'(?P<default>[^']*)')?\}")
_SIGNS = {"*": "\ue000", "?": "\ue001", "$": "$"}
"""What `${*}`, `${?}` and `${$}` stand for: the sign itself; a private sign keeps it from being a wildcard."""
ELEMENTS = frozenset({"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"})


@dataclass(frozen=True)
class Request:
    """What somebody asks AWS to do.

    Attributes:
        action: Such as `s3:GetObject`.
        resource: The ARN that it is done to; `*` for an action that is done to none.
        context: What else is known, by the keys of conditions: `aws:SourceAccount`, `kms:ViaService`, `s3:prefix`.
        principal: Who asks, for policies that stand at a resource or a role: an ARN, or a service's name.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    principal: str = ""


@dataclass(frozen=True)
class Decision:
    """An answer, and the statement that gave it.

    Attributes:
        allowed: Whether the request may be made.
        sid: The statement that allows or denies it; empty where none is about it.
        denied: Whether a statement denies it, which no other can overrule.
    """

    allowed: bool
    sid: str = ""
    denied: bool = False


def evaluate(policies: Iterable[Policy], request: Request) -> Decision:
    """What these policies together say to a request.

    Raises:
        AccessError: A policy uses what is not known here.
    """
    statements = [statement for policy in policies for statement in _statements(policy)]
    fitting = [statement for statement in statements if _fits(statement, request)]
    for effect, allowed in (("Deny", False), ("Allow", True)):
        for statement in fitting:
            if statement["Effect"] == effect:
                return Decision(allowed, str(statement.get("Sid", "")), denied=not allowed)
    return Decision(allowed=False)


def _statements(policy: Policy) -> list[Mapping[str, Any]]:
    found = policy["Statement"]
    statements = [found] if isinstance(found, Mapping) else list(found)
    for statement in statements:
        if unknown := set(statement) - ELEMENTS:
            raise _unknown(f"a statement with {', '.join(sorted(unknown))}", statement)
        if statement.get("Effect") not in {"Allow", "Deny"}:
            raise _unknown(f"the effect {statement.get('Effect')!r}", statement)
    return statements


def _fits(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        _fits_principal(statement, request)
        and _fits_action(statement, request)
        and _fits_resource(statement, request)
        and all(
            _meets(operator, key, _listed(values), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _fits_principal(statement: Mapping[str, Any], request: Request) -> bool:
    if "Principal" not in statement:
        return True
    wanted = statement["Principal"]
    if isinstance(wanted, str):
        return wanted == "*"
    named = [who for whose in wanted.values() for who in _listed(whose)]
    account = request.principal.split(":")[4] if request.principal.startswith("arn:") else None
    return any(
        who in {"*", request.principal} or (account is not None and _account_of(who) == account) for who in named
    )


def _account_of(principal: str) -> str | None:
    """The account that a principal stands for as a whole; None for one that is somebody in it, or a service."""
    if re.fullmatch(r"\d{12}", principal):
        return principal
    found = re.fullmatch(r"arn:[^:]*:iam::(\d{12}):root", principal)
    return found[1] if found else None


def _fits_action(statement: Mapping[str, Any], request: Request) -> bool:
    asked = request.action.lower()
    if "NotAction" in statement:
        return not any(_pattern(text.lower()).match(asked) for text in _listed(statement["NotAction"]))
    return any(_pattern(text.lower()).match(asked) for text in _listed(statement["Action"]))


def _fits_resource(statement: Mapping[str, Any], request: Request) -> bool:
    if "NotResource" in statement:
        return not any(_is_like(text, request.resource, request.context) for text in _listed(statement["NotResource"]))
    if "Resource" not in statement:
        return "Principal" in statement  # a trust policy, which is about its role
    return any(_is_like(text, request.resource, request.context) for text in _listed(statement["Resource"]))


def _is_like(pattern: str, arn: str, context: Context) -> bool:
    """Whether an ARN fits a pattern, part by part."""
    text = _with_variables(pattern, context)
    if text is None:
        return False
    if text == "*":
        return True
    wanted, found = text.split(":", _ARN_PARTS - 1), arn.split(":", _ARN_PARTS - 1)
    return len(wanted) == len(found) and all(
        _pattern(part).match(there) is not None for part, there in zip(wanted, found, strict=True)
    )


def _with_variables(text: str, context: Context) -> str | None:
    """A text with the values of its variables; None where the request has no such value."""
    known = {key.lower(): value for key, value in context.items()}
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        if found["name"] in _SIGNS:
            return _SIGNS[found["name"]]
        there = known.get(found["name"].lower(), found["default"])
        if not isinstance(there, str):
            missing = True
            return ""
        return there.replace("*", _SIGNS["*"]).replace("?", _SIGNS["?"])

    replaced = _VARIABLE.sub(value, text)
    return None if missing else replaced


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    made = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in text)
    return re.compile(rf"(?s:{_plain(made)})\Z")


def _plain(text: str) -> str:
    return text.replace(_SIGNS["*"], r"\*").replace(_SIGNS["?"], r"\?")


# --- Conditions -------------------------------------------------------------------------------

Compared = Callable[[str, str], bool]


def _equals(wanted: str, found: str) -> bool:
    return wanted.replace(_SIGNS["*"], "*").replace(_SIGNS["?"], "?") == found


def _like(wanted: str, found: str) -> bool:
    return _pattern(wanted).match(found) is not None


def _arn_like(wanted: str, found: str) -> bool:
    return wanted.count(":") >= _ARN_PARTS - 1 and _is_like(wanted, found, {})


def _bool(wanted: str, found: str) -> bool:
    return wanted.lower() == found.lower()


def _number(compare: Callable[[float, float], bool]) -> Compared:
    def compared(wanted: str, found: str) -> bool:
        try:
            return compare(float(found), float(wanted))
        except ValueError:
            return False

    return compared


OPERATORS: Mapping[str, tuple[Compared, bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (lambda wanted, found: _equals(wanted.lower(), found.lower()), False),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_bool, False),
    "NumericLessThan": (_number(lambda found, wanted: found < wanted), False),
    "NumericLessThanEquals": (_number(lambda found, wanted: found <= wanted), False),
    "NumericGreaterThanEquals": (_number(lambda found, wanted: found >= wanted), False),
}
"""How a condition compares, and whether it is met where nothing fits."""


def _meets(operator: str, key: str, wanted: Sequence[str], context: Context) -> bool:
    quantity, _, plain = operator.rpartition(":")
    if_exists = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    found = next((value for name, value in context.items() if name.lower() == key.lower()), None)
    if plain == "Null":
        return any((found is None) == (text.lower() == "true") for text in wanted)
    if plain not in OPERATORS or quantity not in {"", "ForAnyValue", "ForAllValues"}:
        raise _unknown(f"the condition {operator}", {})
    if found is None:
        return if_exists or quantity == "ForAllValues" or (OPERATORS[plain][1] and not quantity)
    compare, negated = OPERATORS[plain]
    texts = [text for text in (_with_variables(value, context) for value in wanted) if text is not None]
    values = (found,) if isinstance(found, str) else found
    if not quantity and not isinstance(found, str):
        raise _unknown(f"{operator} of {key}, which has several values", {})
    met = [any(compare(text, value) for text in texts) != negated for value in values]
    return all(met) if quantity == "ForAllValues" else any(met)


def _listed(value: Any) -> list[str]:
    return [str(value)] if isinstance(value, (str, bool, int)) else [str(text) for text in value]


def _unknown(what: str, statement: Mapping[str, Any]) -> AccessError:
    message = f"a policy uses {what}, which the evaluator does not know"
    return AccessError(message, where=str(statement.get("Sid", "")), hint="teach it in access/evaluate.py, with tests")
