"""The buttons on a provider's page: test now, pause, resume."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.people.reach import find_reach
from accounts.services import write_audit
from providers.connection_test import TooManyChecksError, check_provider
from providers.models import Provider
from providers.services import pause_provider, resume_provider

if TYPE_CHECKING:
    from accounts.people.scoped_admin import ScopedAdmin


# The action of a button. It returns the level and the text of the message to show.
Act = Callable[[HttpRequest, Provider], tuple[int, str]]


def test(request: HttpRequest, provider: Provider) -> tuple[int, str]:
    """Test the provider's connection and credentials."""
    try:
        found = check_provider(provider)
    except TooManyChecksError as error:
        return messages.ERROR, error.detail
    write_provider_audit(request, "check_provider", provider, ok=found.ok)
    if found.ok:
        return messages.SUCCESS, f"The provider accepts mail: {found.detail} ({found.seconds:.2f} s)."
    return messages.ERROR, f"The provider does not accept mail: {found.detail} ({found.seconds:.2f} s)."


def pause(request: HttpRequest, provider: Provider) -> tuple[int, str]:
    """Pause the provider until a person resumes it; its mail waits or uses other providers."""
    pause_provider(provider.pk, reason=f"Paused by {request.user.get_username()}.", pause=None)
    write_provider_audit(request, "pause_provider", provider)
    return messages.SUCCESS, "Paused. Mail uses other providers, or waits until this one is resumed."


def resume(request: HttpRequest, provider: Provider) -> tuple[int, str]:
    """Resume the provider."""
    resume_provider(provider.pk)
    write_provider_audit(request, "resume_provider", provider)
    return messages.SUCCESS, "Resumed."


# A page that is loaded again does not ask again: servers count logins.
ASKED_SECONDS = 30


def describe_answer(provider: Provider) -> dict[str, str]:
    """Whether the provider answers now, for its page: `state` (ok, failed, unknown) and `text`. Uses the network.

    The answer is kept for half a minute, until the provider changes.
    """
    key = f"provider-answer:{provider.pk}:{provider.updated_at.timestamp()}"
    kept: dict[str, str] | None = cache.get(key)
    if kept is not None:
        return kept
    try:
        found = check_provider(provider)
    except TooManyChecksError as error:
        return {"state": "unknown", "text": error.detail}
    words = "It accepts mail" if found.ok else "It does not accept mail"
    answer = {"state": "ok" if found.ok else "failed", "text": f"{words}: {found.detail} ({found.seconds:.2f} s)."}
    cache.set(key, answer, ASKED_SECONDS)
    return answer


ACTS: dict[str, tuple[str, Act]] = {
    "test": ("Test now", test),
    "pause": ("Pause", pause),
    "resume": ("Resume", resume),
}


def write_provider_audit(request: HttpRequest, action: str, provider: Provider, **data: object) -> None:
    data |= {"id": str(provider.pk), "kind": provider.kind}
    write_audit(request.user.get_username(), action, provider, **data)


def may_act(request: HttpRequest, provider: Provider | None = None) -> bool:
    """Whether the user may use the buttons, also on the provider of PROVIDER_URL, whose settings are read-only here."""
    reach = find_reach(request.user, "providers.change_provider")
    return bool(reach) if provider is None else reach.admits(provider.project_id)


def list_buttons(provider: Provider) -> list[tuple[str, str]]:
    """The URL name and the label of each button that applies to the provider's state."""
    is_paused = provider.is_paused or provider.paused_until is not None
    hidden = "pause" if is_paused else "resume"
    return [(f"admin:providers_provider_{name}", words) for name, (words, _) in ACTS.items() if name != hidden]


def build_urls(model_admin: "ScopedAdmin") -> list[URLPattern]:
    return [
        path("<uuid:pk>/health/", _health(model_admin), name="providers_provider_health"),
        *(
            path(f"<uuid:pk>/{name}/", _button(model_admin, act), name=f"providers_provider_{name}")
            for name, (_, act) in ACTS.items()
        ),
    ]


def _health(model_admin: "ScopedAdmin") -> Callable[..., HttpResponse]:
    """What the page asks for once it is shown."""

    @require_safe
    def show(request: HttpRequest, pk: UUID) -> HttpResponse:
        provider = model_admin.get_queryset(request).filter(pk=pk).first()
        if provider is None or not model_admin.has_view_permission(request, provider):
            raise Http404
        return JsonResponse(describe_answer(provider))

    view: Callable[..., HttpResponse] = model_admin.admin_site.admin_view(show)
    return view


def _button(model_admin: "ScopedAdmin", act: Act) -> Callable[..., HttpResponse]:
    """A view that acts on one provider, on POST only and outside a transaction, since a test uses the network."""

    @require_POST
    def press(request: HttpRequest, pk: UUID) -> HttpResponse:
        provider = model_admin.get_queryset(request).filter(pk=pk).first()
        if provider is None:
            raise Http404
        if not may_act(request, provider):
            raise PermissionDenied
        level, text = act(request, provider)
        model_admin.message_user(request, text, level)
        return HttpResponseRedirect(reverse("admin:providers_provider_change", args=[pk]))

    view: Callable[..., HttpResponse] = model_admin.admin_site.admin_view(press)
    return view
