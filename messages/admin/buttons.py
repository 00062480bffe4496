"""The buttons and bulk actions on messages: POST only, with a question first, performed once."""

from collections.abc import Callable, Sequence
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from accounts.people.scoped_admin import ScopedAdmin
from common.errors import ApiError
from messages.admin.actions import ADMIN_ACTIONS, AdminAction, new_ticket, perform
from messages.admin.page import COLOURS
from messages.models import Message
from messages.selectors import with_rows

MAX_BULK = 200
# The style of the package's own pages, which need no scripts of Django's forms.
STYLE = forms.Media(css={"all": ["mail/admin.css"]})


class ActingAdmin(ScopedAdmin, ModelAdmin):  # type: ignore[misc]
    """A model admin that performs the actions of `messages.admin.actions`."""

    def has_act_permission(self, request: HttpRequest, message: Message | None = None) -> bool:
        """Whether this person may cancel, resend and settle the message; without one, any message."""
        return self.is_allowed(request, "act", message)

    def find(self, request: HttpRequest, object_id: str, queryset: QuerySet[Message] | None = None) -> Message:
        """Find a message. Raises PermissionDenied without the view permission, Http404 for an unknown id."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request) if queryset is None else queryset
        try:
            return rows.get(pk=object_id)
        except (Message.DoesNotExist, ValidationError, ValueError):
            raise Http404 from None

    def url_of(self, message: Message) -> str:
        return reverse("admin:mail_message_change", args=[message.pk])

    def button(self, act: AdminAction) -> Callable[..., HttpResponse]:
        """The view of one button, for POST only."""

        @require_POST
        def press(request: HttpRequest, pk: UUID) -> HttpResponse:
            message = self.find(request, str(pk), self.get_queryset(request).select_related("project"))
            if not self.has_act_permission(request, message):
                raise PermissionDenied
            try:
                next_message = self.act(request, act, message)
            except ApiError as error:
                self.message_user(request, error.detail, messages.ERROR)
                return HttpResponseRedirect(self.url_of(message))
            self.message_user(request, act.done, messages.SUCCESS)
            return HttpResponseRedirect(self.url_of(next_message))

        view: Callable[..., HttpResponse] = self.admin_site.admin_view(press)
        return view

    def act(self, request: HttpRequest, act: AdminAction, message: Message) -> Message:
        ticket, given = request.POST.get("ticket", "")[:100], request.POST.get("given", "") if act.asks else ""
        return perform(act, message, actor=request.user.get_username(), ticket=ticket, given=given)

    def act_on_many(
        self, request: HttpRequest, queryset: QuerySet[Message], acts: Sequence[AdminAction]
    ) -> HttpResponseBase | None:
        """Ask first; the second POST names the action and performs it for each message whose state allows it."""
        rows = list(with_rows(queryset).select_related("project").order_by("-id")[: MAX_BULK + 1])
        if len(rows) > MAX_BULK:
            self.message_user(request, f"At most {MAX_BULK} messages at once.", messages.ERROR)
            return None
        chosen = {act.name: act for act in acts}.get(request.POST.get("act", ""))
        if chosen is None:
            return self.ask(request, rows, acts)
        refused = [refusal for message in rows if (refusal := self.try_act(request, chosen, message))]
        done = len(rows) - len(refused)
        if done:
            self.message_user(request, f"{chosen.button}: done for {done} of {len(rows)}.", messages.SUCCESS)
        for refusal in refused[:5]:
            self.message_user(request, refusal, messages.WARNING)
        return None

    def try_act(self, request: HttpRequest, act: AdminAction, message: Message) -> str:
        """Perform the action. Returns an empty string on success, else the reason for the rejection."""
        try:
            self.act(request, act, message)
        except ApiError as error:
            return f"“{message.subject[:60]}”: {error.detail}"
        return ""

    def ask(self, request: HttpRequest, rows: Sequence[Message], acts: Sequence[AdminAction]) -> HttpResponse:
        """The question. It names the recipients and times of each message, and those that the action leaves out."""
        allowed = [row for row in rows if any(act.is_offered(row, row.shown_recipients) for act in acts)]
        label, count = acts[0].button, len(allowed)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{label} {count} message{'s' if count != 1 else ''}?" if count else f"{label}: not possible",
            "opts": self.opts,
            "media": STYLE,
            "rows": allowed,
            "left_out": [row for row in rows if row not in allowed],
            "recipient_count": sum(len(row.shown_recipients) for row in allowed),
            "colours": COLOURS,
            "acts": acts,
            "asking": next((act for act in acts if act.asks), None),
            "action": request.POST["action"],
            "ticket": new_ticket(),
        }
        return TemplateResponse(request, "mail/admin/confirm.html", context)


def build_bulk_action(name: str, words: str, acts: Sequence[str]) -> Callable[..., HttpResponseBase | None]:
    """An action of the list: it offers the named actions for the selected messages."""

    @admin.action(description=words, permissions=["act"])
    def run(owner: ActingAdmin, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponseBase | None:
        return owner.act_on_many(request, queryset, [ADMIN_ACTIONS[each] for each in acts])

    run.__name__ = name
    return run


BULK_ACTIONS = (
    build_bulk_action("cancel_selected", "Cancel", ["cancel"]),
    build_bulk_action("reschedule_selected", "Reschedule", ["reschedule"]),
    build_bulk_action("retry_selected", "Retry now", ["retry_now"]),
    build_bulk_action("resend_selected", "Resend", ["resend", "resend_failed"]),
    build_bulk_action("forward_selected", "Resend to another address", ["resend_to"]),
    build_bulk_action("settle_selected", "Settle uncertain attempts", ["settle_sent", "settle_retry", "settle_failed"]),
    build_bulk_action("approve_selected", "Approve or decline", ["approve", "decline"]),
)
