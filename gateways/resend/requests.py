"""Resend's request bodies, rewritten as ours. The checks are those of `/api/v1`; here are only those of the rewriting.

Sources: https://resend.com/docs/api-reference/emails/send-email and the bodies that the Python and Node SDKs send.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from common.errors import FieldError, join_path
from common.serializers import NO_FIELD, StrictUUIDField
from common.times import format_time
from gateways.compat.rewriting import Rewrites, guess_type, reject, rewrite, write_files
from messages.accepting.draft import Draft
from messages.api.fields import ABSENT
from messages.api.serializers import RescheduleRequest, read_draft

MODE_HEADER = "x-batch-validation"
MODES = ("strict", "permissive")
# Our names for what Resend names otherwise: at this door they are unknown.
OURS = ("from_", "metadata", "template_id", "template_vars")
CONTENT = ("subject", "html")
# Resend's Node SDK documents "in 1 min". Other sentences depend on the writer's day and zone, and are refused.
WAIT = re.compile(r"in (?P<count>\d{1,4}|an?) (?P<unit>second|sec|minute|min|hour|day|week)s?\Z", re.IGNORECASE)
UNITS: Mapping[str, timedelta] = {
    "sec": timedelta(seconds=1),
    "second": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


class UpdateRequest(RescheduleRequest):
    """The new time of a scheduled email; resend-python repeats the id of the path."""

    id = StrictUUIDField(required=False)


def read_mode(text: str) -> str:
    """The mode of a batch. Raises InvalidFieldsError, since a misspelt `permissive` would refuse valid emails."""
    if text not in MODES:
        reject(MODE_HEADER, f"Must be one of {', '.join(MODES)}.")
    return text


def read_email(data: Mapping[str, Any]) -> tuple[Draft, list[FieldError]]:
    """Convert Resend's body of an email into a draft without its invalid fields, and the errors of those."""
    body, errors = rewrite(data, REWRITES, ours=OURS, strict_about=("scheduled_at",))
    draft, others = read_draft(body)
    if any(error.field == "template_id" for error in errors):
        # Whether content is needed is unknown then.
        others = [error for error in others if error.field not in CONTENT]
    return draft, errors + others


def write_tags(tags: object) -> dict[str, Any]:
    """`[{"name": …, "value": …}]` as metadata, which has names and values too."""
    if not isinstance(tags, list):
        reject("metadata", "Must be a list of objects with name and value.")
    metadata: dict[str, Any] = {}
    for index, tag in enumerate(tags):
        path = join_path("metadata", index)
        if not isinstance(tag, Mapping) or set(tag) != {"name", "value"} or not isinstance(tag["name"], str):
            reject(path, "Must be an object with name and value, both strings.")
        if tag["name"] in metadata:
            reject(path, "Another tag has the same name.")
        metadata[tag["name"]] = tag["value"]
    return {"metadata": metadata}


def write_template(template: object) -> dict[str, Any]:
    if not isinstance(template, Mapping):
        reject("template_id", "Must be an object with id and variables.")
    if unknown := set(template) - {"id", "variables"}:
        reject("template_id", f"The template has an unknown member: {min(unknown)[:100]}.")
    if template.get("id") in ABSENT:
        reject("template_id", "This field is required.", "required")
    return {"template_id": template["id"], "template_vars": template.get("variables")}


def write_file(file: Mapping[str, Any], path: str) -> dict[str, Any]:
    """One file; without a content type, its name tells it, as at Resend."""
    given = {name: value for name, value in file.items() if value is not None}
    if "path" in given:
        reject(f"{path}.path", "Files are not fetched: send the bytes in content.")
    if "inline_content_id" in given:
        given.setdefault("content_id", given.pop("inline_content_id"))
    given.setdefault("content_type", guess_type(given.get("filename")))
    if "content_b64" in given:
        reject(path, f"content_b64: {NO_FIELD}")
    if "content" in given:
        given["content_b64"] = write_content(given.pop("content"), f"{path}.content_b64")
    return given


def write_content(content: object, path: str) -> object:
    """Base64 of a list of bytes or of Node's `{"type": "Buffer", "data": […]}`; base64 itself stays."""
    if isinstance(content, Mapping) and content.get("type") == "Buffer":
        content = content.get("data")
    if isinstance(content, str):
        return content
    try:
        if isinstance(content, list):
            return b64encode(bytes(content)).decode()
    except (ValueError, TypeError):
        pass
    return reject(path, "Must be base64, or a list of numbers from 0 to 255.")


def write_time(text: object) -> dict[str, Any]:
    """`in 10 minutes` as a time; anything else stays, and is checked as a time."""
    found = WAIT.match(text.strip()) if isinstance(text, str) else None
    if found is None:
        return {"scheduled_at": text}
    count = int(found["count"]) if found["count"].isdecimal() else 1
    return {"scheduled_at": format_time(datetime.now(UTC) + count * UNITS[found["unit"].lower()])}


REWRITES: Rewrites = {
    "from": lambda sender: {"from_": sender},
    "tags": write_tags,
    "template": write_template,
    "attachments": lambda files: write_files(files, write_file),
    "scheduled_at": write_time,
}
