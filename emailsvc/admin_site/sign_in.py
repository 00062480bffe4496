"""The sign-in: name and password, and for whoever has one the second factor: a code, or the answer of a key."""

from datetime import timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.people.factors import check_factor, has_app, has_factor
from emailsvc.admin_site.key_questions import Asked, ask_known_key, judge_answer

# Who has entered the password, until the second factor follows.
PENDING = "_second_factor_pending"
# The time at which the session's person entered the second factor.
PASSED = "_second_factor_at"
PATIENCE = timedelta(minutes=10)


class SignInView(LoginView):
    """The admin's page, which goes on to the second factor."""

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if not has_factor(user):
            return super().form_valid(form)
        ask_factor(self.request, user, self.get_success_url())
        return HttpResponseRedirect(reverse("second_factor"))


def ask_factor(request: HttpRequest, user: Any, next_url: str) -> None:
    """Remember who is to enter the second factor. A session of somebody else does not go on."""
    if request.user.is_authenticated and request.user.pk != user.pk:
        request.session.flush()
    request.session[PENDING] = {
        "user": user.pk,
        "backend": getattr(user, "backend", "") or settings.AUTHENTICATION_BACKENDS[1],
        "next": next_url,
        "at": timezone.now().timestamp(),
    }


@never_cache
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """As `AdminSite.login`, with `SignInView`."""
    site = admin.site
    if request.method == "GET" and site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": "Log in",
        "subtitle": None,
        "app_path": request.get_full_path(),
        "username": request.user.get_username(),
        "has_sign_on": bool(settings.OIDC_ISSUER),
    }
    if REDIRECT_FIELD_NAME not in {*request.GET, *request.POST}:
        context[REDIRECT_FIELD_NAME] = reverse("admin:index")
    view = SignInView.as_view(
        extra_context=context, authentication_form=site.login_form, template_name="emailsvc/login.html"
    )
    return view(request)


class FactorForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(
        max_length=40,
        label="Code of your app, or a recovery code",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code"}),
    )


@never_cache
def enter_factor(request: HttpRequest) -> HttpResponse:
    """The second step. A wrong code, and a wrong answer of a key, count as a wrong password does."""
    pending = request.session.get(PENDING)
    since = timezone.now() - PATIENCE
    user = User.objects.filter(pk=pending["user"], is_active=True).first() if pending else None
    if pending is None or user is None or pending["at"] < since.timestamp():
        request.session.pop(PENDING, None)
        return HttpResponseRedirect(reverse("admin:login"))
    is_by_key = "answer" in request.POST
    form = FactorForm(None if is_by_key else request.POST or None)
    if is_by_key or form.is_valid():
        if may_try(request, user) and is_right(request, user, form):
            del request.session[PENDING]
            login(request, user, backend=pending["backend"])
            request.session[PASSED] = timezone.now().timestamp()
            return HttpResponseRedirect(pending["next"])
        credentials = {"username": user.get_username()}
        user_login_failed.send(__name__, credentials=credentials, request=request)
        if not is_by_key:
            form.add_error("code", "This code is wrong, or was used before.")
    return show_second_step(request, user, form, is_refused=is_by_key)


def is_right(request: HttpRequest, user: User, form: FactorForm) -> bool:
    """Whether the request brings the answer of one of the user's keys, or one of their codes."""
    if "answer" in request.POST:
        return judge_answer(request, user, request.POST["answer"])
    return check_factor(user, form.cleaned_data["code"])


def show_second_step(request: HttpRequest, user: User, form: FactorForm, *, is_refused: bool) -> HttpResponse:
    asked: Asked = ask_known_key(request, user)
    if not has_app(user):
        form.fields["code"].label = "A recovery code"
    if not asked.options:
        form.fields["code"].widget.attrs["autofocus"] = True
    context = {
        **admin.site.each_context(request),
        "title": "Second factor",
        "form": form,
        "asked": asked,
        "is_refused": is_refused,
    }
    return TemplateResponse(request, "emailsvc/second_factor.html", context)


def may_try(request: HttpRequest, user: User) -> bool:
    """Whether the brake lets this account try from here; if not, the middleware of django-axes answers 429."""
    is_allowed = bool(AxesProxyHandler.is_allowed(request, {"username": user.get_username()}))
    if not is_allowed:
        request.axes_locked_out = True  # type: ignore[attr-defined]
    return is_allowed
