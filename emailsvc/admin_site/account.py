"""One's own page in the admin: the sessions and their end, and the second factors."""

from hashlib import sha256
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.models import Authenticator, RecoveryCode, SecurityKey, Session
from accounts.people.sessions import end_sessions, list_sessions
from accounts.services import write_audit
from emailsvc.admin_site.key_questions import find_party_here
from emailsvc.admin_site.second_factor import find_person, may_change


def show_account(request: HttpRequest) -> HttpResponse:
    """The page."""
    own, user = request.session.session_key, find_person(request)
    rows = [
        {"session": row, "ref": hide_key(row), "is_this": row.pk == own, "browser": name_browser(row.browser)}
        for row in list_sessions(user.pk)
    ]
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Your account",
        "rows": rows,
        "has_others": any(not row["is_this"] for row in rows),
        "now": timezone.now(),
        "app": Authenticator.objects.filter(user=user).exclude(confirmed_at=None).first(),
        "keys": SecurityKey.objects.filter(user=user),
        "may_add_keys": find_party_here(request) is not None,
        "may_change": may_change(request, user),
        "unused_codes": RecoveryCode.objects.filter(user=user, used_at=None).count(),
    }
    return TemplateResponse(request, "emailsvc/account.html", context)


@require_POST
def end_own_sessions(request: HttpRequest) -> HttpResponse:
    """End the session that the form names, or all others."""
    user = find_person(request)
    user_id, name = user.pk, user.get_username()
    ref = request.POST.get("session", "")
    if ref:
        row = next((row for row in list_sessions(user_id) if hide_key(row) == ref), None)
        if row is None:
            raise Http404
        row.delete()
        count = 1
    else:
        count = end_sessions(user_id, but=request.session.session_key)
    write_audit(name, "end_sessions", name, count=count)
    messages.success(request, f"{count} session{'s' if count != 1 else ''} ended.")
    return HttpResponseRedirect(reverse("account"))


def hide_key(row: Session) -> str:
    """A name of the session for the page: the key itself would let others continue it."""
    return sha256(row.pk.encode()).hexdigest()[:32]


# What a browser's name contains, the more special first.
BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"))


def name_browser(agent: str) -> str:
    """`Firefox, Windows` for a browser's long name of itself; the beginning of an unknown one."""
    browser = next((name for part, name in BROWSERS if part in agent), "")
    system = next((name for part, name in (*SYSTEMS, ("Linux", "Linux")) if part in agent), "")
    return ", ".join(part for part in (browser, system) if part) or agent[:60] or "unknown browser"
