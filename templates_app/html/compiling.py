"""Compiles MJML to HTML and inlines styles. Both happen at publication, around the Liquid, which runs later."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path

from delivery.optional import ExtraMissingError, require_extra
from templates_app.errors import InlineCssError, MjmlError, TemplateError, TemplateLimitError
from templates_app.html.link_policy import find_tags
from templates_app.html.placeholders import Placeholders
from templates_app.liquid.limits import MAX_OUTPUT

PROGRAM = Path(__file__).with_name("compiler_process.py")
# The program ends itself after two seconds of processor time; this limit is for a machine that gives it none.
TIMEOUT = 20


class CompilerError(Exception):
    """An error reported by the library."""


@lru_cache(maxsize=16)
def run_compiler(operation: str, source: str) -> str:
    """The library's output for `source`. Raises `CompilerError`, or `TemplateLimitError` if it was stopped."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM)],
            input=json.dumps({"operation": operation, "source": source}).encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise TemplateLimitError("it is nested too deeply or takes too long to compile") from None
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise CompilerError(answer["error"])
    return str(answer["result"])


POSITION = re.compile(r" at position (\d+):\d+")


def compile_mjml(source: str) -> str:
    """HTML from MJML with Liquid. Tags may be between sections, columns and their elements, and in texts."""
    placeholders = Placeholders(source)
    try:
        require_extra("mjml", "MJML")
        html = run_compiler("compile_mjml", placeholders.text)
    except ExtraMissingError as error:
        raise MjmlError(str(error), part="mjml") from None
    except CompilerError as error:
        message = str(error)
        place = POSITION.search(message)
        # The library's positions count bytes.
        line = (
            find_line(placeholders, len(placeholders.text.encode()[: int(place[1])].decode(errors="ignore")))
            if place
            else None
        )
        raise MjmlError(POSITION.sub("", message).replace(" in root template", ""), part="mjml", line=line) from None
    return restore(placeholders, html, MjmlError("a Liquid tag is at a place that MJML drops or repeats", part="mjml"))


def find_line(placeholders: Placeholders, position: int) -> int:
    """The line in the author's source for a position in the masked source, leading blanks skipped."""
    blanks = len(placeholders.text[position:]) - len(placeholders.text[position:].lstrip())
    return placeholders.restore(placeholders.text[: position + blanks]).count("\n") + 1


def restore(placeholders: Placeholders, html: str, error: TemplateError) -> str:
    """`html` with its Liquid restored; raises `error` unless every tag came back once and in order."""
    if placeholders.find_tags(html) != placeholders.tags:
        raise error
    restored = placeholders.restore(html)
    if len(restored) > MAX_OUTPUT:
        raise TemplateLimitError("the compiled result is too large", part=error.part)
    return restored


DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
TABLE_BODY = re.compile(r"</?tbody>", re.IGNORECASE)
DOCUMENT = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
# Wrapped around a fragment: the library would put everything before the first element in front of <html>.
BEFORE, AFTER = "<html><head></head><body>", "</body></html>"


def inline_css(source: str) -> str:
    """HTML with Liquid, its styles inlined. A fragment stays a fragment, and a doctype is kept."""
    placeholders = Placeholders(source)
    masked = "".join(place_words(placeholders))
    is_fragment = not DOCUMENT.search(masked)
    try:
        html = run_compiler("inline_css", f"{BEFORE}{masked}{AFTER}" if is_fragment else masked)
    except CompilerError as error:
        raise InlineCssError(str(error), part="html") from None
    if is_fragment:
        html = html.removeprefix(BEFORE).removesuffix(AFTER)
    # A <tbody> that the library adds would begin inside a loop over rows, but end outside of it.
    if not TABLE_BODY.search(masked):
        html = TABLE_BODY.sub("", html)
    doctype = DOCTYPE.match(masked)
    if doctype:
        html = doctype[0] + DOCTYPE.sub("", html, count=1)
    return restore(placeholders, html, InlineCssError("inlining would move a Liquid tag to another place", part="html"))


class MarkupKind(Enum):
    TEXT = auto()
    TAG = auto()
    STYLE = auto()
    # Comments, scripts and other elements whose content is not HTML.
    RAW = auto()


def place_words(placeholders: Placeholders) -> Iterator[str]:
    """The masked source, with each placeholder in a form that survives parsing at its place."""
    for place, text in split_html(placeholders.text):
        if place is MarkupKind.TEXT:
            yield placeholders.hide(text)
            continue
        if place is MarkupKind.TAG and placeholders.find_tags(QUOTED.sub("", text)):
            refuse_placement(placeholders, text, "inside an element's tag, outside of a quoted value")
        if place is MarkupKind.STYLE and placeholders.find_tags(text):
            refuse_placement(placeholders, text, "inside a style")
        yield text


def refuse_placement(placeholders: Placeholders, text: str, where: str) -> None:
    line = find_line(placeholders, placeholders.text.find(text))
    raise InlineCssError(f"styles cannot be inlined with a Liquid tag {where}", part="html", line=line)


QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
RAW_ELEMENT = re.compile(r"<(style|script|title|textarea|xmp|noframes)\b", re.IGNORECASE)


def split_html(html: str) -> Iterator[tuple[MarkupKind, str]]:
    """`html` in pieces, each with its kind of place."""
    position = 0
    for start, end in find_tags(html):
        if start < position:
            continue
        yield MarkupKind.TEXT, html[position:start]
        yield MarkupKind.RAW if html.startswith("<!", start) else MarkupKind.TAG, html[start:end]
        position = end
        if raw := RAW_ELEMENT.match(html, start):
            ending = re.compile(f"</{raw[1]}", re.IGNORECASE).search(html, end)
            position = ending.start() if ending else len(html)
            yield MarkupKind.STYLE if raw[1].lower() == "style" else MarkupKind.RAW, html[end:position]
    yield MarkupKind.TEXT, html[position:]
