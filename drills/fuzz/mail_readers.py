"""Reads mail and reports as the service does, and checks what the readers promise about the result."""

import json

from delivery.mime.reader import read_mail
from delivery.reports.parse import describe_report, parse_report
from gateways.mime.parts import LIMITS
from gateways.mime.reading import read_mail_request
from messages.feedback.unsubscribe_mail import read_mail as read_unsubscribe_mail

MAX_DECODED = 1 << 20


def read_any_report(data: bytes) -> None:
    """A report reads without an error, and its description is JSON. The unsubscribe mail's reader takes the same."""
    json.dumps(describe_report("mail", parse_report(data)))
    read_unsubscribe_mail(data)


def read_any_mail(data: bytes) -> None:
    """A mail is taken apart without an error; its parts lie inside of it, and each can be decoded."""
    for part in read_mail(data, LIMITS).list_leaves():
        assert 0 <= part.start <= part.end <= len(part.source), "a part lies outside of its mail"
        part.decode(MAX_DECODED)
        part.decode_text()
        assert len(part.filename) <= 255, "a file name is too long"
        for field in part.fields:
            field.decode()


def read_any_request(data: bytes) -> None:
    """A mail becomes a draft with errors, each of which names a field, or is refused."""
    for error in read_mail_request(data).errors:
        assert error.field, "an error names no field"
