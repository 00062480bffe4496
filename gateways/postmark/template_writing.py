"""Postmark's bodies of templates, rewritten as ours. A template there has no draft: what is written is sent.

Source: https://postmarkapp.com/developer/api/templates-api.
"""

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from accounts.models import Project
from common.errors import ApiError, InvalidFieldsError
from common.validation import read_fields
from gateways.compat.placeholders import to_liquid
from gateways.compat.rewriting import Rewrites, reject, rewrite
from gateways.postmark.errors import WORDING
from gateways.postmark.template_forms import LAYOUT, STANDARD, read_ref
from templates_app.models import Template
from templates_app.previews import build_variables_sample, preview_template
from templates_app.serializers import TemplateInput
from templates_app.services import find_layout

# The place of the content in a layout.
CONTENT = re.compile(r"\{\{\{\s*@content\s*\}\}\}")
OUR_CONTENT = "{{ content }}"
PARTS: Mapping[str, str] = {"Subject": "subject", "HtmlBody": "html", "TextBody": "text"}


def keep(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: value}


def write_part(name: str) -> Callable[[Any], dict[str, Any]]:
    def write(text: Any) -> dict[str, Any]:
        return {name: to_liquid(name, CONTENT.sub(OUR_CONTENT, text)) if isinstance(text, str) else text}

    return write


def check_type(kind: object) -> dict[str, Any]:
    """Whether it is a layout follows from its content and its use."""
    if kind not in (STANDARD, LAYOUT):
        reject("", f"TemplateType: Must be {STANDARD} or {LAYOUT}.")
    return {}


REWRITES: Rewrites = {
    "Name": keep("name"),
    "Alias": keep("alias"),
    "LayoutTemplate": keep("layout"),
    "TemplateType": check_type,
    **{theirs: write_part(ours) for theirs, ours in PARTS.items()},
}
CLEARED = ("Alias", "LayoutTemplate", *PARTS)


def read_template(project: Project, data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a template. Raises InvalidFieldsError or ValidationError."""
    unknown = [name for name in data if name not in REWRITES]
    body, errors = rewrite(data, REWRITES, ours=unknown, strict_about=CLEARED)
    if errors:
        raise InvalidFieldsError(errors)
    # A null clears nothing at Postmark but the layout.
    if "LayoutTemplate" in data and data["LayoutTemplate"] is None:
        body["layout"] = None
    if isinstance(body.get("layout"), str):
        body["layout"] = read_ref(project, body["layout"])
    values: dict[str, Any] = read_fields(TemplateInput, body)
    return values


# Members of a validation that change nothing here.
IGNORED = ("InlineCssForHtmlTestRender",)


def validate(project: Project, data: Mapping[str, Any]) -> dict[str, Any]:
    """Each part by itself, rendered with the model; nothing is stored. Raises InvalidFieldsError for a wrong body."""
    model = data.get("TestRenderModel") or {}
    if not isinstance(model, dict):
        reject("", "TestRenderModel: Must be an object.")
    given = {name: value for name, value in data.items() if name not in {*IGNORED, "TestRenderModel"}}
    rest = {name: value for name, value in given.items() if name not in PARTS}
    draft = Template(project=project, layout=find_layout(project, read_template(project, rest).get("layout")))
    shown: dict[str, Any] = {}
    for name, part in PARTS.items():
        shown[name] = try_part(draft, part, given[name], model) if given.get(name) else None
    valid = [each["ContentIsValid"] for each in shown.values() if each]
    if not valid:
        reject("", "Subject, HtmlBody or TextBody is required.", "required")
    return {
        "AllContentIsValid": all(valid),
        **shown,
        "SuggestedTemplateModel": suggest_model(project, given) if all(valid) else {},
    }


def try_part(draft: Template, part: str, text: object, model: Mapping[str, Any]) -> dict[str, Any]:
    tried = copy(draft)
    try:
        setattr(tried, part, read_fields(TemplateInput, write_part(part)(text))[part])
        if part == "subject":
            # A mail needs a body.
            tried.layout, tried.text = None, "-"
        rendered = preview_template(tried, model)
    except ApiError as error:
        messages = [WORDING.describe(item) for item in error.errors] or [error.detail]
        found = [{"Message": message, "Line": 1, "CharacterPosition": 1} for message in messages]
        return {"ContentIsValid": False, "ValidationErrors": found, "RenderedContent": None}
    return {"ContentIsValid": True, "ValidationErrors": [], "RenderedContent": getattr(rendered, part)}


def suggest_model(project: Project, given: Mapping[str, Any]) -> dict[str, object]:
    """An object with a value wherever one of the parts reads one."""
    parts = {name: value for name, value in given.items() if name in PARTS and value}
    values = read_template(project, parts)
    return build_variables_sample(Template(project=project, **{part: values.get(part, "") for part in PARTS.values()}))
