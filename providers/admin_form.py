"""The form of a provider in the admin: one for each kind and email service, with a field for each setting.

Credentials are never shown again, and no URL holds one.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from common.errors import InvalidFieldsError
from providers.bounce_mailboxes import KINDS, MailboxInput
from providers.configuration.checks import is_hidden
from providers.configuration.model import AUTH, AUTH_MODES, NAMES, TLS_MODES
from providers.configuration.rules import list_names
from providers.esp.catalog import ESPS
from providers.mailbox_fields import SecretInput, build_mailbox_fields, name_errors, show_mailbox
from providers.models import Provider, ProviderKind
from providers.services import ProviderExistsError, show_settings
from providers.targets import ProviderTarget, read_target

COLUMNS = ("priority", "weight", "rate_limit", "connection_limit", "is_enabled")
# The prefix of the fields of settings, whose names may be those of columns.
SETTING = "setting_"
# What a person writes to remove a credential.
REMOVED = "-"
CHOICES: Mapping[str, tuple[str, ...]] = {"tls": TLS_MODES, "verify": ("yes", "no"), AUTH: AUTH_MODES}
LABELS: Mapping[str, str] = {
    "host": "Host",
    "port": "Port",
    "username": "User name",
    "password": "Password",
    "tls": "TLS",
    "verify": "Check the certificate",
    "ca": "File of certificate authorities",
    AUTH: "Login by",
    "oauth_token_url": "OAuth token URL",
    "oauth_client_id": "OAuth client ID",
    "oauth_client_secret": "OAuth client secret",
    "oauth_refresh_token": "OAuth refresh token",
    "oauth_scope": "OAuth scope",
    "source": "Local address",
    "helo": "Name in EHLO",
    "api_url": "URL of the API",
    "event_login": "Login of the event webhook",
}
KEPT = "Leave empty to keep the present one; a single hyphen removes it."


class FormKind(NamedTuple):
    """The kind of a form: that of the provider, and the name of the email service."""

    kind: ProviderKind
    esp: str = ""

    def write(self) -> str:
        """The form in URLs: `smtp`, `esp:postmark`."""
        return f"{self.kind}:{self.esp}" if self.esp else str(self.kind)

    @property
    def title(self) -> str:
        return ESPS[self.esp].title if self.esp else TITLES[self.kind]

    @property
    def names(self) -> tuple[str, ...]:
        """The settings, without the name of the email service."""
        names = list_names(self.kind, NAMES[self.kind], self.esp)
        return tuple(name for name in names if name != "esp")


TITLES: Mapping[ProviderKind, str] = {
    ProviderKind.SMTP: "SMTP relay",
    ProviderKind.MX: "Each recipient's own server",
    ProviderKind.INBOX: "Local inbox",
    ProviderKind.SIMULATOR: "Simulator",
}
FORM_KINDS = (
    FormKind(ProviderKind.SMTP),
    FormKind(ProviderKind.MX),
    *(FormKind(ProviderKind.ESP, name) for name in sorted(ESPS)),
    FormKind(ProviderKind.INBOX),
    FormKind(ProviderKind.SIMULATOR),
)


def find_form_kind(text: str, provider: Provider | None) -> FormKind | None:
    """The form of a present provider, else the one that the URL names; None for an unknown one."""
    if provider is None:
        return next((each for each in FORM_KINDS if each.write() == text), None)
    stored = provider.settings if isinstance(provider.settings, dict) else {}
    esp = str(stored.get("esp", ""))
    return FormKind(ProviderKind(provider.kind), esp if esp in ESPS else "")


def build_field(form_kind: FormKind, name: str) -> forms.Field:
    """The form field of a setting. None is required here: `read_target` knows what is."""
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    if name in CHOICES:
        choices = [("", "usual"), *((word, word) for word in CHOICES[name])]
        return forms.ChoiceField(label=label, choices=choices, required=False, widget=UnfoldAdminSelectWidget)
    if is_hidden(form_kind.kind, name, form_kind.esp):
        return forms.CharField(label=label, required=False, strip=False, widget=SecretInput(), help_text=KEPT)
    return forms.CharField(label=label, required=False, widget=UnfoldAdminTextInputWidget)


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a provider of one kind; `build_form` adds the fields of its settings."""

    form_kind: ClassVar[FormKind] = FORM_KINDS[0]
    # What the fields of settings say, once they are checked.
    target: ProviderTarget
    # The opened mailbox, or why it cannot be used: found before the admin's transaction began.
    mailbox: MailboxInput | InvalidFieldsError | None = None

    # False for a person of one project, whose providers must be at public addresses.
    is_operated = True

    class Meta:
        model = Provider
        fields: ClassVar = ["project", "name", *COLUMNS]
        widgets: ClassVar = {"name": UnfoldAdminTextInputWidget}
        help_texts: ClassVar = {
            "project": "Empty: shared by all projects that have no provider of their own.",
            "priority": "The lowest value is used first.",
            "weight": "Share of the mail among providers of the same priority.",
            "rate_limit": "Messages per second for all workers together. Empty for no limit.",
            "connection_limit": "Concurrent connections for all workers together. Empty for no limit.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"project", "rate_limit", "connection_limit"} & self.fields.keys():
            self.fields[name].required = False
        if self.is_change:
            shown = show_settings(self.instance)
            settings = {SETTING + name: value for name, value in shown.items()}
            self.initial = {**self.initial, **settings, **show_mailbox(self.instance)}

    @property
    def is_change(self) -> bool:
        return not self.instance._state.adding

    @property
    def has_new_settings(self) -> bool:
        return any(name.startswith(SETTING) for name in self.changed_data)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not name.isprintable() or len(name) > 100:
            raise forms.ValidationError("Use at most 100 printable characters.")
        return name

    def clean(self) -> dict[str, Any]:
        """Apply the checks of the services."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("weight", "rate_limit", "connection_limit"):
            if values.get(name) is not None and values[name] <= 0:
                self.add_error(name, "Must be above 0.")
        if self.has_new_settings or not self.is_change:
            self.check_settings(values)
        if isinstance(self.mailbox, InvalidFieldsError):
            for field, message in name_errors(self.mailbox.errors):
                self.add_error(field, message)
        twins = Provider.objects.filter(
            project=values.get("project", self.instance.project_id), name=values.get("name")
        )
        if twins.exclude(pk=self.instance.pk).exists():
            self.add_error("name", ProviderExistsError(name=values["name"]).detail)
        return values

    def check_settings(self, values: Mapping[str, Any]) -> None:
        """Make the target of the fields; each of its errors stands at its own field."""
        given = {name: str(values.get(SETTING + name) or "") for name in self.form_kind.names}
        settings = {name: "" if value == REMOVED else value for name, value in given.items() if value}
        if self.form_kind.esp:
            settings["esp"] = self.form_kind.esp
        self.target = ProviderTarget(kind=self.form_kind.kind, settings=settings)
        try:
            read_target(self.target, is_operated=self.is_operated, kept=self.instance if self.is_change else None)
        except InvalidFieldsError as error:
            for each in error.errors:
                field = SETTING + each.field.removeprefix("settings.")
                self.add_error(field if field in self.fields else None, each.message)


def build_form(form_kind: FormKind) -> type[ProviderForm]:
    """The form with the fields of this kind."""
    fields = {SETTING + name: build_field(form_kind, name) for name in form_kind.names}
    if form_kind.kind in KINDS:
        fields |= build_mailbox_fields()
    return type(f"{form_kind.kind.capitalize()}ProviderForm", (ProviderForm,), {"form_kind": form_kind, **fields})
