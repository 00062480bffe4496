"""The fields of a bounce mailbox in the admin's form of a provider: one for each part, its login never shown."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from common.errors import FieldError
from providers.bounce_mailboxes import FIELD, LOGIN, PARTS, describe_mailbox, find_mailbox
from providers.models import Provider

# The prefix of the fields, whose names may be those of settings.
PREFIX = "mailbox_"
NAMES = tuple(PREFIX + part for part in PARTS)


class SecretInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]
    """A text that is never shown again, not even after an error."""

    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "off", "spellcheck": "false"})

    def format_value(self, _value: object) -> None:
        return None


def build_mailbox_fields() -> dict[str, forms.Field]:
    """None is required here: `bounce_mailboxes.build_mailbox` knows what is."""
    ways = [("", "No bounce mailbox"), ("imaps", "IMAP over TLS"), ("pop3s", "POP3 over TLS")]
    fates = [("no", "deleted"), ("yes", "kept")]
    fields: dict[str, forms.Field] = {
        "protocol": forms.ChoiceField(label="Bounces come to", choices=ways, widget=UnfoldAdminSelectWidget),
        "host": build_text("Its host"),
        "port": build_text("Its port", "Empty: 993 for IMAP, 995 for POP3."),
        "username": build_secret("Its user name"),
        "password": build_secret("Its password"),
        "folder": build_text("Its folder", "Empty: INBOX. POP3 has none."),
        "keep": forms.ChoiceField(label="Reports there are", choices=fates, widget=UnfoldAdminSelectWidget),
    }
    for field in fields.values():
        field.required = False
    return {PREFIX + name: field for name, field in fields.items()}


def build_text(label: str, help_text: str = "") -> forms.Field:
    return forms.CharField(label=label, help_text=help_text, widget=UnfoldAdminTextInputWidget)


def build_secret(label: str) -> forms.Field:
    kept = "Leave empty to keep the present one, for the same host."
    return forms.CharField(label=label, help_text=kept, strip=False, widget=SecretInput())


def show_mailbox(provider: Provider) -> dict[str, str]:
    """The fields' present values, without the login."""
    found = describe_mailbox(provider) or {}
    values = {name: str(found[name]) for name in ("protocol", "host", "port", "folder") if name in found}
    return {PREFIX + name: value for name, value in {**values, "keep": "yes" if found.get("keep") else "no"}.items()}


def read_parts(posted: QueryDict) -> dict[str, str]:
    """The parts in a posted form. All but the password lose spaces around them."""
    texts = {part: posted.get(PREFIX + part, "") for part in PARTS}
    return {part: text if part == "password" else text.strip() for part, text in texts.items()}


def is_removed(posted: Mapping[str, Any], provider: Provider) -> bool:
    """Whether the form says that the present mailbox is no longer used. A form without the fields says nothing."""
    return posted.get(PREFIX + "protocol") == "" and find_mailbox(provider) is not None


def is_new(parts: Mapping[str, str], provider: Provider | None) -> bool:
    """Whether these parts are another mailbox than the present one, or another login of it."""
    if not parts["protocol"]:
        return False
    if provider is None or find_mailbox(provider) is None or any(parts[name] for name in LOGIN):
        return True
    shown = show_mailbox(provider)
    return any(parts[name] != shown[PREFIX + name] for name in PARTS if name not in LOGIN)


def name_errors(errors: Iterable[FieldError]) -> list[tuple[str, str]]:
    """The field and the words of each error; one about the whole mailbox stands at its host."""
    return [(PREFIX + (error.field.removeprefix(FIELD).removeprefix(".") or "host"), error.message) for error in errors]
