"""One's own page in the admin: the sessions, and their end."""

from hashlib import sha256
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.models import RecoveryCode, Session
from accounts.people.factors import has_factor
from accounts.people.sessions import end_sessions, list_sessions
from accounts.services import write_audit


def show_account(request: HttpRequest) -> HttpResponse:
    """The page."""
    own = request.session.session_key
    rows = [
        {"session": row, "ref": hide_key(row), "is_this": row.pk == own, "browser": name_browser(row.browser)}
        for row in list_sessions(find_user_id(request))
    ]
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Your account",
        "rows": rows,
        "has_others": any(not row["is_this"] for row in rows),
        "now": timezone.now(),
        "has_factor": has_factor(request.user),
        "unused_codes": RecoveryCode.objects.filter(user=find_user_id(request), used_at=None).count(),
    }
    return TemplateResponse(request, "emailsvc/account.html", context)


@require_POST
def end_own_sessions(request: HttpRequest) -> HttpResponse:
    """End the session that the form names, or all others."""
    user_id, name = find_user_id(request), request.user.get_username()
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


def find_user_id(request: HttpRequest) -> int:
    """Whoever is signed in: the admin's views admit nobody else."""
    user_id = request.user.pk
    assert isinstance(user_id, int)
    return user_id


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
