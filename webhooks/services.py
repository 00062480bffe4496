"""Operations on webhook endpoints. `publishing` queues deliveries, `endpoint_health` disables failing endpoints."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.postgres.functions import TransactionNow
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Project
from common.errors import ConflictError, FieldErrors, NotFoundError
from common.ids import new_id
from common.suggestions import describe_unknown
from common.times import format_time
from webhooks.endpoint_health import BY_OWNER, switch_off, switch_on
from webhooks.event_types import ALL, TEST, EventType
from webhooks.formats.catalog import find_public_key, list_types
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, Format, WebhookDelivery
from webhooks.posting.signing import new_secret
from webhooks.posting.url_check import check_url
from webhooks.publishing import Publication, max_attempts, publish_to, wait_until_known
from webhooks.tasks import ring

# How long posts are signed with a replaced secret too.
OVERLAP = timedelta(hours=24)
# Each signature adds fifty bytes to the headers of a post.
MAX_RETIRED_SECRETS = 20
MAX_ENDPOINTS = 50


class TooManyEndpointsError(ConflictError):
    """A project has at most 50 webhook endpoints, and as many of test keys."""

    code = "too_many_endpoints"


class TooManySecretsError(ConflictError):
    """The secret of this endpoint was replaced 20 times in the last 24 hours. Replace it again later."""

    code = "too_many_secrets"


class EndpointDisabledError(ConflictError):
    """This endpoint is disabled. Set its status to enabled first."""

    code = "webhook_disabled"


def check_events(events: Collection[str], format_: str = Format.STANDARD) -> list[str]:
    """The event types without repetitions, `["*"]` for all; in another service's format, all are those that it has.

    InvalidFieldsError for unknown types, and for types without a form.
    """
    errors, known = FieldErrors(), list_types(format_)
    for index, name in enumerate(events):
        if name in EventType.values and name not in known:
            errors.add(f"events[{index}]", "event_not_in_format", f"The format {format_} has no such event.")
        elif name != ALL and name not in EventType.values:
            message = describe_unknown("Unknown event type. Use * for all events.", name, EventType.values)
            errors.add(f"events[{index}]", "unknown_event_type", message)
    errors.raise_all()
    if ALL in events:
        return [ALL] if format_ == Format.STANDARD else known
    return sorted(set(events))


def add_endpoint(
    project: Project, *, url: str, events: Sequence[str], description: str = "", format_: str = Format.STANDARD
) -> Endpoint:
    """Add an endpoint, which receives all events from now on. Errors as of `build_endpoint` and `store_endpoint`."""
    return store_endpoint(build_endpoint(project, url=url, events=events, description=description, format_=format_))


def build_endpoint(
    project: Project,
    *,
    url: str,
    events: Sequence[str],
    description: str = "",
    format_: str = Format.STANDARD,
    is_test: bool = False,
) -> Endpoint:
    """A new endpoint, validated but not stored. Queries the DNS: call it outside transactions.

    InvalidFieldsError for a forbidden URL and for unknown event types.
    """
    endpoint = Endpoint(project=project, is_test=is_test, description=description, format=format_, secret=new_secret())
    endpoint.public_key = find_public_key(endpoint.format, endpoint.secret)
    errors = FieldErrors()
    with errors.collect():
        endpoint.url = check_url(url)
    with errors.collect():
        endpoint.events = check_events(events, format_)
    errors.raise_all()
    return endpoint


def store_endpoint(endpoint: Endpoint) -> Endpoint:
    """Store a new endpoint. On return outside a transaction, every process knows the endpoint.

    TooManyEndpointsError when the project has reached the limit.
    """
    with transaction.atomic():
        # Locked, so that concurrent requests cannot exceed the limit.
        project = Project.objects.select_for_update(no_key=True).get(pk=endpoint.project_id)
        if project.endpoints.filter(is_test=endpoint.is_test).count() >= MAX_ENDPOINTS:
            raise TooManyEndpointsError
        endpoint.save(force_insert=True)
        transaction.on_commit(wait_until_known)
    return endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """New values for an endpoint; None keeps the present value."""

    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None
    format: str | None = None
    status: EndpointStatus | None = None


def change_endpoint(endpoint: Endpoint, change: EndpointChange) -> Endpoint:
    """Change an endpoint. Pending deliveries go to the new URL. InvalidFieldsError as of `build_endpoint`."""
    return store_change(endpoint, change, check_change(endpoint, change))


def check_change(endpoint: Endpoint, change: EndpointChange) -> dict[str, object]:
    """The new values of the endpoint's columns. Queries the DNS: call it outside transactions. InvalidFieldsError."""
    values: dict[str, object] = {}
    errors = FieldErrors()
    if change.url is not None and change.url != endpoint.url:
        with errors.collect():
            values["url"] = check_url(change.url)
    if change.events is not None or change.format is not None:
        with errors.collect():
            events = endpoint.events if change.events is None else change.events
            values["events"] = check_events(events, change.format or endpoint.format)
    errors.raise_all()
    if change.description is not None:
        values["description"] = change.description
    if change.format is not None:
        values["format"] = change.format
    return values


