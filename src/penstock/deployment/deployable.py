"""What a declaration says that cannot be deployed: refused with its place in the file, never left out in silence.

What is to stay on this machine is named in `aws.here_only`; then it is left out, and the template says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from penstock.cloudformation import camel
from penstock.declaration import (
    PLAIN_MAIL,
    Declaration,
    Document,
    Examined,
    Notice,
    may_hold_secret,
    notice_name,
    sql_of,
    staying,
)
from penstock.errors import Problem, QueryError
from penstock.naming import TableName
from penstock.notices.targets import OUTBOX
from penstock.queries.cloudformation import deployed_queries
from penstock.queries.named import compiled_unseen

HERE = Path()
LONGEST_SQL = 262_144
LONGEST_BUCKET = 63
AFTER_STACK = len("-processed-123456789012-ap-southeast-1")
"""What comes after the stack's name in the longest name of a bucket."""
LONGEST_ROLE = 64
"""Of roles, functions, rules, schedules and their groups."""
AFTER_SHORT = len("-schedule")
"""What comes after the stack's name in the longest name of these, declared roles aside."""
LONGEST_LAKE = 49
MOST_TAGS = 49
"""What AWS takes, and one of ours beside."""
MOST_ALARM_NOTICES = 4
"""Alarms can tell five topics, one of which is that of all alarms."""
LONGEST_TAG_KEY, LONGEST_TAG_VALUE = 128, 256
_TAG = re.compile(r"^[\w\s.:/=+@-]*$")


def refusals(examined: Examined, folder: Path = HERE) -> list[Problem]:
    """Everything that keeps the declaration of the lake in `folder` from being deployed, in no order.

    Its own problems are left aside.
    """
    if examined.declaration is None:
        return []
    document, declaration = examined.document, examined.declaration
    return [
        *_variables(document, declaration),
        *_workflows(document, declaration),
        *_queries(document, declaration, folder),
        *_notices(document, declaration),
        *_tags(document, declaration),
        *_names(document, declaration),
    ]


def _variables(document: Document, declaration: Declaration) -> Iterator[Problem]:
    """What functions would read and not know: they have no environment of ours, only secrets that are named."""
    here = staying(document)
    for path, name in document.variables:
        stays = any(path[: len(part)] == part for part in here) or path[:2] == ("aws", "secrets")
        named = name in declaration.aws.secrets
        if stays or (named and may_hold_secret(path)):
            continue
        if named:
            text = f"${{{name}}} is a secret on AWS, and here it would be shown to many; write the value itself"
        elif may_hold_secret(path):
            text = (
                f"functions on AWS have no environment variable {name}; keep its value as a secret of AWS Secrets "
                f"Manager, and say which: aws: {{secrets: {{{name}: NAME}}}}"
            )
        else:
            text = f"functions on AWS have no environment variable {name}; write the value itself"
        yield document.problem(path, text)


def _workflows(document: Document, declaration: Declaration) -> Iterator[Problem]:
    for name in declaration.workflows:
        if f"workflows.{name}" not in declaration.aws.here_only:
            text = f"workflows are not deployed yet; {_leave('workflows.' + name)}"
            yield document.problem(("workflows", name), text, at_key=True)
    stays = all(f"workflows.{name}" in declaration.aws.here_only for name in declaration.workflows)
    if declaration.allow_exec and not (declaration.workflows and stays):
        text = "no program can be started on AWS; leave allow_exec out"
        yield document.problem(("allow_exec",), text, at_key=True)


def _queries(document: Document, declaration: Declaration, folder: Path) -> Iterator[Problem]:
    """Saved queries that Athena's console cannot have."""
    tables = [TableName.parse(name) for name in declaration.tables]
    seen: dict[str, str] = {}
    for name, query in deployed_queries(declaration).items():
        if (first := seen.setdefault(camel(name), name)) != name:
            text = f'queries have letters and digits only in CloudFormation, in which "{name}" is the same as "{first}"'
            yield document.problem(("queries", name), text, at_key=True)
        try:
            found = compiled_unseen(sql_of(query, folder), declaration.lake, tables)
            size = len(found.encode())
            why = "" if size <= LONGEST_SQL else f"it has {size} bytes in Athena's dialect, which takes {LONGEST_SQL}"
        except QueryError as error:
            why = error.what
        if why:
            text = f"cannot be put into Athena's console: {why}; {_leave('queries.' + name)}"
            yield document.problem(("queries", name), text, at_key=True)


def _leave(part: str) -> str:
    return f"if it is to stay on this machine, say so: aws: {{here_only: [{part}]}}"


def _notices(document: Document, declaration: Declaration) -> Iterator[Problem]:
    telling = 0
    for at, notice in enumerate(declaration.notices or ()):
        part = f"notices.{notice_name(notice, at)}"
        if part in declaration.aws.here_only:
            continue
        yield from _receivers(document, declaration, at, notice, part)
        telling += notice.is_about("alarm", None) or notice.is_about("ok", None)
        if telling > MOST_ALARM_NOTICES:
            text = f"an alarm on AWS can tell {MOST_ALARM_NOTICES} notices; join some of them; or {_leave(part)}"
            yield document.problem(("notices", at), text)
            telling = 0


