"""`/docs`: pages in Markdown, the reference, a search, and Swagger UI to try things out."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from emailsvc.documentation import pages, plain_text
from emailsvc.documentation.markdown import Document, Heading
from emailsvc.documentation.pages import HOME, Link, Section
from emailsvc.documentation.reference import OperationGroup, list_groups, title_of
from emailsvc.documentation.search import Place, search
from emailsvc.openapi.settings import TAGS
from emailsvc.web.pages import PAGE_POLICY, SWAGGER_POLICY, page_response

API = f"{HOME}/api"
MAX_QUERY = 200


def list_sections() -> list[Section]:
    """The navigation."""
    sections = [
        Section(title=title, links=[Link(url=pages.url_of(name), title=pages.read_title(name)) for name in names])
        for title, names in pages.list_pages().items()
        if names
    ]
    api = Section(title="API", links=[Link(url=f"{API}/{tag}", title=title_of(tag)) for tag in TAGS])
    start, guides, *rest = sections
    return [start, guides, api, *rest]


def groups() -> dict[str, OperationGroup]:
    return list_groups(settings.PUBLIC_URL, timezone.now().date())


def read_cached_page(name: str) -> Document:
    return pages.read_page(name, settings.PUBLIC_URL, timezone.now().date())


def docs_response(request: HttpRequest, template: str, policy: str = PAGE_POLICY, **context: Any) -> HttpResponse:
    """A page of the site, with its navigation and with the ways to the page before it and the one after."""
    sections = list_sections()
    links = [link for section in sections for link in section.links]
    here = next((place for place, link in enumerate(links) if link.url == request.path.rstrip("/")), None)
    around = {
        "previous": links[here - 1] if here else None,
        "following": links[here + 1] if here is not None and here + 1 < len(links) else None,
    }
    return page_response(
        request,
        f"emailsvc/docs/{template}",
        policy,
        sections=sections,
        path=request.path.rstrip("/"),
        **around,
        **context,
    )


@require_safe
def show_home(request: HttpRequest) -> HttpResponse:
    """Where to begin, and Swagger UI, from this server alone."""
    return docs_response(request, "home.html", SWAGGER_POLICY)


@require_safe
def show_page(request: HttpRequest, name: str) -> HttpResponse:
    if not pages.has_page(name):
        raise Http404
    document = read_cached_page(name)
    return docs_response(
        request,
        "page.html",
        title=document.title,
        text_url=plain_text.url_of_text(name),
        body=mark_safe(document.html),  # noqa: S308 - our own files, HTML switched off
        headings=document.headings,
    )


@require_safe
def show_page_text(_request: HttpRequest, name: str) -> HttpResponse:
    """A page as Markdown."""
    if not pages.has_page(name):
        raise Http404
    return text_response(plain_text.write_page(name, settings.PUBLIC_URL, timezone.now().date()))


@require_safe
def show_picture(_request: HttpRequest, name: str) -> HttpResponse:
    """A picture of a page."""
    path = pages.find_folder() / "images" / f"{name}.png"
    if not path.is_file():
        raise Http404
    return HttpResponse(path.read_bytes(), content_type="image/png", headers={"Cache-Control": "max-age=3600"})


@require_safe
def show_index(_request: HttpRequest) -> HttpResponse:
    """The pages for programs that read text."""
    return text_response(plain_text.write_index(settings.PUBLIC_URL, timezone.now().date()))


def text_response(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/markdown; charset=utf-8")


@require_safe
def show_group(request: HttpRequest, tag: str) -> HttpResponse:
    """The reference of one tag."""
    group = groups().get(tag)
    if group is None:
        raise Http404
    return docs_response(request, "group.html", title=group.title, group=group, headings=group.headings)


@require_safe
def show_search(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "")[:MAX_QUERY]
    return docs_response(request, "search.html", title="Search", query=query, hits=search(list_places(), query))


def list_places() -> Iterator[Place]:
    """Every section of the site."""
    for names in pages.list_pages().values():
        for name in names:
            document = read_cached_page(name)
            url = pages.url_of(name)
            yield Place(url=url, page=document.title, heading=Heading(level=1, anchor="", text="", body=document.lead))
            for heading in document.headings:
                yield Place(url=f"{url}#{heading.anchor}", page=document.title, heading=heading)
    for group in groups().values():
        for operation in group.headings:
            yield Place(url=f"{API}/{group.tag}#{operation.anchor}", page=group.title, heading=operation)
