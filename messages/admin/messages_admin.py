"""The admin of messages, for support staff: search, the page of a message, and actions."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
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
from common.listening import EMPTY_MEANS_LATER
from messages.admin import bodies
from messages.admin.actions import ADMIN_ACTIONS, new_ticket
from messages.admin.address_page import MAX_LOOKED_AT, build_address_story, link_address
from messages.admin.buttons import BULK_ACTIONS, STYLE, ActingAdmin
from messages.admin.change_list import CreatedFilter, KeysetChangeList, TagFilter, shorten
from messages.admin.live import open_live, read_version
from messages.admin.page import COLOURS, build_message_story, is_moving, with_page
from messages.admin.searching import SearchingAdmin
from messages.admin.suppressions import HoldingAdmin
from messages.models import Message
from messages.states import Status
from tracking.feed.stream import TooManyStreamsError
from tracking.models import Suppression

LIVE = forms.Media(js=["mail/live.js"])
NO_SUPPRESSIONS = Suppression.objects.none()
# Replaces tracking's admin of suppressions, which cannot know the suppressed mail.
admin.site.unregister(Suppression)
admin.site.register(Suppression, HoldingAdmin)


@admin.register(Message)
class MessageAdmin(SearchingAdmin, ActingAdmin):
    """Messages are read-only here; buttons perform the actions."""

    list_display = ("created", "state", "sender", "receivers", "subject_line", "project", "labels")
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
        rows = message.shown_recipients
        if not rows:
            return "-"
        more = f" +{len(rows) - 1}" if len(rows) > 1 else ""
        return format_html("{}{}", link_address(rows[0].address), more)

    @admin.display(description="Subject")
    def subject_line(self, message: Message) -> str:
        return message.subject[:100] or "(no subject)"

    @admin.display(description="Status")
    def state(self, message: Message) -> str:
        label = format_html('<span class="mail-label mail-{}">{}</span>', COLOURS[message.status], message.status)
        # Scheduled mail is told apart by its time: the list shows when it was accepted.
        time = message.scheduled_at if message.status == Status.SCHEDULED else None
        words = [message.status_reason.replace("_", " "), *([f"for {format_moment(time)}"] if time else [])]
        return format_html('{} <span class="mail-reasons">{}</span>', label, " ".join(words).strip())

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
        has_images = request.GET.get("images") == "yes"
        context = {
            **self.admin_site.each_context(request),
            "title": message.subject or "(no subject)",
            "opts": self.opts,
            "media": STYLE + LIVE,
            "version": read_version(message.pk),
            "is_moving": is_moving(message, now),
            "story": build_message_story(message),
            "may_act": self.has_act_permission(request, message),
            "ticket": new_ticket(),
            "now": now,
            "why": why,
            "why_query": f"?{urlencode({'why': why})}" if why else "",
            "has_images": has_images,
            "frame_query": f"?{urlencode({'why': why, **({'images': 'yes'} if has_images else {})})}",
            "may_release": self.may_release(request),
        }
        return TemplateResponse(request, "mail/admin/message.html", context)

    def may_release(self, request: HttpRequest) -> bool:
        """Whether this person may release suppressions."""
        suppressions: Any = self.admin_site.get_model_admin(Suppression)
        return bool(suppressions.has_release_permission(request))

    def follow(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Tell the message's page when something has happened."""
        seen = request.headers.get("Last-Event-ID") or request.GET.get("seen", "")
        message = self.find(request, str(pk))
        try:
            return open_live(message, seen, is_paced=EMPTY_MEANS_LATER in request.META)
        except TooManyStreamsError:
            return HttpResponse(status=HTTPStatus.NO_CONTENT)

    def show_address(self, request: HttpRequest) -> HttpResponseBase:
        """The page of one address: `?of=jo@example.com`."""
        suppressions = self.admin_site.get_model_admin(Suppression)
        if not self.has_view_permission(request):
            raise PermissionDenied
        address = request.GET.get("of", "").replace("\0", "")[:320]
        seen = suppressions.get_queryset(request) if suppressions.has_view_permission(request) else NO_SUPPRESSIONS
        story = build_address_story(address, self.get_queryset(request), seen, self.list_projects(request))
        context = {
            **self.admin_site.each_context(request),
            "title": address or "Address",
            "opts": self.opts,
            "media": STYLE,
            "story": story,
            "may_release": self.may_release(request),
            "looked_at": MAX_LOOKED_AT,
            "now": timezone.now(),
        }
        return TemplateResponse(request, "mail/admin/address.html", context)

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
            path(f"{prefix}/live/", self.admin_site.admin_view(self.follow), name="mail_message_live"),
            path("address/", self.admin_site.admin_view(self.show_address), name="mail_message_address"),
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
            if name == "html" and request.GET.get("images") == "yes":
                return bodies.frame_html(message, has_images=True)
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
    """Format a time in UTC, as all of these pages do."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


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
