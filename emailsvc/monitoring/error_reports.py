"""Errors to Sentry, or to what takes its form: their type and place, and ids. Nothing that a caller or a server said.

An event is built anew from what is allowed, whatever the library put into it. The words of an error stay in the log,
where the line has the same ids.
"""

import atexit
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from delivery.optional import load_when_used

# Ids by which the lines of the log join, as structlog binds them.
IDS = (
    "request_id",
    "project_id",
    "email_id",
    "recipient_id",
    "attempt_id",
    "webhook_delivery_id",
    "endpoint_id",
    "provider_id",
    "task",
)
# What an id looks like, and a name in code. An address has an @, and texts have spaces.
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z")
SAFE_NAME = re.compile(r"[\w.<>/+-]{1,200}\Z")
# The keys of ours, see `emailsvc.logs.MASKS`.
SECRET = re.compile(r"es_(?:live|test)_|whsec_")
# What the library says of the event itself.
FACTS = ("event_id", "timestamp", "platform", "level", "environment")
LEVELS = {"fatal", "critical", "error"}
MOST_FRAMES = 100
FLUSH_SECONDS = 2.0


class ReportingHandler(logging.Handler):
    """Reports what is logged as an error, with its exception if there is one."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self._sdk = load_when_used("sentry_sdk")
        self._utils = load_when_used("sentry_sdk.utils")

    def emit(self, record: logging.LogRecord) -> None:
        # What the reporter itself logs would come back to it.
        if record.name.startswith(("sentry_sdk", "urllib3")):
            return
        try:
            said: Mapping[str, Any] = record.msg if isinstance(record.msg, dict) else {}
            error = find_error(record, said)
            event, hint = self._utils.event_from_exception(error) if error else ({}, {})
            name = str(said.get("event", ""))
            ids = {key: said[key] for key in IDS if key in said}
            self._sdk.capture_event(
                {**event, "level": "error", "logger": record.name, "transaction": name, "tags": ids}, hint=hint
            )
        except Exception:  # noqa: BLE001  logging never ends what it tells of
            self.handleError(record)


def find_error(record: logging.LogRecord, said: Mapping[str, Any]) -> BaseException | None:
    """The exception of a line: structlog leaves it, or a True for the one that is being handled, among the values."""
    given = record.exc_info or said.get("exc_info")
    if isinstance(given, tuple):
        error: BaseException | None = given[1]
        return error
    return given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None


def start_reports(dsn: str, environment: str, *, transport: Any = None) -> ReportingHandler:
    """Report errors of this process and of its forks from now on; `transport` stands for the network in tests."""
    sdk = load_when_used("sentry_sdk")
    sdk.init(
        dsn=dsn,
        environment=environment,
        before_send=scrub,
        before_breadcrumb=lambda *_: None,
        before_send_transaction=lambda *_: None,
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        send_client_reports=False,
        server_name="",
        transport=transport,
    )
    atexit.register(sdk.flush, timeout=FLUSH_SECONDS)
    handler = ReportingHandler()
    logging.getLogger().addHandler(handler)
    return handler


def scrub(event: Mapping[str, Any], _hint: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event with nothing but what this function names. None, so that it is not sent, for what is no error."""
    if event.get("level") not in LEVELS:
        return None
    kept: dict[str, Any] = {name: text for name in FACTS if (text := id_of(event.get(name)))}
    if isinstance(event.get("timestamp"), datetime):
        kept["timestamp"] = event["timestamp"]
    kept |= {name: text for name in ("logger", "transaction") if (text := name_of(event.get(name)))}
    tags = event.get("tags")
    if isinstance(tags, Mapping):
        kept["tags"] = {name: text for name in IDS if (text := id_of(tags.get(name)))}
    exceptions = [scrub_exception(each) for each in list_values(event.get("exception"))]
    if exceptions:
        kept["exception"] = {"values": exceptions}
    else:
        kept["message"] = kept.get("transaction", "") or "An error without an exception"
    return kept


def scrub_exception(given: Mapping[str, Any]) -> dict[str, Any]:
    """Its type and the places in code, without its text, variables and lines of source."""
    trace = given.get("stacktrace")
    frames = trace.get("frames") if isinstance(trace, Mapping) else None
    kept: dict[str, Any] = {name: text for name in ("type", "module") if (text := name_of(given.get(name)))}
    shown = [each for each in frames or () if isinstance(each, Mapping)][-MOST_FRAMES:]
    kept["stacktrace"] = {"frames": [scrub_frame(each) for each in shown]}
    return kept


def scrub_frame(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: text for name in ("module", "function", "filename") if (text := name_of(given.get(name)))}
    numbers = {name: given[name] for name in ("lineno", "in_app") if isinstance(given.get(name), int)}
    return names | numbers


def list_values(given: Any) -> Iterable[Mapping[str, Any]]:
    values = given.get("values") if isinstance(given, Mapping) else None
    return [each for each in values or () if isinstance(each, Mapping)]


def name_of(given: object) -> str:
    """A name in code, or nothing."""
    text = given if isinstance(given, str) else ""
    return text if SAFE_NAME.match(text) and not SECRET.search(text) else ""


def id_of(given: object) -> str:
    text = "" if given is None else str(given)
    return text if SAFE_ID.match(text) and not SECRET.search(text) else ""
