"""SES's request bodies, rewritten as ours. The checks are those of `/api/v1`; here is only the rewriting.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html and …/API_SendBulkEmail.html.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import ApiError, FieldError, FieldErrors, join_path
from common.serializers import NO_FIELD
from common.strict_json import parse_json
from gateways.compat.rewriting import Rewrites, guess_type, reject, rename, rewrite, write_files
from gateways.mime.beside import join_fields
from gateways.ses.own_headers import OWN_HEADERS, read_own_headers
from messages.accepting.draft import Draft
from messages.api.serializers import read_draft

SWITCHES: Mapping[object, bool] = {"ENABLED": True, "DISABLED": False}
FILE_NAMES: Mapping[str, str] = {
    "FileName": "filename",
    "RawContent": "content_b64",
    "ContentType": "content_type",
    "ContentId": "content_id",
    # How the file is shown follows from its id, and how it is encoded is chosen when the mail is composed.
    "ContentDisposition": "disposition",
    "ContentTransferEncoding": "encoding",
    "ContentDescription": "description",
}
UNUSED = ("disposition", "encoding", "description")
CONTENT = frozenset({"subject", "html", "template_id"})


def read_email(data: Mapping[str, Any]) -> tuple[Draft, list[FieldError]]:
    """Convert the body of SendEmail into a draft without its invalid fields, and the errors of those."""
    ours = [name for name in data if name not in REWRITES]
    body, errors = rewrite(data, REWRITES, ours=ours)
    if "Content" not in data:
        errors.append(FieldError("", "required", "Content: This field is required."))
    draft, others = read_draft(body)
    if errors:
        # Whether content is needed is unknown then.
        others = [error for error in others if error.field not in CONTENT]
    return draft, errors + others


def split_bulk(data: Mapping[str, Any]) -> list[Any]:
    """The body of SendBulkEmail as one of SendEmail for each entry. Raises InvalidFieldsError."""
    given = dict(data)
    entries = given.pop("BulkEmailEntries", None)
    content = given.pop("DefaultContent", None)
    tags = given.pop("DefaultEmailTags", None)
    if not isinstance(entries, list):
        reject("", "BulkEmailEntries: Must be a list.")
    template = take(content, ("Template",), "DefaultContent").get("Template")
    if not isinstance(template, Mapping):
        reject("", "DefaultContent: Must be an object with a Template.")
    return [write_entry(entry, given, template, tags) if isinstance(entry, Mapping) else entry for entry in entries]


def write_entry(entry: Mapping[str, Any], shared: Mapping[str, Any], template: Mapping[str, Any], tags: object) -> Any:
    """The body of one entry; its own data, headers and tags come before those of all. Raises InvalidFieldsError."""
    own = dict(entry)
    replaced = take(own.pop("ReplacementEmailContent", None), ("ReplacementTemplate",), "ReplacementEmailContent")
    data = take(replaced.get("ReplacementTemplate"), ("ReplacementTemplateData",), "ReplacementTemplate")
    own_data = data.get("ReplacementTemplateData")
    filled = dict(template)
    if own_data is not None:
        filled["TemplateData"] = own_data
        filled["DefaultData"] = template.get("TemplateData")
    filled["Headers"] = join_pairs(template.get("Headers"), own.pop("ReplacementHeaders", None))
    own_tags = own.pop("ReplacementTags", None)
    return {**shared, **own, "Content": {"Template": filled}, "EmailTags": join_pairs(tags, own_tags)}


def take(value: object, names: Sequence[str], path: str) -> Mapping[str, Any]:
    """The object, which may have these members; {} for null."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        reject("", f"{path}: Must be an object.")
    if unknown := [name for name in value if name not in names]:
        reject("", f"{path}.{unknown[0][:100]}: {NO_FIELD}")
    return value


def join_pairs(default: object, own: object) -> Any:
    """Both lists of names and values, without defaults that have another value; what is no list is checked later."""
    if not isinstance(own, list) or not isinstance(default, list):
        return own or default
    named = {pair.get("Name") for pair in own if isinstance(pair, Mapping) and isinstance(pair.get("Name"), str)}
    return [pair for pair in default if not isinstance(pair, Mapping) or pair.get("Name") not in named] + own


def write_destination(value: object) -> dict[str, Any]:
    names = {"ToAddresses": "to", "CcAddresses": "cc", "BccAddresses": "bcc"}
    given = take(value, list(names), "Destination")
    return {names[name]: addresses for name, addresses in given.items() if addresses is not None}


def write_content(value: object) -> dict[str, Any]:
    given = take(value, ("Simple", "Template", "Raw"), "Content")
    kinds = [kind for kind in given if given[kind] is not None]
    # A mail alone is read by `gateways.ses.raw`.
    if len(kinds) != 1 or kinds == ["Raw"]:
        reject("", "Content: Must have one member: Simple, Template or Raw.")
    return write_simple(given["Simple"]) if kinds == ["Simple"] else write_template(given["Template"])


