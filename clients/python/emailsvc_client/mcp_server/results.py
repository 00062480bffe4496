"""What the tools return. Each result has a JSON Schema, which programs and models read.

Later versions of the service may add members; results keep those.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Result(BaseModel):
    model_config = ConfigDict(extra="allow")


class Forecast(Result):
    """What would become of one recipient."""

    address: str
    decision: str = Field(description="The status that the recipient would get: queued, scheduled or suppressed.")
    reason: str | None = Field(description="Why the address is suppressed, or why the mail would wait: approval, …")
    stream: str
    provider: str | None


class Link(Result):
    url: str
    tracked: bool


class DryRun(Result):
    """What sending would do; nothing is stored or sent."""

    mime: str | None = Field(description="The message as it would leave; null without the scope emails:read.")
    size: int = Field(description="The bytes of the message.")
    recipients: list[Forecast]
    alignment: dict[str, str] = Field(description="Whether SPF, DKIM and DMARC align with the sender's domain.")
    links: list[Link]


class RecipientState(Result):
    """One recipient with a state of its own."""

    address: str
    kind: str
    status: str
    status_reason: str | None = None
    next_attempt_at: str | None = None
    last_reply: str | None = None


class EmailSummary(Result):
    """An accepted email, without its content.

    Only what says that it was accepted is required: an error here would make a model send it again.
    """

    id: str
    status: str
    status_reason: str | None = Field(None, description="Why it has this status; approval: it waits for a person.")
    test: bool = False
    from_: str = ""
    to: list[str] = []
    cc: list[str] = []
    bcc: list[str] = []
    subject: str = ""
    stream: str = ""
    tags: list[str] = []
    metadata: dict[str, str] = {}
    created_at: str | None = None
    scheduled_at: str | None = None
    sent_at: str | None = None
    delivered_at: str | None = None
    recipients: list[RecipientState] = []


class EmailDetail(EmailSummary):
    """An email with its content, its attempts and its events."""

    html: str | None = None
    text: str | None = None
    attempts: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []


class SendResult(Result):
    """The outcome of send_email: a forecast, or the accepted email."""

    sent: bool = Field(description="Whether the service has accepted the email.")
    note: str = Field(description="What this means, and what to do next.")
    dry_run: DryRun | None = None
    email: EmailSummary | None = None


class PageResult(Result):
    has_more: bool
    next: str | None = Field(description="The value for `after` to get the next page.")


class EmailPage(PageResult):
    data: list[EmailSummary]


class RecipientExplanation(Result):
    address: str
    status: str
    status_reason: str | None
    why: str
    next: str | None
    next_at: str | None
    advice: list[str]


class Explanation(Result):
    """Why an email is in its state, what happens next, and what a person can do."""

    id: str
    status: str
    why: str
    next: str | None
    next_at: str | None
    advice: list[str]
    decisions: list[str]
    recipients: list[RecipientExplanation]


class StatsRow(Result):
    """The counts of the emails that were accepted in one step of time, or in the whole range."""

    at: str | None
    group: str | None
    sent: int
    delivered: int
    bounced: int
    failed: int
    complained: int
    rates: dict[str, float | None]


class Stats(Result):
    begins_at: str
    ends_at: str
    by: str
    grouped_by: str | None
    totals: list[StatsRow]
    data: list[StatsRow]


class SuppressionRow(Result):
    """An address that gets no mail, and why."""

    address: str
    reason: str
    stream: str | None = Field(description="The only stream for which it holds; null: all streams.")
    note: str
    created_at: str


class SuppressionPage(PageResult):
    data: list[SuppressionRow]


class TemplateRow(BaseModel):
    """A template, without its content."""

    model_config = ConfigDict(extra="ignore")

    id: str
    alias: str | None
    name: str
    subject: str
    published_version: int | None = Field(description="Null: it cannot be sent before it is published.")
    variables: list[str] = Field(description="What template_vars must have.")
    optional_variables: list[str]
    default_locale: str | None
    updated_at: str


class TemplatePage(PageResult):
    data: list[TemplateRow]
