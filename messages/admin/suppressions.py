"""The admin of the suppression list, with the suppressed mail of each entry and its resend on release."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.acting_for import Delegate
from accounts.people.reach import Reach, find_reach
from accounts.services import write_audit
from messages.admin.address_page import address_url
from messages.admin.bounce_release import release_bounces
from messages.admin.buttons import STYLE
from messages.models import Recipient
from messages.suppressed_mail import MAX_RESENT, ReleaseResult, list_suppressed, release_address
from tracking.admin import SuppressionAdmin
from tracking.models import Suppression
from tracking.suppressions.service import select_entry

MAX_BULK = 20
MAX_SHOWN = 20
MAX_NOTE = 500


class HoldingAdmin(SuppressionAdmin):
    """Suppressions with their suppressed mail. Mail of test keys is left out."""

    actions = ("release_and_resend",)
    list_display: tuple[str, ...] = (*SuppressionAdmin.list_display, "mail")
    readonly_fields = ("held_back",)
    list_before_template = "mail/admin/suppressions.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(release_bounces, self))
        return [path("bounces/", view, name="tracking_suppression_bounces"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        context = {**(extra_context or {}), "may_release": self.has_delete_permission(request)}
        response: HttpResponseBase = super().changelist_view(request, context)
        return response

    def get_fields(self, request: HttpRequest, obj: Suppression | None = None) -> tuple[str, ...]:
        return (*super().get_fields(request, obj), *(("held_back",) if obj else ()))

    @admin.display(description="Suppressed mail")
    def held_back(self, suppression: Suppression) -> SafeString | str:
        """Links to the newest suppressed messages."""
        rows = list_shown(suppression)
        return format_html_join("", '<div><a href="{}">{}</a> ({} UTC)</div>', rows) or "None"

    @admin.display(description="Mail")
    def mail(self, suppression: Suppression) -> SafeString:
        """The page of the address."""
        return format_html('<a href="{}">All its mail</a>', address_url(suppression.address))

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Support may release, with a note. People with the right to delete entries may release them too."""
        return bool(self.find_reach(request, "release"))

    def find_reach(self, request: HttpRequest, verb: str) -> Reach:
        if verb != "release":
            return super().find_reach(request, verb)
        return super().find_reach(request, "delete") | find_reach(request.user, "tracking.release_suppression")

    def may_resend(self, request: HttpRequest, row: Suppression | None = None) -> bool:
        """Whether this person may act on mail of the entry's project; without one, of any."""
        reach = find_reach(request.user, "mail.act_message")
        return reach.admits(row.project_id) if row else bool(reach)

    @admin.action(description="Release, with a note", permissions=["release"])
    def release_and_resend(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponseBase | None:
        """Ask first and list the mail that would be sent; on the second POST, with a note, release it."""
        if not self.has_release_permission(request):
            raise PermissionDenied
        rows = list(queryset.select_related("project").order_by("address")[: MAX_BULK + 1])
        if len(rows) > MAX_BULK:
            self.message_user(request, f"At most {MAX_BULK} addresses at once.", messages.ERROR)
            return None
        note, answer = request.POST.get("note", "").strip()[:MAX_NOTE], request.POST.get("confirmed", "")
        if not answer:
            return self.ask(request, rows)
        if not note:
            return self.ask(request, rows, "Write a note: why mail may go there again.")
        for row in rows:
            self.release_one(request, row, note, should_resend=answer == "resend" and self.may_resend(request, row))
        return None

    def release_one(self, request: HttpRequest, row: Suppression, note: str, *, should_resend: bool) -> None:
        delegate = Delegate(project=row.project, is_test=row.is_test)
        found = release_address(delegate, row.address, select_entry(row), should_resend=should_resend)
        if found is None:
            return
        resent = [str(new.pk) for new in found.resent]
        write_audit(
            request.user.get_username(),
            "release",
            row.address,
            project=row.project.name,
            reason=row.reason,
            stream=row.stream,
            resent=resent,
            note=note,
        )
        self.message_user(request, describe_release(found), messages.WARNING if found.refused else messages.SUCCESS)

    def ask(self, request: HttpRequest, rows: Sequence[Suppression], problem: str = "") -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Release {len(rows)} address{'es' if len(rows) != 1 else ''}?",
            "opts": self.opts,
            "media": STYLE,
            "rows": [(row, list_suppressed_messages(row)) for row in rows],
            "most": MAX_RESENT,
            "action": request.POST["action"],
            "may_resend": self.may_resend(request),
            "problem": problem,
        }
        return TemplateResponse(request, "mail/admin/release.html", context)


def list_suppressed_messages(suppression: Suppression) -> list[Recipient]:
    """The recipients whose mail a release would resend, and one more if there are more."""
    suppressed = list_suppressed([suppression], is_test=suppression.is_test).select_related("message")
    return list(suppressed[: MAX_RESENT + 1])


def list_shown(suppression: Suppression) -> list[tuple[str, ...]]:
    from_newest = list_suppressed_messages(suppression)[:MAX_SHOWN]
    return [
        (
            reverse("admin:mail_message_change", args=[row.message_id]),
            row.message.subject[:100] or "(no subject)",
            row.message.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        )
        for row in from_newest
    ]


def describe_release(found: ReleaseResult) -> str:
    sent = len(found.resent)
    words = f"{found.suppressions[0].address} was released; {sent} suppressed message{'s' if sent != 1 else ''} resent."
    if found.refused:
        words += f" {len(found.refused)} rejected: {found.refused[0].error.detail}"
    return words + (f" {found.left_count} older messages not resent." if found.left_count else "")
