"""Reads return paths, tokens, events and JSON as the service does."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress

from common.strict_json import parse_json
from delivery.mail_id import read_mail_id
from delivery.verp import read_return_path
from messages.feedback.return_paths import read_recipient
from messages.feedback.unsubscribe_mail import read_address
from providers.configuration.model import ProviderAddress
from providers.esp.catalog import ESPS
from providers.esp.event_model import UnreadableEventError
from providers.esp.events import UNREADABLE, LoginError, convert, read_events
from providers.esp.signatures import ForgedError, Posted
from providers.esp.sns import NotFetchedError
from providers.models import ProviderKind
from tracking.engagement.tokens import TokenPurpose, read_token

REFUSALS = (LoginError, ForgedError, UnreadableEventError, NotFetchedError)
NAMES = sorted(ESPS)
KEYS = (b"one key", b"another key")


class SameHeader(Mapping[str, str]):
    """Every header has the same value, whatever it is called."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __getitem__(self, _name: str) -> str:
        return self._value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def read_any_return_path(data: bytes) -> None:
    """Nobody makes an address of ours without the key."""
    for text in (data.decode("utf-8", "replace"), data.decode("latin-1")):
        assert read_return_path(text, KEYS) is None, "a return path was forged"
        assert read_recipient(text) is None, "a return path was forged"
        assert read_address(text) is None, "an unsubscribe address was forged"
        assert read_mail_id(text, KEYS, KEYS) is None, "a mail id was forged"


def read_any_token(data: bytes) -> None:
    """Nobody makes a token of ours without the key."""
    for text in (data.decode("utf-8", "replace"), data.decode("latin-1")):
        for purpose in TokenPurpose:
            assert read_token(text, purpose) is None, "a token was forged"


def read_any_event(data: bytes) -> None:
    """A post to an ESP's event webhook: which ESP, by the first byte; a header, to the first line end; the body.

    It is read as a post that has to prove its sender, and as one that has.
    """
    first, _, body = data[1:].partition(b"\n")
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    posted = Posted(body=body, headers=SameHeader(first.decode("latin-1")))
    options = {ESPS[name].event_key: "key", "sns_topics": "arn:aws:sns:eu-west-1:123456789012:events"}
    with suppress(*REFUSALS):
        read_events(ProviderAddress(kind=ProviderKind.ESP, host=name, options=options), posted)
    try:
        items = ESPS[name].list_events(json.loads(body))
    except UNREADABLE:
        return
    for event in convert(ESPS[name], items, posted)[0]:
        for text in (event.name, event.address, event.remote_id, event.reply, event.url, event.user_agent):
            assert text.isprintable(), "a text has control characters"


def read_any_json(data: bytes) -> None:
    """A body is read, or refused with an error of the API; what was read can be written."""
    json.dumps(parse_json(data))
