"""The form of an endpoint. It applies the same rules as the API, by the same services."""

from typing import Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from common.errors import InvalidFieldsError
from webhooks.event_types import ALL, EventType
from webhooks.models import Endpoint, Format
from webhooks.posting.url_check import check_url
from webhooks.services import MAX_ENDPOINTS, TooManyEndpointsError, check_events

CHOICES = [(ALL, "All events, including those of later versions"), *((name, name) for name in EventType.values)]


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    """The URL of an endpoint and the events that it subscribes to."""

    events = forms.MultipleChoiceField(
        choices=CHOICES, initial=[ALL], widget=UnfoldAdminCheckboxSelectMultipleWidget, help_text="Events to send."
    )

    format = forms.ChoiceField(
        choices=Format.choices,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="The form of the posts. All events of another service's form are those that it has.",
    )

    class Meta:
        model = Endpoint
        fields: ClassVar = ["project", "url", "description", "format", "events"]
        labels: ClassVar = {"url": "URL"}
        help_texts: ClassVar = {"url": "An http:// or https:// URL at a public address."}
        widgets: ClassVar = {
            "url": UnfoldAdminTextInputWidget(attrs={"spellcheck": "false", "autocapitalize": "off"}),
            "description": UnfoldAdminTextInputWidget,
        }

    def clean_url(self) -> str:
        given: str = self.cleaned_data["url"].strip()
        if given == self.instance.url:
            return given
        try:
            return check_url(given)
        except InvalidFieldsError as error:
            raise forms.ValidationError([each.message for each in error.errors]) from None

    def clean_description(self) -> str:
        given: str = self.cleaned_data["description"].strip()
        if not given.isprintable():
            raise forms.ValidationError("Use printable characters only.")
        return given

    def clean_format(self) -> str:
        given: str = self.cleaned_data["format"]
        return given or self.instance.format

    def clean_events(self) -> list[str]:
        try:
            return check_events(self.cleaned_data["events"], self.cleaned_data.get("format", Format.STANDARD))
        except InvalidFieldsError as error:
            raise forms.ValidationError([each.message for each in error.errors]) from None

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        project = values.get("project")
        if project is not None and project.endpoints.filter(is_test=False).count() >= MAX_ENDPOINTS:
            self.add_error("project", TooManyEndpointsError().detail)
        return values
