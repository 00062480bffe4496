"""Forms of projects and keys. The services validate them, as they do for the commands."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import scopes
from accounts.models import TURN_WEIGHTS, ApiKey, Project
from accounts.project_settings import check_header_pattern, check_link_scheme
from accounts.services import check_network, check_pattern
from common.addresses import AddressError, parse_address
from common.errors import ApiError

T = TypeVar("T")


def refuse_wrong(check: Callable[[], T]) -> T:
    """The result of `check`; its error becomes a form error."""
    try:
        return check()
    except ApiError as error:
        raise forms.ValidationError(error.detail) from None
    except AddressError as error:
        raise forms.ValidationError(error.message) from None


class LinesField(forms.CharField):
    """One item per line, each parsed by `check`."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, check: Callable[[str], str], **options: Any) -> None:
        super().__init__(required=False, **options)
        self.check = check
        self.widget.attrs["rows"] = 3

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        lines = [line.strip() for line in (value or "").splitlines() if line.strip()]
        return [refuse_wrong(lambda line=line: self.check(line)) for line in lines]  # type: ignore[misc]


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tenant's name, addresses, and what its emails may have."""

    allowed_headers = LinesField(
        check_header_pattern,
        help_text="Control headers of mail services, X-SMTPAPI or X-MC-*, one per line. Leave empty to allow none.",
    )

    link_schemes = LinesField(
        check_link_scheme,
        help_text="Schemes of its own that links of its templates may have, such as myapp, one per line.",
    )

    turn_weight = forms.IntegerField(
        required=False,
        min_value=TURN_WEIGHTS.start,
        max_value=TURN_WEIGHTS.stop - 1,
        widget=UnfoldAdminTextInputWidget,
        help_text="The project's mail gets this many turns where another project's gets one, 1 to 100. Empty is 1.",
    )

    class Meta:
        model = Project
        fields: ClassVar = [
            *("name", "default_from", "contact_email", "allowed_headers", "link_schemes"),
            *("turn_weight", "may_send_critical"),
            *("guard_bounce_percent", "guard_complaint_percent"),
        ]
        widgets: ClassVar = {"default_from": UnfoldAdminTextInputWidget}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not name.isprintable():
            raise forms.ValidationError("A name may contain only printable characters.")
        return name

    def clean_turn_weight(self) -> int:
        return self.cleaned_data["turn_weight"] or TURN_WEIGHTS.start

    def clean_default_from(self) -> str:
        given: str = self.cleaned_data["default_from"].strip()
        refuse_wrong(lambda: parse_address(given) if given else None)
        return given

    def clean_contact_email(self) -> str:
        given: str = self.cleaned_data["contact_email"].strip()
        parsed = refuse_wrong(lambda: parse_address(given) if given else None)
        return parsed.address if parsed else ""


class NewKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new key."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in sorted(scopes.ALL)], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    allowed_ips = LinesField(
        check_network,
        label="Allowed clients",
        help_text="Addresses or networks, one per line. Leave empty to allow any.",
    )
    allowed_recipients = LinesField(
        check_pattern, help_text="a@example.com or *@example.com, one per line. Leave empty to allow any."
    )

    class Meta:
        model = ApiKey
        fields: ClassVar = [
            *("project", "name", "is_test", "scopes", "expires_at", "allowed_ips", "allowed_recipients"),
            "hold_for_approval",
        ]
        labels: ClassVar = {"is_test": "Test key: its mail never reaches a provider"}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not name.isprintable():
            raise forms.ValidationError("A name may contain only printable characters.")
        return name
