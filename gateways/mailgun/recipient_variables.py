"""`recipient-variables`: one form for many messages, each with one recipient's values in place of `%recipient.name%`.

Source: https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.addresses import Address, AddressError, parse_address
from common.errors import ApiError
from common.strict_json import parse_json
from gateways.compat.forms import Form
from gateways.compat.rewriting import reject, split_addresses

FIELD = "recipient-variables"
MAX_MESSAGES = 1_000
# The content of all messages of a request: a body of 2 MiB for each of 1,000 recipients would be 2 GB.
MAX_CONTENT = 64 * 1024 * 1024
# These hold no placeholders: who writes to whom, and files, is the same for all.
FIXED = frozenset({"from", "to", "cc", "bcc", "template", "attachment", "inline", FIELD})
# These are JSON, so that a value is written into a string of theirs.
JSON_FIELDS = frozenset({"t:variables", "h:X-Mailgun-Variables"})
PLACEHOLDER = re.compile(r"%recipient(?:\.(?P<name>[^%\r\n]{1,200})|_(?P<part>email|name|fname|lname)|)%")

Write = Callable[[str], str]


def is_batch(form: Form) -> bool:
    """Whether each recipient gets a message of its own; `{}` is enough."""
    return bool(form.get(FIELD))


def count_messages(form: Form) -> int:
    """The number of messages that a form asks for, up to one more than there may be."""
    if not is_batch(form):
        return 1
    given = sum(value.count(",") + 1 for value in form.get("to", ()) if isinstance(value, str))
    return max(1, min(given, MAX_MESSAGES + 1))


def list_recipients(form: Form, name: str = "to") -> list[Any]:
    """The addresses of a field that may occur several times, each with addresses between commas."""
    parts: list[Any] = []
    for value in form.get(name, ()):
        split = split_addresses(value)
        parts += split if isinstance(split, list) else [split]
    return parts


def split_form(form: Form) -> list[Form]:
    """A form for each recipient of `to`. Raises InvalidFieldsError, with `recipient_variables` for the variables."""
    variables = read_variables(form)
    recipients = fold(list_recipients(form))
    if len(recipients) > MAX_MESSAGES:
        reject("to", f"At most {MAX_MESSAGES} recipients; the request has {len(recipients)}.", "batch_size")
    forms: list[Form] = []
    size = 0
    for text, address in recipients:
        filled = dict(fill_form(form, address, variables.get(address.address.lower() if address else "", {})))
        filled["to"] = [text]
        size += sum(len(value) for name in ("html", "text") for value in filled.get(name, ()) if isinstance(value, str))
        if size > MAX_CONTENT:
            reject("", "All messages of the request together may have 64 MiB of html and text.", "too_large")
        forms.append(filled)
    return forms


def read_variables(form: Form) -> Mapping[str, Mapping[str, Any]]:
    """The variables by address, in lower case."""
    values = form[FIELD]
    if len(values) > 1 or not isinstance(values[0], str):
        reject("recipient_variables", "Must be given once, as JSON.")
    try:
        given = parse_json(values[0].encode())
    except ApiError as error:
        reject("recipient_variables", error.detail, error.public_code)
    if not isinstance(given, dict) or not all(isinstance(value, dict) for value in given.values()):
        reject("recipient_variables", "Must be an object with an object for each address.")
    return {name.strip().lower(): value for name, value in given.items()}  # type: ignore[misc]  # checked above


def fold(texts: list[Any]) -> list[tuple[Any, Address | None]]:
    """Each recipient once, with the parsed address; None for one that is wrong, which is reported later."""
    folded: dict[object, tuple[Any, Address | None]] = {}
    for index, text in enumerate(texts):
        try:
            address = parse_address(text)
        except (AddressError, TypeError, AttributeError):
            folded[index] = text, None
        else:
            folded.setdefault(address.address.lower(), (text, address))
    return list(folded.values())


def fill_form(form: Form, address: Address | None, variables: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """The fields of one recipient's form."""
    for name, values in form.items():
        if name == FIELD:
            continue
        if name in FIXED or address is None:
            yield name, values
            continue
        write = quote if name in JSON_FIELDS else str
        yield name, [fill(value, address, variables, write) if isinstance(value, str) else value for value in values]


def quote(text: str) -> str:
    """A text as a part of a string of JSON."""
    return json.dumps(text)[1:-1]


def fill(text: str, address: Address, variables: Mapping[str, Any], write: Write) -> str:
    """`text` with the recipient's values. A placeholder without a value stays, as at Mailgun."""

    def choose(found: re.Match[str]) -> str:
        if found["name"] is None:
            return write(describe(address, found["part"] or ""))
        value = variables.get(found["name"])
        if value is None:
            return found[0] if found["name"] not in variables else ""
        return write(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    return PLACEHOLDER.sub(choose, text) if "%recipient" in text else text


def describe(address: Address, part: str) -> str:
    """`%recipient%` is the mailbox, `%recipient_email%` its address, and the others are of its name."""
    first, _, last = address.name.partition(" ")
    mailbox = f"{address.name} <{address.address}>" if address.name else address.address
    return {"": mailbox, "email": address.address, "name": address.name, "fname": first, "lname": last}[part]
