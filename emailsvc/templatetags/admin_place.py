"""The path above a page of the admin, in the words of the menu."""

from collections.abc import Iterable, Iterator
from typing import Any

from django import template
from django.utils.text import capfirst

from emailsvc.admin_site.navigation import find_place

register = template.Library()


@register.simple_tag
def list_places(parts: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """`[{"title", "link"}]` of unfold's parts: an app, a list, and the page's object, whose name stays as it is."""
    return list(name_places(list(parts)))


def name_places(parts: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    app, *rest = parts
    if not rest:
        yield {"title": capfirst(str(app["title"])), "link": str(app.get("link", ""))}
        return
    link = str(rest[0]["link"])
    section, title = find_place(link) or (capfirst(str(app["title"])), capfirst(str(rest[0]["title"])))
    # A section of the menu has no page.
    yield {"title": section, "link": ""}
    yield {"title": title, "link": link}
    yield from ({"title": str(part["title"]), "link": str(part["link"])} for part in rest[1:])