def _receivers(document: Document, declaration: Declaration, at: int, notice: Notice, part: str) -> Iterator[Problem]:
    for index, receiver in enumerate(notice.receivers):
        place = ("notices", at, "to", index) if isinstance(notice.to, list) else ("notices", at, "to")
        if receiver not in declaration.access:
            if not _goes(receiver):
                yield document.problem(place, f"{_only_mail('this is something else')}; {_leave(part)}")
            continue
        for which, contact in enumerate(declaration.access[receiver].contacts):
            if not _goes(contact):
                where = ("access", receiver, "contacts", which)
                yield document.problem(where, f"{_only_mail('this is something else')}; {_leave(part)}")


def _goes(receiver: str) -> bool:
    """Whether a receiver has a meaning on AWS; what goes into a folder here is the messages of a topic there."""
    return bool(PLAIN_MAIL.match(receiver)) or receiver.startswith(OUTBOX)


def _only_mail(found: str) -> str:
    return f'on AWS, notices go to e-mail addresses, like "mailto:ops@example.org"; {found}'


def _tags(document: Document, declaration: Declaration) -> Iterator[Problem]:
    if len(declaration.tags) > MOST_TAGS:
        text = f"AWS takes {MOST_TAGS} tags beside Penstock's own; found {len(declaration.tags)}"
        yield document.problem(("tags",), text, at_key=True)
    seen: dict[str, str] = {}
    for key, value in declaration.tags.items():
        path = ("tags", key)
        if not key or len(key) > LONGEST_TAG_KEY or not _TAG.match(key):
            yield document.problem(path, f"{_TAG_RULE}, at most {LONGEST_TAG_KEY} of them", at_key=True)
        elif key.lower().startswith(("aws:", "penstock:")):
            yield document.problem(
                path, "tags that begin with aws: or penstock: are not the lake's to set", at_key=True
            )
        elif (first := seen.setdefault(camel(key), key)) != key or not camel(key):
            text = f'AWS parameters have letters and digits only, in which this is the same as "{first}"'
            yield document.problem(path, text, at_key=True)
        if len(value) > LONGEST_TAG_VALUE or not _TAG.match(value):
            yield document.problem(path, f"{_TAG_RULE}, at most {LONGEST_TAG_VALUE} of them")


_TAG_RULE = "AWS takes letters, digits, spaces and . : / = + @ - _ in tags"


def _names(document: Document, declaration: Declaration) -> Iterator[Problem]:
    aws = declaration.aws
    stack = aws.stack_name(declaration.lake)
    buckets = (aws.buckets.raw, aws.buckets.processed, aws.buckets.enriched)
    room = LONGEST_BUCKET - AFTER_STACK
    place = ("aws", "stack") if aws.stack else ("lake",)
    if None in buckets and len(stack) > room:
        text = (
            f'the stack would be "{stack}", {len(stack)} letters; its buckets are named after it '
            f"(STACK-processed-ACCOUNT-REGION), a bucket's name has {LONGEST_BUCKET} letters at most, and so the "
            f"stack's {room}; give it another name: aws: {{stack: {_shorter(stack, room)}}}, or the buckets, all "
            "three, in aws.buckets"
        )
        yield document.problem(place, text)
    elif len(stack) > LONGEST_ROLE - AFTER_SHORT:
        room = LONGEST_ROLE - AFTER_SHORT
        text = (
            f'the stack would be "{stack}", {len(stack)} letters; its roles and functions are named after it '
            f"(STACK-schedule), a role's name has {LONGEST_ROLE} letters at most, and so the stack's {room}; "
            f"give it another name: aws: {{stack: {_shorter(stack, room)}}}"
        )
        yield document.problem(place, text)
    if len(declaration.lake) > LONGEST_LAKE:
        yield document.problem(("lake",), f"on AWS, a lake's name has {LONGEST_LAKE} letters at most")
    for role in declaration.access:
        if len(f"{stack}-role-{role}") > LONGEST_ROLE:
            name = f"{stack}-role-{role}"
            text = (
                f'its IAM role would be "{name}", {len(name)} letters, and such a name has {LONGEST_ROLE} at most; '
                "shorten the role's name, or the stack's: aws: {stack: ...}"
            )
            yield document.problem(("access", role), text, at_key=True)
    for kind, names in (("roles", declaration.access), ("tables' layers", _layers(declaration))):
        seen: dict[str, str] = {}
        for name in names:
            if (first := seen.setdefault(camel(name), name)) != name:
                where = ("access", name) if kind == "roles" else ("tables",)
                text = (
                    f'{kind} have letters and digits only in CloudFormation, in which "{name}" is the same as "{first}"'
                )
                yield document.problem(where, text, at_key=True)


def _shorter(stack: str, room: int) -> str:
    """A name for a stack that is short enough: as many of its words as fit."""
    words = stack.removeprefix("penstock-")[:room].split("-")
    whole = words if len(stack.removeprefix("penstock-")) <= room else words[:-1] or words
    return "-".join(whole).strip("-")


def _layers(declaration: Declaration) -> list[str]:
    return sorted({TableName.parse(name).layer for name in declaration.tables})
