"""What an ESP is to us: its settings, what it can do, and where it differs from the others.

django-anymail sends; the ESP's module reads its events. `providers.esp.services` has one module for each ESP.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.esp.event_model import RawEvent, ReadEvent, list_events
from providers.esp.http_adapter import HttpAdapter, open_session
from providers.esp.repackaging import EspCall, EspFile
from providers.esp.signatures import Posted, Verifier

# Where an ESP's API is, when it is not the usual place: another region, or a stand-in.
API_URL = "api_url"
# `user:password` that the ESP was told to send with its events (HTTP Basic), beside the secret in their address.
EVENT_LOGIN = "event_login"

Settings = Mapping[str, str]


def list_arguments(esp: "Esp", settings: Settings) -> dict[str, Any]:
    """Settings that the backend takes under the same names."""
    own = {esp.event_key, EVENT_LOGIN, "message_stream"}
    return {name: value for name, value in settings.items() if name not in own}


def use_session(backend: Any, adapter: HttpAdapter) -> None:
    """Have the backend send over our connections; most do so by a session of `requests`."""
    backend.session = open_session(adapter)


def keep_file(file: EspFile) -> EspFile:
    """The service takes files as they are."""
    return file


@dataclass(frozen=True, slots=True, kw_only=True)
class Esp:
    """One ESP.

    `name` is the word for it in settings, `title` that for people, `extra` that for the libraries which it alone needs
    (`delivery.optional`). `needed` and `possible` name its settings,
    `secrets` those that are never shown. `backend` is django-anymail's class. `takes_envelope` tells that the
    recipients and the addresses in the header may differ, so that each recipient's own copy can go by itself;
    `takes_raw` that it takes our own bytes, signature and all, where the others build the message anew from its parts.
    `takes_own_header` tells that it takes a header of ours in every plan, `takes_metadata` that its events bring back
    what we gave it with the mail, `names_recipient` that they say whom they are about, and `takes_silence` that it can
    be told, for one mail, to leave links and pixels alone. `taken_status` is the one with which it takes a mail, where
    its answer has no body to tell by. `idempotency_header` is the HTTP header, `idempotency_field` the header field of
    the mail, by which it knows a repeated request. `login` is the HTTP header and the value that its API wants, `probe`
    a path that answers every good key, and costs nothing; `ask` the question where there is no such path.

    `list_events` takes a post's JSON apart; `read_event` reads one of the events by a table of the documented types.

    `event_key` names the setting with the key that its events are signed with, and `check_signature` checks such a
    signature; an ESP that signs is believed by its signature alone. Where the ESP signs nothing, the secret in the
    events' address stands alone. `check_post` decides in its place where the signature needs no key: whether a post
    holds events. `is_test_post` recognises a post that only tests the address: it holds no event and needs no key.
    `signs_event_id` tells that the signature covers an id that is used once, and not the event.

    `list_arguments` makes the backend's arguments of the settings, `connect` has it send over our connections,
    `fit_file` gives a file the form that the service takes, and `shape` changes a call's payload before it goes.
    `refused_headers` names, in lower case, header fields that the service refuses: the mail goes without them.
    `decodes_headers` tells that the service decodes what is encoded in headers, and so gets them unencoded.
    """

    name: str
    title: str
    backend: str
    needed: tuple[str, ...]
    read_event: Callable[[RawEvent, Posted], Iterable[ReadEvent]]
    extra: str = ""
    possible: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()
    takes_envelope: bool = False
    takes_raw: bool = False
    takes_own_header: bool = True
    takes_metadata: bool = True
    names_recipient: bool = True
    takes_silence: bool = False
    taken_status: int | None = None
    idempotency_header: str = ""
    idempotency_field: str = ""
    login: tuple[str, str] = ("Authorization", "Bearer {api_key}")
    probe: str = ""
    ask: Callable[[Any], object] | None = None
    event_key: str = ""
    check_signature: Verifier | None = None
    check_post: Callable[[Settings, Posted], bool] | None = None
    is_test_post: Callable[[Posted], bool] | None = None
    signs_event_id: bool = False
    list_events: Callable[[Any], Sequence[Any]] = list_events
    list_arguments: Callable[["Esp", Settings], dict[str, Any]] = list_arguments
    connect: Callable[[Any, HttpAdapter], None] = use_session
    fit_file: Callable[[EspFile], EspFile] = keep_file
    shape: Callable[[Any, EspCall], None] | None = None
    refused_headers: frozenset[str] = frozenset()
    decodes_headers: bool = False


def list_settings(esp: Esp) -> tuple[str, ...]:
    """All settings of an ESP, those that it needs first."""
    return (*esp.needed, *esp.possible, API_URL, EVENT_LOGIN)


def is_secret(esp: Esp, name: str) -> bool:
    return name in esp.secrets or name == EVENT_LOGIN
