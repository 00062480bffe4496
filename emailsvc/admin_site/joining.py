"""The page behind an invitation's link: it makes a user with a password, or gives the role to whoever is signed in."""

from typing import Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from accounts.models import Invitation
from accounts.people.invitations import accept_as, accept_as_new, find_invitation
from common.errors import ApiError, NotFoundError

NEW_PASSWORD = {"autocomplete": "new-password"}
BACKEND = "django.contrib.auth.backends.ModelBackend"


class JoinForm(forms.Form):
    """The name and the password of a new user."""

    username = forms.CharField(max_length=150, label="User name", widget=UnfoldAdminTextInputWidget)
    password1 = forms.CharField(label="Password", widget=UnfoldAdminPasswordWidget(attrs=NEW_PASSWORD), strip=False)
    password2 = forms.CharField(
        label="Password again", widget=UnfoldAdminPasswordWidget(attrs=NEW_PASSWORD), strip=False
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("password1") != values.get("password2"):
            self.add_error("password2", "The two passwords differ.")
        return values


@never_cache
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is offered, and on POST accept it. 404 for a link that is wrong, used, withdrawn or too old."""
    try:
        invitation = find_invitation(token)
        if request.method == "POST" and isinstance(request.user, User) and "as_me" in request.POST:
            accept_as(invitation, request.user)
            return HttpResponseRedirect(reverse("admin:index"))
        return show_form(request, invitation)
    except NotFoundError as error:
        context = {"title": "Invitation", "reason": error.detail}
        return TemplateResponse(request, "emailsvc/join.html", context, status=404)


def show_form(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = JoinForm(request.POST or None, initial={"username": invitation.email.partition("@")[0]})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            user = accept_as_new(invitation, name=values["username"], password=values["password1"])
        except NotFoundError:
            raise
        except ApiError as error:
            form.add_error(None, error.detail)
        else:
            login(request, user, backend=BACKEND)
            return HttpResponseRedirect(reverse("admin:index"))
    context = {"title": "Invitation", "invitation": invitation, "form": form}
    return TemplateResponse(request, "emailsvc/join.html", context)
