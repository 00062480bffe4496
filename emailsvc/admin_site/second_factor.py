"""Second factors in the admin: the page that sets one up, and the middleware that requires one."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.people.factors import (
    check_factor,
    confirm_authenticator,
    has_factor,
    make_recovery_codes,
    needs_factor,
    remove_factor,
    start_authenticator,
)
from accounts.people.sessions import end_sessions
from accounts.people.totp import build_uri
from emailsvc.admin_site.sign_in import PASSED, ask_factor
from emailsvc.web.security_headers import ADMIN_PREFIX

# Pages that somebody without their second factor needs.
OPEN_PAGES = ("/admin/login/", "/admin/logout/", "/admin/account/authenticator/", "/admin/join/", "/admin/jsi18n/")


class SecondFactorMiddleware:
    """Sends people whose role requires a second factor to its page, until they have entered one in this session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_page = settings.SECOND_FACTOR_ROLES and request.path_info.startswith(f"{ADMIN_PREFIX}/")
        if not is_page or request.path_info.startswith(OPEN_PAGES) or not is_unproven(request):
            return self.get_response(request)
        if has_factor(request.user):
            ask_factor(request, request.user, request.get_full_path())
            return HttpResponseRedirect(reverse("second_factor"))
        messages.warning(request, "Your role needs a second factor. Set it up to go on.")
        return HttpResponseRedirect(reverse("authenticator"))


def is_unproven(request: HttpRequest) -> bool:
    user = request.user
    return user.is_authenticated and user.is_staff and PASSED not in request.session and needs_factor(user)


def show_authenticator(request: HttpRequest) -> HttpResponse:
    """Set up an app: the key, then its first code, then the recovery codes, which are shown once."""
    user = find_person(request)
    if has_factor(user):
        return HttpResponseRedirect(reverse("account"))
    context: dict[str, Any] = {**admin.site.each_context(request), "title": "Set up a second factor"}
    if request.method == "POST":
        codes = confirm_authenticator(user, request.POST.get("code", "")[:20])
        if codes is not None:
            request.session[PASSED] = timezone.now().timestamp()
            end_sessions(user.pk, but=request.session.session_key)
            return TemplateResponse(request, "emailsvc/recovery_codes.html", {**context, "codes": codes})
        messages.error(request, "This code is wrong. Is the clock of your device right?")
    key = str(start_authenticator(user).key)
    issuer = request.get_host()
    shown = {
        "key": " ".join(key[at : at + 4] for at in range(0, len(key), 4)),
        "uri": build_uri(key, name=user.get_username(), issuer=issuer),
    }
    return TemplateResponse(request, "emailsvc/authenticator.html", {**context, **shown})


@sensitive_post_parameters()
@require_POST
def change_factor(request: HttpRequest) -> HttpResponse:
    """Remove the second factor, or make new recovery codes; both need a code."""
    user = find_person(request)
    if not check_factor(user, request.POST.get("code", "")[:40]):
        messages.error(request, "This code is wrong, or was used before.")
        return HttpResponseRedirect(reverse("account"))
    if "remove" in request.POST:
        remove_factor(user.get_username(), user)
        request.session.pop(PASSED, None)
        messages.success(request, "The second factor was removed.")
        return HttpResponseRedirect(reverse("account"))
    context = {**admin.site.each_context(request), "title": "New recovery codes", "codes": make_recovery_codes(user)}
    return TemplateResponse(request, "emailsvc/recovery_codes.html", context)


def find_person(request: HttpRequest) -> User:
    """Whoever is signed in: the admin's views admit nobody else."""
    assert isinstance(request.user, User)
    return request.user