def store_change(endpoint: Endpoint, change: EndpointChange, values: dict[str, object]) -> Endpoint:
    """Store what `check_change` returned, and the new status."""
    with transaction.atomic():
        if change.format is not None:
            # Locked, so that a new secret meanwhile does not leave the key of the old one.
            locked = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
            values["public_key"] = find_public_key(change.format, locked.secret)
        if values:
            Endpoint.objects.filter(pk=endpoint.pk).update(**values, updated_at=Now())
        match change.status:
            case EndpointStatus.ENABLED if endpoint.status != EndpointStatus.ENABLED:
                switch_on(endpoint.pk)
                transaction.on_commit(wait_until_known)
                transaction.on_commit(ring)
            case EndpointStatus.DISABLED:
                switch_off(endpoint.pk, BY_OWNER)
    endpoint.refresh_from_db()
    return endpoint


def remove_endpoint(endpoint: Endpoint) -> None:
    """Delete an endpoint and its log. Its pending deliveries are not posted."""
    with transaction.atomic():
        # Django deletes the log first. Posts that are being recorded lock the endpoint before its log: so does this.
        list(Endpoint.objects.select_for_update().filter(pk=endpoint.pk))
        endpoint.delete()


def rotate_secret(endpoint: Endpoint) -> Endpoint:
    """Replace the secret. For 24 hours posts are signed with the old one too, so that receivers can switch over.

    Each old secret keeps its own 24 hours, however often the secret is replaced meanwhile. TooManySecretsError.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        locked.retired_secrets.filter(until__lte=now).delete()
        if locked.retired_secrets.count() >= MAX_RETIRED_SECRETS:
            raise TooManySecretsError
        locked.previous_secret_until = now + OVERLAP
        locked.retired_secrets.create(secret=locked.secret, until=locked.previous_secret_until)
        locked.secret = new_secret()
        locked.public_key = find_public_key(locked.format, locked.secret)
        locked.save(update_fields=["secret", "public_key", "previous_secret_until", "updated_at"])
    return locked


def send_test(endpoint: Endpoint) -> WebhookDelivery:
    """Queue a test event for this endpoint, whatever its event types. It has one attempt. EndpointDisabledError."""
    refuse_disabled(endpoint)
    event_id = new_id()
    payload = {
        "type": TEST,
        "timestamp": format_time(timezone.now()),
        "data": {
            "endpoint_id": str(endpoint.pk),
            "message": "This is a test event. If its signature verifies, your endpoint is set up correctly.",
        },
    }
    publication = Publication(event_id=event_id, type=TEST, payload=json.dumps(payload, separators=(",", ":")))
    with transaction.atomic():
        pk = publish_to(endpoint, publication, attempts=1)
    return WebhookDelivery.objects.get(pk=pk)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """Selects the deliveries to replay by the time of the event, its type and the delivery's status."""

    since: datetime
    until: datetime | None = None
    types: Sequence[str] | None = None
    status: DeliveryStatus | None = DeliveryStatus.FAILED


def replay_one(endpoint: Endpoint, delivery_id: UUID) -> int:
    """Replay one delivery, whatever its status; the result is 0 when it is in flight already, else 1.

    NotFoundError, EndpointDisabledError.
    """
    refuse_disabled(endpoint)
    found = endpoint.deliveries.filter(pk=delivery_id)
    if not found.exists():
        raise NotFoundError
    return replay(found)


def replay_selected(endpoint: Endpoint, selection: ReplayFilter) -> int:
    """Replay the selected deliveries; the result is their number. EndpointDisabledError."""
    refuse_disabled(endpoint)
    found = endpoint.deliveries.filter(created_at__gte=selection.since).exclude(type=TEST)
    if selection.until is not None:
        found = found.filter(created_at__lt=selection.until)
    if selection.types:
        found = found.filter(type__in=selection.types)
    if selection.status is not None:
        found = found.filter(status=selection.status)
    return replay(found)


def replay(deliveries: QuerySet[WebhookDelivery]) -> int:
    """Make deliveries due now, with all attempts left and the same webhook-id, by which receivers detect repeats.

    Deliveries that wait for a retry become due now too; those in flight or not yet attempted are left alone.
    """
    idle = deliveries.filter(lease_token=None).exclude(status=DeliveryStatus.PENDING, attempt_count=0)
    with transaction.atomic():
        count = idle.update(
            status=DeliveryStatus.PENDING,
            next_attempt_at=TransactionNow(),
            attempts_left=max_attempts(),
            finished_at=None,
        )
        transaction.on_commit(ring)
    return count


def refuse_disabled(endpoint: Endpoint) -> None:
    if endpoint.status != EndpointStatus.ENABLED:
        raise EndpointDisabledError
