"""Lines to AWS that fail: requests that get lost or come late, answers that never arrive, and AWS asking to slow down.

Nothing is pretended about what AWS does with a request that reaches it: it is sent for real. Only what boto3 sees of it
is changed, below its own repetition of requests, so that it repeats them as it would.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from penstock import aws

if TYPE_CHECKING:
    import pytest

Then = Callable[[], object]


class Line:
    """The line to one operation of one service, for as long as the block takes."""

    def __init__(self, service: str, operation: str, region: str | None = None) -> None:
        """Let everything through at first; of the clients that name this region."""
        self._events = aws.client(service, region).meta.events
        self._event = f"before-send.{service}.{operation}"
        self.lost_requests = self.lost_answers = self.throttled = 0
        """How many of the next requests, and of the next answers, are lost, and how many requests are refused."""
        self.instead: list[tuple[int, dict[str, Any]]] = []
        """What is answered to the next requests in AWS's place: a status, and the fields."""
        self.between: Then | None = None
        """What happens after the first request whose answer is lost."""
        self.kept: list[Any] = []
        self.sent = 0

    def __enter__(self) -> Self:
        """Take the line over."""
        self._events.register(self._event, self._send)
        return self

    def __exit__(self, *_error: object) -> None:
        """Give it back."""
        self._events.unregister(self._event, self._send)

    def _send(self, request: Any, **_facts: object) -> AWSResponse | None:
        self.sent += 1
        if self.throttled:
            self.throttled -= 1
            return _answer(request, 400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
        if self.instead:
            return _answer(request, *self.instead.pop(0))
        if self.lost_requests:
            self.lost_requests -= 1
            self.kept.append(request)
            raise ReadTimeoutError(endpoint_url=request.url)
        if self.lost_answers:
            self.lost_answers -= 1
            URLLib3Session().send(request)
            if self.between is not None:
                then, self.between = self.between, None
                then()
            raise ReadTimeoutError(endpoint_url=request.url)
        return None

    def deliver(self) -> int:
        """Let the first request that was lost arrive after all; gives the status of its answer."""
        return int(URLLib3Session().send(self.kept[0]).status_code)


def _answer(request: Any, status: int, facts: dict[str, Any]) -> AWSResponse:
    body = json.dumps(facts).encode()
    raw = SimpleNamespace(stream=io.BytesIO(body).read, headers={})
    answer = AWSResponse(request.url, status, {"Content-Type": "application/x-amz-json-1.1"}, raw)
    answer._content = body  # nothing need be read from a connection
    return answer


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 repeat requests without waiting in between."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
