"""The admin's frame: the sidebar, limited to the user's permissions, and our own assets."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import Resolver404, resolve, reverse
from django.utils.text import capfirst

# Title of a section → its models (label, icon of the font that unfold brings along). Models without an admin, and
# models that the user may not view, are left out.
SECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "Mail": (
        ("mail.message", "mail"),
        ("tracking.suppression", "block"),
        ("tracking.suppressionwave", "front_hand"),
        ("templates.template", "draft"),
        ("tracking.rollup", "bar_chart"),
    ),
    "Setup": (
        ("accounts.project", "workspaces"),
        ("accounts.apikey", "key"),
        ("accounts.projectlimits", "speed"),
        ("accounts.keylimits", "speed"),
        ("accounts.retention", "auto_delete"),
        ("accounts.stream", "low_priority"),
        ("domains.domain", "language"),
        ("providers.provider", "outgoing_mail"),
        ("webhooks.endpoint", "webhook"),
        ("webhooks.webhookdelivery", "list_alt"),
    ),
    "Operations": (
        ("accounts.notice", "notifications"),
        ("mail.pause", "pause_circle"),
        ("mail.incidentresend", "emergency"),
        ("django_celery_beat.periodictask", "schedule"),
        ("mail.erasure", "person_remove"),
        ("accounts.auditentry", "history"),
        ("accounts.requestentry", "receipt_long"),
    ),
    "People": (
        ("accounts.membership", "badge"),
        ("accounts.invitation", "mark_email_unread"),
        ("auth.user", "person"),
        ("auth.group", "group"),
        ("axes.accessattempt", "lock"),
    ),
}
# Clearer names for packages whose own name is too vague.
TITLES = {
    "axes.accessattempt": "Failed logins",
    "accounts.membership": "Members",
    "accounts.auditentry": "Audit log",
    "accounts.requestentry": "Requests",
    "mail.incidentresend": "Incidents",
}


def build_navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar for this user."""
    sections = ({"title": title, "items": list(list_links(request, models))} for title, models in SECTIONS.items())
    shown = [section for section in sections if section["items"]]
    # A line stands between sections, none above the first.
    return [{**section, "separator": number > 0} for number, section in enumerate(shown)]


def list_links(request: HttpRequest, models: tuple[tuple[str, str], ...]) -> Iterator[dict[str, str]]:
    for label, icon in models:
        try:
            model = apps.get_model(label)
        except LookupError:
            continue
        if admin.site.is_registered(model) and admin.site.get_model_admin(model).has_view_permission(request):
            yield {"title": name_list(label), "icon": icon, "link": reverse(name_route(label))}


def name_list(label: str) -> str:
    """The menu's name of a model's list."""
    return TITLES.get(label) or capfirst(str(apps.get_model(label)._meta.verbose_name_plural))


def name_route(label: str) -> str:
    return f"admin:{label.replace('.', '_')}_changelist"


def find_place(link: str) -> tuple[str, str] | None:
    """The section and the name of the list at this path; None if the menu does not have it."""
    try:
        route = resolve(link).view_name
    except Resolver404:
        return None
    for section, models in SECTIONS.items():
        for label, _ in models:
            if name_route(label) == route:
                return section, name_list(label)
    return None


def find_icon(_request: HttpRequest) -> str:
    return static("emailsvc/icon.svg")


def find_style(_request: HttpRequest) -> str:
    return static("emailsvc/admin.css")
