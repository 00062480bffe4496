"""One call of `send_messages`: messages to requests, and outcomes back to messages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.mail import EmailMessage
from emailsvc_client.bulk import Outcomes, send_all
from emailsvc_client.calls import encode
from emailsvc_client.client import Client
from emailsvc_client.django.attachments import UnsupportedMessageError
from emailsvc_client.django.reading import direct, read_message
from emailsvc_client.django.signals import message_accepted, message_refused
from emailsvc_client.errors import ApiError, EmailsvcError, FieldProblem
from emailsvc_client.objects import EmailFields

# Statuses that tell something about the one message of a request.
ABOUT_THE_MESSAGE = frozenset({403, 409, 413, 422})
# A field that is one recipient.
RECIPIENT = re.compile(r"^(to|cc|bcc)\[(\d+)\]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that the service did not take; `addresses` are the recipients that it names."""

    message: EmailMessage
    errors: list[FieldProblem]
    addresses: list[str]

    def describe(self) -> str:
        told = "; ".join(f"{each['field']}: {each['message']}".removeprefix(": ") for each in self.errors)
        return f"{', '.join(self.addresses or self.message.recipients())} ({told})"


class MessagesRefusedError(EmailsvcError):
    """Messages of one `send_messages` were refused; `sent_count` others were accepted and are on their way."""

    def __init__(self, refusals: Sequence[Refusal], sent_count: int) -> None:
        self.refusals = list(refusals)
        self.sent_count = sent_count
        shown = "; ".join(each.describe() for each in self.refusals[:10])
        more = f"; and {len(self.refusals) - 10} more" if len(self.refusals) > 10 else ""
        super().__init__(f"{len(self.refusals)} refused, {sent_count} accepted: {shown}{more}")

    @property
    def addresses(self) -> list[str]:
        """All addresses that the service named."""
        return [address for each in self.refusals for address in each.addresses]


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A message, its fields, and the same in JSON."""

    message: EmailMessage
    fields: EmailFields
    body: bytes
    key: str | None


class Sending:
    """`sender` is that of the signals. If `is_lenient`, a message refused for some recipients goes to the others."""

    def __init__(self, client: Client, *, sender: type, is_lenient: bool) -> None:
        self._sender = sender
        self._client = client
        self._is_lenient = is_lenient
        self.sent_count = 0
        self.refusals: list[Refusal] = []

    def send(self, messages: Sequence[EmailMessage]) -> None:
        """Raises EmailsvcError for what concerns the key or the service; what was accepted before is counted."""
        outgoing = [each for message in messages for each in self._read(message)]
        # A key holds for one request, so a message with a key of its own is one.
        for each in outgoing:
            if each.key is not None:
                self._send_alone(each)
        self._send_together([each for each in outgoing if each.key is None])

    def _read(self, message: EmailMessage) -> list[Outgoing]:
        message.emailsvc_id = None  # type: ignore[attr-defined]
        try:
            fields, key = read_message(message)
            emails = [(email, encode(email)) for email in direct(fields)]
        except UnsupportedMessageError as error:
            self._refuse(message, [error.problem])
        except (ValueError, OSError, LookupError, TypeError) as error:
            self._refuse(message, [FieldProblem(field="", code="unsupported", message=str(error))])
        else:
            keys = [key] if len(emails) == 1 else [key and f"{key}-{number}" for number in range(len(emails))]
            return [
                Outgoing(message=message, fields=email, body=body, key=its_key)
                for (email, body), its_key in zip(emails, keys, strict=True)
            ]
        return []

    def _send_alone(self, outgoing: Outgoing) -> None:
        try:
            email = self._client.send_email(idempotency_key=outgoing.key, **outgoing.fields)
        except ApiError as error:
            self._settle(outgoing, read_refusal(error))
        else:
            self._accept(outgoing.message, email["id"])

    def _send_together(self, outgoing: Sequence[Outgoing]) -> None:
        outcomes = Outcomes()
        try:
            send_all(self._client, [each.body for each in outgoing], outcomes)
        finally:
            for index, email_id in outcomes.ids.items():
                self._accept(outgoing[index].message, email_id)
        for index, problems in outcomes.refused.items():
            self._settle(outgoing[index], problems)

    def _settle(self, outgoing: Outgoing, problems: list[FieldProblem]) -> None:
        """A refused message is sent to its other recipients if only some are at fault and nobody wants to be told."""
        rest = leave_out(outgoing.fields, problems) if self._is_lenient else []
        if not rest:
            self._refuse(outgoing.message, problems, outgoing.fields)
        for fields in rest:
            try:
                # Another payload, so another key.
                email = self._client.send_email(**fields)
            except ApiError as error:
                self._refuse(outgoing.message, read_refusal(error), fields)
            else:
                self._accept(outgoing.message, email["id"])

    def _accept(self, message: EmailMessage, email_id: str) -> None:
        if message.emailsvc_id is None:  # type: ignore[attr-defined]
            # One message to blind recipients is several emails; it has the id of the first.
            self.sent_count += 1
            message.emailsvc_id = email_id  # type: ignore[attr-defined]
        message_accepted.send(sender=self._sender, message=message, email_id=email_id)

    def _refuse(self, message: EmailMessage, errors: list[FieldProblem], fields: EmailFields | None = None) -> None:
        addresses = [address for each in errors if (address := find_address(each["field"], fields))]
        self.refusals.append(Refusal(message=message, errors=errors, addresses=addresses))
        message_refused.send(sender=self._sender, message=message, errors=errors)


def read_refusal(error: ApiError) -> list[FieldProblem]:
    """What is wrong with the one message of a request. Raises `error` if it is not about the message."""
    if error.status not in ABOUT_THE_MESSAGE:
        raise error
    return error.errors or [FieldProblem(field="", code=error.code, message=error.detail)]


def find_address(field: str, fields: EmailFields | None) -> str:
    """The recipient that the field is, or nothing."""
    match = RECIPIENT.match(field)
    listed: Any = (fields or {}).get(match[1]) if match else None
    return str(listed[int(match[2])]) if match and listed and int(match[2]) < len(listed) else ""


def leave_out(fields: EmailFields, problems: Sequence[FieldProblem]) -> list[EmailFields]:
    """The email without the recipients that are at fault; nothing if something else is, or nobody is left."""
    places = [RECIPIENT.match(each["field"]) for each in problems]
    if not all(places):
        return []
    bad = {(place[1], int(place[2])) for place in places if place}
    rest: dict[str, Any] = dict(fields)
    for name in ("to", "cc", "bcc"):
        listed = [address for index, address in enumerate(rest.get(name, [])) if (name, index) not in bad]
        rest[name] = listed
    return direct(EmailFields(**rest))  # type: ignore[typeddict-item]
