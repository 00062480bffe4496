"""The objects of the API as they are sent and received. Later versions may add members to answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

from emailsvc_client.errors import FieldProblem

T = TypeVar("T")
Addresses = str | Sequence[str]
Time = datetime | str


class Attachment(TypedDict):
    """A file of an email to send; `attach` makes one."""

    filename: str
    content_type: str
    content_b64: str
    content_id: NotRequired[str]


class EmailFields(TypedDict, total=False):
    """An email to send. Addresses are `a@b.c` or `Name <a@b.c>`."""

    from_: str
    to: Addresses
    cc: Addresses
    bcc: Addresses
    reply_to: Addresses
    subject: str
    html: str
    text: str
    template_id: str
    template_vars: Mapping[str, Any]
    locale: str
    domain_id: str
    track_opens: bool
    track_clicks: bool
    stream: str
    enable_unsubscribe: bool
    scheduled_at: Time
    expires_at: Time
    attachments: Sequence[Attachment]
    headers: Mapping[str, str]
    tags: Sequence[str]
    metadata: Mapping[str, str]
    priority: Literal["critical", "normal", "bulk"]
    on_uncertain: Literal["retry", "hold"]


class Recipient(TypedDict):
    """One recipient of an email, with a state of its own."""

    address: str
    name: str
    kind: Literal["to", "cc", "bcc"]
    status: str
    status_reason: str | None
    next_attempt_at: str | None
    last_reply: str | None


class Email(TypedDict):
    """An accepted email. Content, `attempts` and `events` are in the answer to `get_email` only."""

    id: str
    status: str
    status_reason: str | None
    test: bool
    from_: str
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: list[str]
    subject: str
    template_id: str | None
    domain_id: str | None
    headers: dict[str, str]
    tags: list[str]
    metadata: dict[str, str]
    priority: str
    stream: str
    locale: str | None
    created_at: str
    scheduled_at: str | None
    queued_at: str | None
    sent_at: str | None
    delivered_at: str | None
    failed_at: str | None
    bounced_at: str | None
    cancelled_at: str | None
    expires_at: str | None
    resent_from: str | None
    forwarded_to: list[str]
    message_id: str
    recipients: list[Recipient]
    attachments: list[dict[str, Any]]
    html: NotRequired[str | None]
    text: NotRequired[str | None]
    bodies_purged_at: NotRequired[str | None]
    attempts: NotRequired[list[dict[str, Any]]]
    events: NotRequired[list[dict[str, Any]]]


class Page(TypedDict, Generic[T]):
    """A page of a list. `next` is the value for `after`."""

    data: list[T]
    has_more: bool
    limit: int
    next: str | None


class AcceptedItem(TypedDict):
    """An accepted email of a batch."""

    index: int
    id: str
    status: str


class RefusedItem(TypedDict):
    """A refused email of a batch."""

    index: int
    errors: list[FieldProblem]


class Batch(TypedDict):
    """The answer to a batch."""

    data: list[AcceptedItem]
    errors: list[RefusedItem]


class Event(TypedDict):
    """An event of the feed or of a timeline."""

    id: str
    type: str
    email_id: str
    recipient: str | None
    occurred_at: str
    data: dict[str, Any]
    test: NotRequired[bool]


class WebhookEvent(TypedDict):
    """The body of a webhook post."""

    type: str
    timestamp: str
    data: dict[str, Any]


class Template(TypedDict):
    """A template's draft."""

    id: str
    alias: str | None
    name: str
    subject: str
    html: str
    text: str
    mjml: str
    locales: dict[str, dict[str, Any]]
    default_locale: str | None
    layout: str | None
    inline_css: bool
    published_version: int | None
    created_at: str
    updated_at: str


class TemplateFields(TypedDict, total=False):
    """The fields of a draft to write."""

    alias: str | None
    name: str
    subject: str
    html: str
    text: str
    mjml: str
    layout: str | None
    locales: Mapping[str, Mapping[str, Any]] | None
    default_locale: str | None
    inline_css: bool


class Domain(TypedDict):
    """A sending domain with its DNS records."""

    id: str
    name: str
    status: str
    default_from: str | None
    created_at: str
    verified_at: str | None
    checked_at: str | None
    failing_since: str | None
    records: list[dict[str, Any]]
