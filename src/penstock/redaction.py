"""Secrets, so that none is ever shown: what was registered reads `***` in every text that leaves the product.

Values that `lake.yaml` takes from the environment and the secret parts of URLs register themselves. A secret is found
as it is, and as URLs, JSON, HTML and mail servers spell it. Whatever writes for people or programs passes its texts
through `redacted`: errors, the journal, the command line, messages.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
SHORTEST = 4
"""Shorter texts are no secrets: hiding them would riddle every sentence."""
ANYWHERE = 8
"""Texts from this length on are hidden within words, too."""
TELLING = 12
"""A part of a URL's path or query that is this long may be what gives access."""
HOSTED = re.compile(r"^(?:mailtos?|smtps?|https?|jsons?|xmls?|forms?|ntfys?|gotifys?|apprises?|file)$")
"""Schemes of URLs that start with a host's name; those of other services may start with what gives access."""
NAMED = re.compile(r"^(?:pass|password|pwd|token|key|apikey|api_key|secret|auth|signature|sig)$", re.IGNORECASE)
"""Names in a URL's query whose values give access, however short they are."""
_lock = threading.Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register(secret: str) -> None:
    """Hide `secret` from now on, in all its spellings, and each line of one that has several."""
    global _pattern  # noqa: PLW0603 - one process has one set of secrets
    parts = {secret.strip(), *(line.strip() for line in secret.splitlines())}
    with _lock:
        added = {spelled for part in parts if len(part) >= SHORTEST for spelled in _spellings(part)} - _known
        if added:
            _known.update(added)
            _pattern = re.compile("|".join(map(_bounded, sorted(_known, key=lambda text: (-len(text), text)))))


def register_login(url: str) -> None:
    """Hide the password of a URL of any kind."""
    for secret in _login_of(url):
        register(secret)


def register_address(url: str) -> None:
    """Hide what of the URL of a service that takes messages gives access: its password, and long parts of the rest."""
    for secret in (*_login_of(url), *_tokens_of(url)):
        register(secret)


def _login_of(url: str) -> list[str]:
    authority = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    login, at, _host = authority.rpartition("@")
    user, colon, password = login.partition(":")
    if not (at and colon and password):
        return []
    name, plain = unquote(user), unquote(password)
    return [password, _base64(f"{name}:{plain}"), _base64(f"\0{name}\0{plain}")]


def _tokens_of(url: str) -> Iterator[str]:
    scheme, _, rest = url.partition("://")
    whole, _, query = rest.partition("?")
    authority, *path = whole.split("/")
    pieces = path if HOSTED.match(scheme) else [*re.split("[:@]", authority), *path]
    yield from (piece for piece in pieces if len(piece) >= TELLING and not _is_plain(piece))
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if NAMED.match(name) or (len(value) >= TELLING and not _is_plain(value)):
            yield value


def redacted(text: str) -> str:
    """A text without the secrets that are registered."""
    pattern = _pattern
    return text if pattern is None else pattern.sub(MASK, text)


def redacted_value(value: Any) -> Any:
    """A value made of dicts, lists and texts, without the secrets that are registered."""
    if _pattern is None:
        return value
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {redacted_value(key): redacted_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_value(part) for part in value]
    return value


def forget() -> None:
    """Hide nothing any more; for tests."""
    global _pattern  # noqa: PLW0603 - one process has one set of secrets
    with _lock:
        _known.clear()
        _pattern = None


def _spellings(secret: str) -> set[str]:
    """A secret as it may turn up."""
    plain = {secret, unquote(secret)}
    spelled: Iterable[str] = (
        spelling
        for text in plain
        for spelling in (
            text,
            quote(text, safe=""),
            quote(text),
            quote_plus(text),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(text)[1:-1],
            html.escape(text),
            text.replace("'", "''"),
            _base64(text),
        )
    )
    return {spelling for spelling in spelled if len(spelling) >= SHORTEST}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _bounded(text: str) -> str:
    """A pattern for a text; a short one must be a word of its own."""
    escaped = re.escape(text)
    return escaped if len(text) >= ANYWHERE else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"


def _is_plain(piece: str) -> bool:
    """Whether a part of a URL is an address or a host's name, which people need to see."""
    return "@" in unquote(piece) or re.fullmatch(r"[a-z]+(?:[-.][a-z]+)*", piece) is not None
