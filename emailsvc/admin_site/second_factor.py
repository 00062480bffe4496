"""Second factors in the admin: the pages that set them up and take them away, and the middleware that requires one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.people.factors import (
    confirm_authenticator,
    has_app,
    has_factor,
    make_recovery_codes,
    needs_factor,
    remove_app,
    start_authenticator,
)
from accounts.people.security_keys import (
    MAX_ANSWER,
    MAX_NAME,
    Party,
    SecurityKeyError,
    add_key,
    ask_for_new_key,
    remove_key,
)
from accounts.people.sessions import end_sessions
from accounts.people.totp import build_uri
from emailsvc.admin_site.key_questions import find_party_here, keep_challenge, take_challenge
from emailsvc.admin_site.sign_in import PASSED, ask_factor
from emailsvc.web.security_headers import ADMIN_PREFIX

# Pages that somebody without their second factor needs.
OPEN_PAGES = (
    "/admin/login/",
    "/admin/logout/",
    "/admin/account/authenticator/",
    "/admin/account/keys/",
    "/admin/join/",
    "/admin/jsi18n/",
)
# For this long after a second factor was entered, the person may change their factors.
FRESH_TIME = timedelta(minutes=10)


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


def may_change(request: HttpRequest, user: User) -> bool:
    """Whether the user may change factors now: they have none, or entered one of them a short while ago."""
    since = (timezone.now() - FRESH_TIME).timestamp()
    return request.session.get(PASSED, 0) > since or not has_factor(user)


def ask_again(request: HttpRequest, user: User) -> HttpResponse:
    """Ask for a factor that the user has, and come back to their account."""
    ask_factor(request, user, reverse("account"))
    return HttpResponseRedirect(reverse("second_factor"))


def show_authenticator(request: HttpRequest) -> HttpResponse:
    """Set up an app: the key, then its first code, then the recovery codes, which are shown once."""
    user = find_person(request)
    if has_app(user):
        return HttpResponseRedirect(reverse("account"))
    if not may_change(request, user):
        return ask_again(request, user)
    if request.method == "POST":
        codes = confirm_authenticator(user, request.POST.get("code", "")[:20])
        if codes is not None:
            return finish_setup(request, user, codes)
        messages.error(request, "This code is wrong. Is the clock of your device right?")
    key = str(start_authenticator(user).key)
    context = {
        **admin.site.each_context(request),
        "title": "Set up a second factor",
        "key": " ".join(key[at : at + 4] for at in range(0, len(key), 4)),
        "uri": build_uri(key, name=user.get_username(), issuer=request.get_host()),
        "has_keys": find_party_here(request) is not None,
    }
    return TemplateResponse(request, "emailsvc/authenticator.html", context)


def show_new_key(request: HttpRequest) -> HttpResponse:
    """Add a security key or passkey: its name, then what the browser says of it. 404 where browsers allow none."""
    user, party = find_person(request), find_party_here(request)
    if party is None:
        raise Http404
    if not may_change(request, user):
        return ask_again(request, user)
    if request.method == "POST":
        try:
            return finish_setup(request, user, take_new_key(request, user, party))
        except SecurityKeyError as error:
            messages.error(request, str(error))
    question = ask_for_new_key(user, party)
    keep_challenge(request, user, "add", question)
    context = {
        **admin.site.each_context(request),
        "title": "Add a security key or passkey",
        "options": question.options,
        "name": request.POST.get("name", ""),
        "max_name": MAX_NAME,
        "has_app": has_app(user),
    }
    return TemplateResponse(request, "emailsvc/new_security_key.html", context)


def take_new_key(request: HttpRequest, user: User, party: Party) -> list[str]:
    """As `add_key`, for the answer to the last question."""
    challenge, answer = take_challenge(request, user, "add"), request.POST.get("answer", "")
    if challenge is None or len(answer) > MAX_ANSWER:
        raise SecurityKeyError("This took too long, or another page asked since. Try again.")
    return add_key(user, request.POST.get("name", ""), answer, challenge=challenge, party=party)


def finish_setup(request: HttpRequest, user: User, codes: list[str]) -> HttpResponse:
    """The session goes on with the new factor, all others end."""
    request.session[PASSED] = timezone.now().timestamp()
    end_sessions(user.pk, but=request.session.session_key)
    if codes:
        return show_codes(request, codes, "Recovery codes")
    messages.success(request, "The second factor was added.")
    return HttpResponseRedirect(reverse("account"))


@sensitive_post_parameters()
@require_POST
def change_factor(request: HttpRequest) -> HttpResponse:
    """Remove the app or a key, or make new recovery codes, for somebody who has just entered a second factor."""
    user = find_person(request)
    if not has_factor(user):
        return HttpResponseRedirect(reverse("account"))
    if not may_change(request, user):
        return ask_again(request, user)
    if "new_codes" in request.POST:
        return show_codes(request, make_recovery_codes(user), "New recovery codes")
    if "remove_app" in request.POST:
        remove_app(user)
        messages.success(request, "The app was removed.")
    elif "remove_key" in request.POST:
        if not remove_key(user, read_key_id(request.POST["remove_key"])):
            raise Http404
        messages.success(request, "The key was removed.")
    if not has_factor(user):
        request.session.pop(PASSED, None)
    return HttpResponseRedirect(reverse("account"))


def show_codes(request: HttpRequest, codes: list[str], title: str) -> HttpResponse:
    context: dict[str, Any] = {**admin.site.each_context(request), "title": title, "codes": codes}
    return TemplateResponse(request, "emailsvc/recovery_codes.html", context)


def read_key_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def find_person(request: HttpRequest) -> User:
    """Whoever is signed in: the admin's views admit nobody else."""
    assert isinstance(request.user, User)
    return request.user
