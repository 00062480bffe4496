"""Postmark's request bodies, rewritten as ours. The checks are those of `/api/v1`; here is only the rewriting.

Sources: https://postmarkapp.com/developer/api/email-api and …/templates-api, and the bodies that postmark.js and
django-anymail send.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from accounts.models import Project
from accounts.streams import DEFAULT_STREAM
from common.errors import FieldError, join_path
from common.serializers import NO_FIELD
from gateways.compat.rewriting import (
    Rewrites,
    guess_type,
    name_file,
    reject,
    rename,
    rewrite,
    split_addresses,
    write_files,
)
from gateways.postmark.template_forms import read_ref
from messages.accepting.draft import Draft
from messages.api.serializers import read_draft

# The stream that every server of Postmark has for mail that names none.
OUTBOUND = "outbound"
# Whether links are tracked, by Postmark's word. Links in the text part never are.
LINKS: Mapping[object, bool] = {"None": False, "HtmlOnly": True, "HtmlAndText": True, "TextOnly": False}
FILE_NAMES: Mapping[str, str] = {
    "Name": "filename",
    "Content": "content_b64",
    "ContentType": "content_type",
    "ContentID": "content_id",
    # Anymail repeats the bytes' number.
    "ContentLength": "length",
}
CONTENT = frozenset({"subject", "html"})

Read = Callable[[Mapping[str, Any]], tuple[Draft, list[FieldError]]]


def read_email(project: Project, *, is_templated: bool) -> Read:
    """A function that converts a body into a draft without its invalid fields, and the errors of those."""
    names = TEMPLATED if is_templated else RAW
    streams = partial(write_stream, project)
    # A batch asks for each number once.
    find = cache(partial(read_ref, project))
    templates = {name: partial(write_template, find) for name in ("TemplateId", "TemplateAlias") if is_templated}
    own = {"MessageStream": streams, **templates}
    return lambda data: _read_rewritten(data, {**names, **own}, is_templated=is_templated)


def _read_rewritten(
    data: Mapping[str, Any], rewrites: Rewrites, *, is_templated: bool
) -> tuple[Draft, list[FieldError]]:
    ours = [name for name in data if name not in rewrites]
    body, errors = rewrite(data, rewrites, ours=ours)
    draft, others = read_draft(body)
    if any(error.field == "template_id" for error in errors):
        # Whether content is needed is unknown then.
        others = [error for error in others if error.field not in CONTENT]
    elif is_templated and "template_id" not in body:
        others = [error for error in others if error.field not in CONTENT | {"template_vars"}]
        errors.append(FieldError("template_id", "required", "TemplateId or TemplateAlias is required."))
    return draft, errors + others


def write_stream(project: Project, name: object) -> dict[str, Any]:
    """Postmark's `outbound` is our default stream, unless the project has one of this name."""
    if name == OUTBOUND and not project.streams.filter(name=OUTBOUND).exists():
        return {"stream": DEFAULT_STREAM}
    return {"stream": name}


def write_headers(headers: object) -> dict[str, Any]:
    """`[{"Name": …, "Value": …}]` as an object."""
    if not isinstance(headers, list):
        reject("headers", "Must be a list of objects with Name and Value.")
    written: dict[str, Any] = {}
    for index, header in enumerate(headers):
        path = join_path("headers", index)
        if not isinstance(header, Mapping) or set(header) != {"Name", "Value"} or not isinstance(header["Name"], str):
            reject(path, "Must be an object with Name and Value, both strings.")
        if header["Name"] in written:
            reject(path, "Another header has the same name.", "duplicate_header")
        written[header["Name"]] = header["Value"]
    return {"headers": written}


def write_links(word: object) -> dict[str, Any]:
    if not isinstance(word, str) or word not in LINKS:
        reject("track_clicks", f"Must be one of {', '.join(map(str, LINKS))}.")
    return {"track_clicks": LINKS[word]}


def write_template(find: Callable[[str | int], str], ref: object) -> dict[str, Any]:
    """The number, id or alias of a template."""
    if isinstance(ref, bool) or not isinstance(ref, int | str):
        reject("template_id", "Must be the id or alias of a template.")
    return {"template_id": find(ref)}


def write_file(file: Mapping[str, Any], path: str) -> dict[str, Any]:
    given = rename(file, FILE_NAMES, path)
    given.pop("length", None)
    given.setdefault("content_type", guess_type(given.get("filename")))
    if given.get("filename", "") == "":
        # As at Postmark, an inline image needs no name.
        given["filename"] = name_file(given["content_type"])
    if isinstance(cid := given.get("content_id"), str):
        given["content_id"] = cid.removeprefix("cid:")
    return given


def ignore_inlining(flag: object) -> dict[str, Any]:
    """Whether CSS is inlined is a property of our templates, so only Postmark's default, true, is taken."""
    if flag is not True:
        reject("", f"InlineCss: {NO_FIELD} Set `inline_css` of the template.", "unknown_field")
    return {}


COMMON: Rewrites = {
    "From": lambda text: {"from_": text},
    "To": lambda text: {"to": split_addresses(text)},
    "Cc": lambda text: {"cc": split_addresses(text)},
    "Bcc": lambda text: {"bcc": split_addresses(text)},
    "ReplyTo": lambda text: {"reply_to": split_addresses(text)},
    "Tag": lambda tag: {"tags": [tag]},
    "Metadata": lambda metadata: {"metadata": metadata},
    "Headers": write_headers,
    "TrackOpens": lambda flag: {"track_opens": flag},
    "TrackLinks": write_links,
    "Attachments": lambda files: write_files(files, write_file),
}
RAW: Rewrites = {
    **COMMON,
    "Subject": lambda text: {"subject": text},
    "HtmlBody": lambda text: {"html": text},
    "TextBody": lambda text: {"text": text},
}
TEMPLATED: Rewrites = {
    **COMMON,
    "TemplateModel": lambda model: {"template_vars": model},
    "InlineCss": ignore_inlining,
}
