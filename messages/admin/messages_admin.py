"""The admin of messages, for support staff: search, the page of a message, and actions."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.models import AuditEntry
from accounts.people.scoped_admin import ScopedFilter
from accounts.services import store_audit
from common.client_ip import find_origin
from messages.admin import bodies
from messages.admin.actions import ADMIN_ACTIONS, new_ticket
from messages.admin.buttons import BULK_ACTIONS, STYLE, ActingAdmin
from messages.admin.change_list import CreatedFilter, KeysetChangeList, TagFilter, shorten
from messages.admin.page import COLOURS, build_message_story, is_moving, with_page
from messages.admin.searching import SearchingAdmin
from messages.admin.suppressions import HoldingAdmin
from messages.models import Message
from tracking.models import Suppression

# Replaces tracking's admin of suppressions, which cannot know the suppressed mail.
admin.site.unregister(Suppression)
admin.site.register(Suppression, HoldingAdmin)


@admin.register(Message)
class MessageAdmin(SearchingAdmin, ActingAdmin):
    """Messages are read-only here; buttons perform the actions."""

    list_display = ("created", "sender", "receivers", "subject_line", "state", "project", "labels")
    list_display_links = ("created", "subject_line")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("project", ScopedFilter),
        ("priority", ChoicesDropdownFilter),
        TagFilter,
        ("created_at", CreatedFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_disable_select_all = True
    search_fields = ("pk",)
    search_help_text = "Address, subject, tag, file name or id; or to: status: …"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-id",)
    actions = BULK_ACTIONS
    change_list_template = "mail/admin/messages.html"

    class Media:
        css = {"all": ["mail/admin.css"]}

    def get_changelist(self, _request: HttpRequest, **_: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Message | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Message | None = None) -> bool:
        return False

    @admin.display(description="When (UTC)")
    def created(self, message: Message) -> str:
        return format_moment(message.created_at)

    @admin.display(description="From")
    def sender(self, message: Message) -> str:
        return message.from_address

    @admin.display(description="To")
    def receivers(self, message: Message) -> str:
        return shorten([row.address for row in message.shown_recipients], 1)

    @admin.display(description="Subject")
    def subject_line(self, message: Message) -> str:
        return message.subject[:100] or "(no subject)"

    @admin.display(description="Status")
    def state(self, message: Message) -> str:
        return format_html('<span class="mail-label mail-{}">{}</span>', COLOURS[message.status], message.status)

    @admin.display(description="Tags")
    def labels(self, message: Message) -> str:
        words = [*(["test key"] if message.is_test else []), *message.tags]
        return shorten(words, 3) or "-"

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: Any = None
    ) -> HttpResponseBase:
        """The page of one message. It rejects POST, because there is nothing to save."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        message = self.find(request, object_id, with_page(self.get_queryset(request)))
        now, why = timezone.now(), request.GET.get("why", "")
        context = {
            **self.admin_site.each_context(request),
            "title": message.subject or "(no subject)",
            "opts": self.opts,
            "media": STYLE,
            "story": build_message_story(message),
            "may_act": self.has_act_permission(request, message),
            "ticket": new_ticket(),
            "now": now,
            "why": why,
            "why_query": f"?{urlencode({'why': why})}" if why else "",
        }
        # The page refreshes itself, so that staff can watch a resend.
        headers = {"Refresh": "3"} if is_moving(message, now) else None
        return TemplateResponse(request, "mail/admin/message.html", context, headers=headers)

    def history_view(self, request: HttpRequest, object_id: str, _extra_context: Any = None) -> HttpResponseBase:
        """Redirect to the message's page, which shows the history."""
        return HttpResponseRedirect(self.url_of(self.find(request, object_id)))

    def get_urls(self) -> list[URLPattern]:
        prefix = "<uuid:pk>"
        own = [
            *(path(f"{prefix}/{name}/", self.frame(name), name=f"mail_message_{name}") for name in bodies.FRAMES),
            *(
                path(f"{prefix}/{name}/", self.button(act), name=f"mail_message_{name}")
                for name, act in ADMIN_ACTIONS.items()
            ),
            path(f"{prefix}/raw/", self.admin_site.admin_view(self.download_raw), name="mail_message_raw"),
            path(
                f"{prefix}/attachments/<uuid:attachment_id>/",
                self.admin_site.admin_view(self.download_attachment),
                name="mail_message_attachment",
            ),
        ]
        return [*own, *self.list_search_urls(), *super().get_urls()]

    def frame(self, name: str) -> Callable[..., HttpResponse]:
        """The view of one frame."""

        def show(request: HttpRequest, pk: UUID) -> HttpResponse:
            message = self.find(request, str(pk))
            record_reading(request, message, name)
            return bodies.FRAMES[name](message)

        view: Callable[..., HttpResponse] = self.admin_site.admin_view(show)
        return view

    def download_raw(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        message = self.find(request, str(pk))
        record_reading(request, message, "raw")
        return bodies.download_raw(message)

    def download_attachment(self, request: HttpRequest, pk: UUID, attachment_id: UUID) -> HttpResponse:
        message = self.find(request, str(pk))
        record_reading(request, message, f"attachment {attachment_id}")
        return bodies.download_attachment(message, attachment_id)


def format_moment(at: datetime) -> str:
    """Format a time in UTC, without the year if it is the present one."""
    form = "%-d %b %H:%M:%S" if at.year == timezone.now().year else "%-d %b %Y %H:%M:%S"
    return at.strftime(form)


# The page of a message on its way loads itself again and again.
READ_AGAIN = timedelta(minutes=10)
READ_BODY = "read_body"


def record_reading(request: HttpRequest, message: Message, part: str) -> None:
    """Record in the audit log that a member of staff reads a part of a message: once in ten minutes."""
    actor = request.user.get_username()
    since = timezone.now() - READ_AGAIN
    same = AuditEntry.objects.filter(object=str(message.pk), actor=actor, action=READ_BODY, at__gt=since)
    if not same.filter(data__part=part, reason=find_origin().reason).exists():
        store_audit(actor=actor, action=READ_BODY, obj=message.pk, project_id=message.project_id, data={"part": part})
