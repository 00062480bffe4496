"""The admin of streams. A deletion looks at mail, so it is in this package, not in `accounts`."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import Stream, StreamType
from accounts.people.scoped_admin import ScopedAdmin, ScopedFilter
from accounts.services import write_audit
from accounts.streams import NAME_RULE, build_feedback_id, create_stream, is_valid_name
from common.errors import ConflictError
from messages.streams import check_deletable, delete_stream


class StreamForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of a new stream."""

    class Meta:
        model = Stream
        fields: ClassVar = ["project", "name", "type"]
        help_texts: ClassVar = {
            "name": NAME_RULE.replace("`", ""),
            "type": "Every email of a broadcast stream offers an opt-out, and none is critical. A type never changes.",
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not is_valid_name(name):
            raise forms.ValidationError(NAME_RULE.replace("`", ""))
        return name


@admin.register(Stream)
class StreamAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """Streams are created and deleted here, never changed."""

    form = StreamForm
    list_display = ("name", "type", "project", "feedback_id", "created_at")
    list_filter = ("type", ("project", ScopedFilter))
    list_select_related = ("project",)
    search_fields = ("name",)
    # One at a time: each deletion is checked.
    actions = None

    def get_fields(self, _request: HttpRequest, obj: Stream | None = None) -> tuple[str, ...]:
        return ("project", "name", "type", *(("feedback_id", "created_at") if obj else ()))

    def get_readonly_fields(self, _request: HttpRequest, obj: Stream | None = None) -> tuple[str, ...]:
        return ("feedback_id", "created_at") if obj else ()

    @admin.display(description="Feedback-ID")
    def feedback_id(self, stream: Stream) -> str:
        return build_feedback_id(stream.project_id, stream.name)

    def has_change_permission(self, _request: HttpRequest, _obj: Stream | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        """Only a stream that can be deleted now has the button."""
        return super().has_delete_permission(request, obj) and (obj is None or is_deletable(obj))

    def save_model(self, request: HttpRequest, obj: Stream, _form: StreamForm, _change: bool) -> None:
        made = create_stream(obj.project, name=obj.name, type_=StreamType(obj.type))
        obj.__dict__.update(made.__dict__)
        details: dict[str, Any] = {"project": made.project.name, "type": made.type}
        write_audit(request.user.get_username(), "create_stream", made, **details)

    def delete_model(self, request: HttpRequest, obj: Stream) -> None:
        try:
            delete_stream(obj)
        except ConflictError as error:
            # Mail of the stream was accepted since the page was shown.
            self.message_user(request, error.detail, messages.ERROR)
            return
        write_audit(request.user.get_username(), "delete_stream", obj, project=obj.project.name)


def is_deletable(stream: Stream) -> bool:
    try:
        check_deletable(stream)
    except ConflictError:
        return False
    return True
