"""The buttons and bulk actions on messages: POST only, with a question first, performed once."""

from collections.abc import Callable, Sequence
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from accounts.people.scoped_admin import ScopedAdmin
from common.errors import ApiError
from messages.admin.actions import AdminAction, new_ticket, perform
from messages.admin.page import COLOURS
from messages.models import Message

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
        rows = list(queryset.select_related("project").order_by("-id")[: MAX_BULK + 1])
        if len(rows) > MAX_BULK:
            self.message_user(request, f"At most {MAX_BULK} messages at once.", messages.ERROR)
            return None
        chosen = {act.name: act for act in acts}.get(request.POST.get("act", ""))
        if chosen is None:
            return self.ask(request, rows, acts)
        refused = [refusal for message in rows if (refusal := self.try_act(request, chosen, message))]
        done = len(rows) - len(refused)
        if done:
            self.message_user(request, f"{chosen.label}: done for {done} of {len(rows)}.", messages.SUCCESS)
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
        context = {
            **self.admin_site.each_context(request),
            "title": f"{acts[0].label} {len(rows)} message{'s' if len(rows) != 1 else ''}?",
            "opts": self.opts,
            "media": STYLE,
            "rows": rows,
            "colours": COLOURS,
            "acts": acts,
            "action": request.POST["action"],
            "ticket": new_ticket(),
        }
        return TemplateResponse(request, "mail/admin/confirm.html", context)
