"""Single sign-on in the admin: the way to the issuer, and the way back."""

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

from accounts.people.factors import has_factor
from accounts.people.identities import find_or_make_user
from accounts.people.oidc import SignOnError, build_authorization_url, finish_attempt, keep_attempt, start_attempt
from common.errors import ConflictError
from emailsvc.admin_site.sign_in import PASSED, ask_factor

log = structlog.get_logger(__name__)

ATTEMPT = "_sign_on"
BACKEND = "django.contrib.auth.backends.ModelBackend"
# Values of `amr` that stand for more than a password (RFC 8176, 2).
STRONG = frozenset({"mfa", "otp", "hwk", "swk", "sc", "fpt", "face", "iris", "retina", "vbm"})


def find_redirect_uri() -> str:
    return f"{settings.PUBLIC_URL}{reverse('sign_on_back')}"


@never_cache
def go_to_issuer(request: HttpRequest) -> HttpResponse:
    """Send the person to the issuer. 404 where none is set."""
    if not settings.OIDC_ISSUER:
        raise Http404
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    attempt = start_attempt(wanted if is_ours else reverse("admin:index"))
    try:
        url = build_authorization_url(attempt, find_redirect_uri())
    except SignOnError as error:
        return refuse(request, error)
    request.session[ATTEMPT] = keep_attempt(attempt)
    return HttpResponseRedirect(url)


@never_cache
def come_back(request: HttpRequest) -> HttpResponse:
    """Take the issuer's answer, once."""
    attempt = request.session.pop(ATTEMPT, None)
    if attempt is None:
        return refuse(request, SignOnError("No sign-in was under way. Begin again."))
    if "error" in request.GET:
        return refuse(request, SignOnError(f"The issuer answers {request.GET['error'][:100]}."))
    try:
        claims = finish_attempt(attempt, request.GET.get("state", ""), request.GET.get("code", ""), find_redirect_uri())
        user = find_or_make_user(claims)
    except SignOnError as error:
        return refuse(request, error)
    except ConflictError as error:
        return refuse(request, SignOnError(error.detail))
    methods = claims.get("amr")
    is_strong = isinstance(methods, list) and any(each in STRONG for each in methods if isinstance(each, str))
    if has_factor(user) and not is_strong:
        ask_factor(request, user, attempt["next"])
        return HttpResponseRedirect(reverse("second_factor"))
    login(request, user, backend=BACKEND)
    if is_strong:
        request.session[PASSED] = timezone.now().timestamp()
    return HttpResponseRedirect(attempt["next"])


def refuse(request: HttpRequest, error: SignOnError) -> HttpResponse:
    log.warning("sign_on_refused", reason=str(error))
    messages.error(request, str(error))
    return HttpResponseRedirect(reverse("admin:login"))
