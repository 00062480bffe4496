"""What each ESP was told of a mail, read from its call in one form."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from typing import Any

from tests.esp_server import Call

Mailboxes = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class SeenFile:
    """`shown_as` is the content id of an inline file."""

    name: str
    type: str
    content: bytes
    shown_as: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Mailboxes are (name, address); `headers` those that are the mail's own, in order."""

    from_: Mailboxes
    to: Mailboxes
    cc: Mailboxes
    reply_to: Mailboxes
    subject: str
    text: str
    html: str
    headers: list[tuple[str, str]]
    files: list[SeenFile]
    invitation: tuple[str, str] | None = None


def read_text(value: str | list[str] | None) -> Mailboxes:
    """Mailboxes as text."""
    return getaddresses([value] if isinstance(value, str) else value or [])


def read_named(value: Any, name: str = "name", address: str = "email") -> Mailboxes:
    """Mailboxes as objects."""
    values = value if isinstance(value, list) else [value] if value else []
    return [(decode(each.get(name, "")), each[address]) for each in values]


def decode(text: str) -> str:
    return str(make_header(decode_header(text.replace("\r\n", ""))))


def list_pairs(headers: Mapping[str, str], *left_out: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name not in left_out]


def read_files(files: list[Any], names: tuple[str, str, str, str], prefix: str = "") -> list[SeenFile]:
    """`names` are the keys of file name, type, content and content id."""
    name, kind, content, shown_as = names
    return [
        SeenFile(
            name=each.get(name, ""),
            type=each.get(kind, ""),
            content=b64decode(each[content]),
            shown_as=each.get(shown_as, "").removeprefix(prefix),
        )
        for each in files
    ]


def read_brevo(call: Call) -> Seen:
    data = call.json
    return Seen(
        from_=read_named(data["sender"]),
        to=read_named(data["to"]),
        cc=read_named(data.get("cc")),
        reply_to=read_named(data.get("replyTo")),
        subject=data["subject"],
        text=data.get("textContent", ""),
        html=data.get("htmlContent", ""),
        headers=list_pairs(data["headers"], "X-Mailin-custom", "idempotencyKey"),
        files=read_files(data.get("attachment", []), ("name", "", "content", "")),
    )


def read_mailersend(call: Call) -> Seen:
    data = call.json
    return Seen(
        from_=read_named(data["from"]),
        to=read_named(data["to"]),
        cc=read_named(data.get("cc")),
        reply_to=read_named(data.get("reply_to")),
        subject=data["subject"],
        text=data["text"],
        html=data.get("html", ""),
        headers=[
            *([("In-Reply-To", data["in_reply_to"])] if "in_reply_to" in data else []),
            *([("References", " ".join(data["references"]))] if "references" in data else []),
            *((each["name"], each["value"]) for each in data.get("headers", [])),
        ],
        files=read_files(data.get("attachments", []), ("filename", "", "content", "id")),
    )


def read_mailjet(call: Call) -> Seen:
    data = {**call.json["Globals"], **call.json["Messages"][0]}
    files = [*data.get("Attachments", []), *data.get("InlinedAttachments", [])]
    return Seen(
        from_=read_named(data["From"], "Name", "Email"),
        to=read_named(data["To"], "Name", "Email"),
        cc=read_named(data.get("Cc"), "Name", "Email"),
        reply_to=read_named(data.get("ReplyTo"), "Name", "Email"),
        subject=data["Subject"],
        text=data.get("TextPart", ""),
        html=data.get("HTMLPart", ""),
        headers=list_pairs(data.get("Headers", {})),
        files=read_files(files, ("Filename", "ContentType", "Base64Content", "ContentID")),
    )


def read_postmark(call: Call) -> Seen:
    data = call.json
    files = read_files(data.get("Attachments", []), ("Name", "ContentType", "Content", "ContentID"), "cid:")
    return Seen(
        from_=read_text(data["From"]),
        to=read_text(data["To"]),
        cc=read_text(data.get("Cc")),
        reply_to=read_text(data.get("ReplyTo")),
        subject=data["Subject"],
        text=data["TextBody"],
        html=data.get("HtmlBody", ""),
        headers=[(each["Name"], each["Value"]) for each in data.get("Headers", [])],
        files=files,
    )


def read_resend(call: Call) -> Seen:
    data = call.json
    return Seen(
        from_=read_text(data["from"]),
        to=read_text(data["to"]),
        cc=read_text(data.get("cc")),
        reply_to=read_text(data.get("reply_to")),
        subject=data["subject"],
        text=data["text"],
        html=data.get("html", ""),
        headers=list_pairs(data["headers"], "X-Metadata"),
        files=read_files(data.get("attachments", []), ("filename", "content_type", "content", "content_id")),
    )


