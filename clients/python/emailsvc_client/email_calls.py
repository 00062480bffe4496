"""The calls about emails and events. Each is named for its operation in the API's reference."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Unpack

from emailsvc_client.calls import Call, download, get, patch, path_of, post
from emailsvc_client.objects import Addresses, Batch, Email, EmailFields, Event, Page, Time

T = TypeVar("T")


def send_email(*, idempotency_key: str | None = None, **fields: Unpack[EmailFields]) -> Call[Email]:
    """Send one email. Without an `idempotency_key` the call makes one, so that its retries send nothing twice."""
    return post("/emails", fields, idempotency_key=idempotency_key)


def dry_run_email(**fields: Unpack[EmailFields]) -> Call[dict[str, Any]]:
    """What sending this email would do: its MIME, the decision for each recipient, alignment, links. Sends nothing."""
    return post("/emails", fields, dry_run=True)


def send_batch(
    emails: Sequence[EmailFields],
    *,
    mode: Literal["strict", "permissive"] = "strict",
    idempotency_key: str | None = None,
) -> Call[Batch]:
    """Send up to 500 emails in one transaction. `permissive` accepts the valid ones."""
    return post("/emails/batch", list(emails), mode=mode, idempotency_key=idempotency_key)


def list_emails(
    *,
    status: str | None = None,
    status_reason: str | None = None,
    to: str | None = None,
    from_: str | None = None,
    tag: str | None = None,
    metadata: Mapping[str, str] | None = None,
    template_id: str | None = None,
    remote_id: str | None = None,
    q: str | None = None,
    created_after: Time | None = None,
    created_before: Time | None = None,
    test: bool | None = None,
    limit: int | None = None,
    offset: int | None = None,
    after: str | None = None,
    before: str | None = None,
) -> Call[Page[Email]]:
    """A page of emails, newest first. All given filters must match."""
    named = {f"metadata.{name}": value for name, value in (metadata or {}).items()}
    return get(
        "/emails",
        status=status,
        status_reason=status_reason,
        to=to,
        from_=from_,
        tag=tag,
        template_id=template_id,
        remote_id=remote_id,
        q=q,
        created_after=created_after,
        created_before=created_before,
        test=test,
        limit=limit,
        offset=offset,
        after=after,
        before=before,
        **named,
    )


def get_email(id: str) -> Call[Email]:
    """An email with everything that is known about it."""
    return get(path_of("emails", id))


def list_email_events(id: str, *, after: str | None = None, limit: int | None = None) -> Call[Page[Event]]:
    """A page of an email's timeline, oldest first."""
    return get(path_of("emails", id, "events"), after=after, limit=limit)


def explain_email(id: str) -> Call[dict[str, Any]]:
    """Why the email is in its state, and what happens next, in words."""
    return get(path_of("emails", id, "explain"))


def get_email_raw(id: str, *, recipient: str | None = None) -> Call[bytes]:
    """The message as it was sent (.eml), by default that of the first recipient in `to`."""
    return download(path_of("emails", id, "raw"), recipient=recipient)


def get_email_attachment(id: str, attachment_id: str) -> Call[bytes]:
    """The bytes of a file."""
    return download(path_of("emails", id, "attachments", attachment_id))


def cancel_email(id: str, *, idempotency_key: str | None = None) -> Call[Email]:
    """Cancel a scheduled email; after that it is never delivered. Raises ConflictError when it is too late."""
    return post(path_of("emails", id, "cancel"), idempotency_key=idempotency_key)


def reschedule_email(id: str, *, scheduled_at: Time) -> Call[Email]:
    """Change when a scheduled email is sent."""
    return patch(path_of("emails", id), {"scheduled_at": scheduled_at})


def resend_email(
    id: str,
    *,
    recipients: Literal["all", "failed"] | None = None,
    to: Addresses | None = None,
    idempotency_key: str | None = None,
) -> Call[Email]:
    """Send the content again as a new email: to the same recipients, to the failed ones, or to others."""
    given = {"recipients": recipients, "to": to}
    body = {name: value for name, value in given.items() if value is not None}
    return post(path_of("emails", id, "resend"), body, idempotency_key=idempotency_key)


def settle_email(
    id: str,
    *,
    as_: Literal["sent", "retry", "failed"],
    idempotency_key: str | None = None,
) -> Call[Email]:
    """Say what became of an uncertain attempt."""
    return post(path_of("emails", id, "settle"), {"as": as_}, idempotency_key=idempotency_key)


def settle_emails(
    ids: Sequence[str],
    *,
    as_: Literal["sent", "retry", "failed"],
    idempotency_key: str | None = None,
) -> Call[Batch]:
    """Say the same of up to 500 emails' uncertain attempts. `errors` has the emails without one."""
    return post(path_of("emails", "settle"), {"ids": list(ids), "as": as_}, idempotency_key=idempotency_key)


def list_events(
    *,
    after: str | None = None,
    types: Sequence[str] | None = None,
    test: bool | None = None,
    limit: int | None = None,
) -> Call[Page[Event]]:
    """A page of the project's events, oldest first. Keep its `next`: it is the value for `after`, and never null."""
    return get("/events", after=after, types=types or None, test=test, limit=limit)
