"""Reads the stream of events: server-sent events (WHATWG HTML, 9.2.6)."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from emailsvc_client.calls import Call, get
from emailsvc_client.objects import Event

# The service ends a stream after a minute; it asks for this pause before the next one.
PAUSE = 1.0


class EventReader:
    """The place in the stream, and the lines of an event that is not whole yet."""

    PATH = "/events/stream"

    def __init__(self, *, after: str | None, types: Sequence[str]) -> None:
        self.after = after
        self._types = list(types)
        self._data: list[str] = []
        self._id = ""

    def build_call(self) -> Call[Any]:
        """The request from the present place on."""
        self._data, self._id = [], ""
        return get(self.PATH, after=self.after, types=self._types or None)

    def read(self, line: str) -> Iterator[Event]:
        """The event that this line completes, if it does."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = value
        elif name == "data":
            self._data.append(value)
        elif not line:
            found = "\n".join(self._data)
            self.after = self._id or self.after
            self._data = []
            if found:
                yield cast(Event, json.loads(found))