def read_sendgrid(call: Call) -> Seen:
    data = call.json
    (one,) = data["personalizations"]
    contents = {each["type"]: each["value"] for each in data["content"]}
    others = [(kind, value) for kind, value in contents.items() if kind not in {"text/plain", "text/html"}]
    return Seen(
        from_=read_named(data["from"]),
        to=read_named(one["to"]),
        cc=read_named(one.get("cc")),
        reply_to=read_named(data.get("reply_to_list")),
        subject=data["subject"],
        text=contents.get("text/plain", ""),
        html=contents.get("text/html", ""),
        headers=list_pairs(data.get("headers", {})),
        files=read_files(data.get("attachments", []), ("filename", "type", "content", "content_id")),
        invitation=others[0] if others else None,
    )


def read_sparkpost(call: Call) -> Seen:
    data = call.json["content"]
    files = read_files(data.get("attachments", []), ("name", "type", "data", ""))
    shown = read_files(data.get("inline_images", []), ("", "type", "data", "name"))
    return Seen(
        from_=read_text(data["from"]),
        to=read_text(call.json["recipients"][0]["address"]["header_to"]),
        cc=read_text(data.get("headers", {}).get("Cc")),
        reply_to=read_text(data.get("reply_to")),
        subject=data["subject"],
        text=data["text"],
        html=data.get("html", ""),
        headers=list_pairs(data.get("headers", {}), "Cc"),
        files=[*files, *shown],
    )


OURS = {
    *("from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"),
    "content-transfer-encoding",
}


def read_mime(content: bytes) -> Seen:
    """A mail's bytes, by the standard library's older parser, which adds nothing to names."""
    message = message_from_bytes(content)
    bodies: dict[str, str] = {}
    files = []
    for part in list_leaves(message):
        kind = part.get_content_type()
        data = part.get_payload(decode=True)
        if part.get_content_disposition() is None:
            assert isinstance(data, bytes)
            bodies[kind] = data.decode("utf-8")
            if kind == "text/calendar":
                bodies["method"] = str(part.get_param("method"))
        else:
            files.append(read_part(part))
    return Seen(
        from_=read_header(message, "From"),
        to=read_header(message, "To"),
        cc=read_header(message, "Cc"),
        reply_to=read_header(message, "Reply-To"),
        subject=decode(message["Subject"]),
        text=bodies["text/plain"],
        html=bodies.get("text/html", ""),
        headers=[(name, value.replace("\r\n", "")) for name, value in message.items() if name.lower() not in OURS],
        files=files,
        invitation=(bodies["method"], bodies["text/calendar"]) if "method" in bodies else None,
    )


def list_leaves(message: Message) -> Iterator[Message]:
    for part in message.get_payload() if message.is_multipart() else ():
        if part.get_content_maintype() == "multipart":
            yield from list_leaves(part)
        else:
            yield part
    if not message.is_multipart():
        yield message


def read_header(message: Message, name: str) -> Mailboxes:
    value = message[name]
    return [(decode(each), address) for each, address in getaddresses([value.replace("\r\n", "")])] if value else []


def read_part(part: Message) -> SeenFile:
    data = part.get_payload(decode=True)
    if part.get_content_type() == "message/rfc822":
        data = part.get_payload(0).as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    kind = "; ".join(f"{key}={value}" if value else key for key, value in part.get_params() if key != "name")
    is_inline = part.get_content_disposition() == "inline"
    return SeenFile(
        name=decode(part.get_filename() or ""),
        type=kind.lower().replace("method=request", "method=REQUEST"),
        content=data,
        shown_as=part["Content-ID"].strip("<>") if is_inline else "",
    )


def read_ses(call: Call) -> Seen:
    return read_mime(b64decode(call.json["Content"]["Raw"]["Data"]))


def read_mailgun(call: Call) -> Seen:
    head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
    boundary = message_from_bytes(head).get_boundary()
    assert boundary is not None
    (form,) = [part for part in call.body.split(b"--" + boundary.encode()) if b'name="message"' in part]
    return read_mime(form.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))


READERS: dict[str, Callable[[Call], Seen]] = {
    "brevo": read_brevo,
    "mailersend": read_mailersend,
    "mailgun": read_mailgun,
    "mailjet": read_mailjet,
    "postmark": read_postmark,
    "resend": read_resend,
    "sendgrid": read_sendgrid,
    "ses": read_ses,
    "sparkpost": read_sparkpost,
}