def write_simple(value: object) -> dict[str, Any]:
    given = take(value, ("Subject", "Body", "Headers", "Attachments"), "Content.Simple")
    body = take(given.get("Body"), ("Text", "Html"), "Body")
    return {
        "subject": read_text(given.get("Subject"), "Subject"),
        "text": read_text(body.get("Text"), "Body.Text"),
        "html": read_text(body.get("Html"), "Body.Html"),
        **write_extras(given),
    }


def read_text(value: object, path: str) -> Any:
    """The text of `{"Data": …, "Charset": …}`; the charset is chosen when the mail is composed."""
    return take(value, ("Data", "Charset"), path).get("Data")


def write_template(value: object) -> dict[str, Any]:
    names = ("TemplateName", "TemplateData", "DefaultData", "Headers", "Attachments")
    given = take(value, names, "Template")
    if not isinstance(given.get("TemplateName"), str) or not given["TemplateName"]:
        reject("template_id", "Must be the id or alias of a template.", "required")
    data = {**read_data(given.get("DefaultData")), **read_data(given.get("TemplateData"))}
    return {"template_id": given["TemplateName"], "template_vars": data, **write_extras(given)}


def read_data(text: object) -> Mapping[str, Any]:
    """The variables, an object in JSON within a string."""
    if text is None or text == "":
        return {}
    if not isinstance(text, str):
        reject("template_vars", "Must be an object in JSON, as a string.")
    try:
        given = parse_json(text.encode())
    except ApiError as error:
        reject("template_vars", error.detail, error.public_code)
    if not isinstance(given, dict):
        reject("template_vars", "Must be an object in JSON, as a string.")
    return given


def write_extras(given: Mapping[str, Any]) -> dict[str, Any]:
    """The headers and files of both kinds of content. Several errors are collected."""
    findings, body = FieldErrors(), dict[str, Any]()
    pairs, own = split_own(given.get("Headers"))
    with findings.collect():
        body = join_fields({"headers": write_pairs(pairs, "headers")}, read_own_headers(own))
    if given.get("Attachments") is not None:
        with findings.collect():
            body |= write_files(given["Attachments"], write_file)
    findings.raise_all()
    return body


def split_own(pairs: object) -> tuple[Any, Mapping[str, Sequence[str]]]:
    """The pairs that are headers, and the values of `OWN_HEADERS` among them by name."""
    if not isinstance(pairs, list):
        return pairs, {}
    rest, own = [], dict[str, list[str]]()
    for pair in pairs:
        name, value = (pair.get("Name"), pair.get("Value")) if isinstance(pair, Mapping) else (None, None)
        if isinstance(name, str) and isinstance(value, str) and name.lower() in OWN_HEADERS:
            own.setdefault(name.lower(), []).append(value)
        else:
            rest.append(pair)
    return rest, own


def write_pairs(pairs: object, path: str) -> dict[str, Any]:
    """`[{"Name": …, "Value": …}]` as an object."""
    if pairs is None:
        return {}
    if not isinstance(pairs, list):
        reject(path, "Must be a list of objects with Name and Value.")
    written: dict[str, Any] = {}
    for index, pair in enumerate(pairs):
        place = join_path(path, index)
        if not isinstance(pair, Mapping) or set(pair) != {"Name", "Value"} or not isinstance(pair["Name"], str):
            reject(place, "Must be an object with Name and Value, both strings.")
        if pair["Name"] in written:
            reject(place, "Another one has the same name.", "duplicate_name")
        written[pair["Name"]] = pair["Value"]
    return written


def write_file(file: Mapping[str, Any], path: str) -> dict[str, Any]:
    given = rename(file, FILE_NAMES, path)
    for name in UNUSED:
        given.pop(name, None)
    given.setdefault("content_type", guess_type(given.get("filename")))
    return given


def write_overrides(value: object) -> dict[str, Any]:
    tracking = take(value, ("Tracking",), "ConfigurationOverrides").get("Tracking")
    names = {"OpenTrackingEnabled": "track_opens", "ClickTrackingEnabled": "track_clicks"}
    written = {}
    for name, switch in take(tracking, list(names), "Tracking").items():
        if not isinstance(switch, str) or switch not in SWITCHES:
            reject(names[name], "Must be ENABLED or DISABLED.")
        written[names[name]] = SWITCHES[switch]
    return written


REWRITES: Rewrites = {
    "FromEmailAddress": lambda text: {"from_": text},
    "Destination": write_destination,
    "ReplyToAddresses": lambda addresses: {"reply_to": addresses},
    "Content": write_content,
    "EmailTags": lambda tags: {"metadata": write_pairs(tags, "metadata")},
    "ConfigurationSetName": lambda name: {"stream": name},
    "ConfigurationOverrides": write_overrides,
}
