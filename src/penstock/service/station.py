"""What a lake that is up shows of itself: who it is, how it is, its figures, and whether there is room to go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from penstock.errors import PortTakenError
from penstock.redaction import redacted
from penstock.service.disk import DiskWatch
from penstock.service.http import TEXT, Http, asked
from penstock.service.metrics import Metrics
from penstock.service.vitals import Vitals
from penstock.version import __version__

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.state.processes import Process

JSON = "application/json"
STOPPING = ("draining", "stopped")


class Live(Protocol):
    """The lake's work, as far as it is shown."""

    @property
    def phase(self) -> str:
        """How far it is: `starting`, `running`, `paused`, `draining` or `stopped`."""

    def pause(self, reason: str) -> None:
        """Take up nothing until `resume` is called."""

    def resume(self) -> None:
        """Go on."""

    @property
    def troubles(self) -> dict[str, str]:
        """Parts that do not work, with the reason: a watcher or a worker that ended, for example."""


class Station:
    """Everything around a lake's work while it is up."""

    def __init__(self, lake: Lake, live: Live) -> None:
        """Show `live`, which works on `lake`."""
        self._lake, self._live = lake, live
        self.vitals = Vitals()
        self.disk = DiskWatch(lake.room, live, lake.signals)
        self.http: Http | None = None
        self._metrics: Metrics | None = None
        self._watch()

    def _watch(self) -> None:
        self._lake.signals.listen("unrecorded", self._note)
        self.vitals.watch("disk", lambda: self.disk.reason)
        self.vitals.watch("state", self._lake.state.overview.trouble)
        self.vitals.watch("work", self._ailing)
        self.vitals.stops_when(lambda: self._live.phase in STOPPING)

    def _note(self, event: dict[str, Any]) -> None:
        """Files could not be recorded: perhaps there was no room."""
        self._lake.room.note(event["error"])

    def _ailing(self) -> str | None:
        if self._live.phase == "starting":
            return "the lake is being opened"
        return "; ".join(f"{part}: {why}" for part, why in self._live.troubles.items()) or None

    @property
    def port(self) -> int | None:
        """Where it answers; None for nowhere."""
        return self.http.port if self.http else None

    def open(self, *port: int | None) -> list[str]:
        """Take a place among the processes, and a port if one is given; gives what people should know of it.

        A port of None is the declared one, or any that is free where nobody declared one and it is taken.

        Raises:
            PortTakenError: Another program has the port.
            PortError: It may not be taken.
        """
        others = [process for process in self._lake.processes() if process.kind == "up" and not process.is_this]
        notes = [_shared(other) for other in others]
        if port:
            self._metrics = Metrics(self._lake, self.vitals)
            notes += self._take(*port)
        self._lake.describe("up", self.port)
        self.disk.look()  # before anything is taken
        self._lake.signals.announce("up_started", pid=os.getpid(), version=__version__, port=self.port)
        return notes

    def _take(self, wanted: int | None) -> list[str]:
        """Take a port, another one where that is what anyone would want; gives what people should know."""
        up = self._lake.declaration.up
        pages = {"/healthz": self._healthz, "/metrics": self._show_metrics}
        notes = []
        try:
            self.http = Http(up.port if wanted is None else wanted, pages)
        except PortTakenError as error:
            if wanted is not None or ("port" in up.model_fields_set and not self._is_ours(up.port)):
                raise
            self.http = Http(0, pages)
            notes = [f"{error.where}: {error.what}; this one answers on port {self.http.port}"]
        self.http.start()
        return notes

    def _is_ours(self, port: int) -> bool:
        """Whether another `up` of this lake answers on a port."""
        facts = asked(port)
        return facts is not None and facts["folder"] == str(self._lake.folder)

    def say_goodbye(self, *, drained: bool) -> None:
        """Tell that the lake is not up any more, as far as this process goes."""
        self._lake.signals.announce("up_stopped", pid=os.getpid(), drained=drained)

    def start(self) -> None:
        """Look after the room on the disk from now on."""
        self.disk.start()

    def close(self) -> None:
        """Stop looking, and answer no more."""
        self.disk.stop()
        if self.http is not None:
            self.http.stop()

    def _healthz(self, _headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        health = self.vitals.health()
        facts = {
            "status": health.status,
            "reasons": [{"part": part, "reason": redacted(reason)} for part, reason in health.reasons.items()],
            "phase": self._live.phase,
            "lake": self._lake.name,
            "folder": str(self._lake.folder),
            "pid": os.getpid(),
            "version": __version__,
        }
        status = HTTPStatus.OK if health.status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return status, JSON, (json.dumps(facts) + "\n").encode()

    def _show_metrics(self, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        if self._metrics is None:  # it is made before the port is taken
            return HTTPStatus.NOT_FOUND, TEXT, b""
        text, kind = self._metrics.text(headers.get("Accept", ""))
        return HTTPStatus.OK, kind, text


def _shared(other: Process) -> str:
    """What is to be known of another process that keeps the lake alive."""
    text = f"{other} is up for this lake, too: they share the work"
    if other.is_here:
        return text
    return f"{text}, which is sound only if {other.host} is a container on this machine: locks reach no further"
