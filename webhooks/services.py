"""The verbs of webhook endpoints. Putting events on their way is in `publishing`, giving endpoints up in `standing`."""

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
from webhooks.endpoint_health import switch_off, switch_on
from webhooks.event_types import ALL, TEST, EventType
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, WebhookDelivery
from webhooks.posting.signing import new_secret
from webhooks.posting.url_check import check_url
from webhooks.publishing import Publication, max_attempts, publish_to, wait_until_known
from webhooks.tasks import ring

# How long the secret before the last rotation still signs.
OVERLAP = timedelta(hours=24)
MAX_ENDPOINTS = 50
BY_OWNER = "Its owner disabled it."


class TooManyEndpointsError(ConflictError):
    """A project has at most 50 webhook endpoints."""

    code = "too_many_endpoints"


class EndpointDisabledError(ConflictError):
    """This endpoint is disabled; set its status to enabled first."""

    code = "webhook_disabled"


def check_events(events: Collection[str]) -> list[str]:
    """The choice without repetitions, `["*"]` for all. InvalidFieldsError for unknown types."""
    errors = FieldErrors()
    for index, name in enumerate(events):
        if name != ALL and name not in EventType.values:
            message = describe_unknown("There is no such event type; * is for all.", name, EventType.values)
            errors.add(f"events[{index}]", "unknown_event_type", message)
    errors.raise_all()
    return [ALL] if ALL in events else sorted(set(events))


def add_endpoint(project: Project, *, url: str, events: Sequence[str], description: str = "") -> Endpoint:
    """A new endpoint, told of all that happens from now on. Errors as of `build_endpoint` and `store_endpoint`."""
    return store_endpoint(build_endpoint(project, url=url, events=events, description=description))


def build_endpoint(project: Project, *, url: str, events: Sequence[str], description: str = "") -> Endpoint:
    """A new endpoint, checked and not stored. Talks to the DNS: outside of transactions.

    InvalidFieldsError for a URL that is not admitted and for unknown types.
    """
    endpoint = Endpoint(project=project, description=description, secret=new_secret())
    errors = FieldErrors()
    with errors.collect():
        endpoint.url = check_url(url)
    with errors.collect():
        endpoint.events = check_events(events)
    errors.raise_all()
    return endpoint


def store_endpoint(endpoint: Endpoint) -> Endpoint:
    """Write a new endpoint; once it has returned outside of a transaction, every process knows it.

    TooManyEndpointsError.
    """
    with transaction.atomic():
        # Held against another request that adds one at the same time.
        project = Project.objects.select_for_update(no_key=True).get(pk=endpoint.project_id)
        if project.endpoints.count() >= MAX_ENDPOINTS:
            raise TooManyEndpointsError
        endpoint.save(force_insert=True)
        transaction.on_commit(wait_until_known)
    return endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What is to be other than it was; None stays."""

    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None
    status: EndpointStatus | None = None


def change_endpoint(endpoint: Endpoint, change: EndpointChange) -> Endpoint:
    """Change an endpoint; what is on its way goes to the new URL. InvalidFieldsError as for a new one."""
    values: dict[str, object] = {}
    errors = FieldErrors()
    if change.url is not None and change.url != endpoint.url:
        with errors.collect():
            values["url"] = check_url(change.url)
    if change.events is not None:
        with errors.collect():
            values["events"] = check_events(change.events)
    errors.raise_all()
    if change.description is not None:
        values["description"] = change.description
    with transaction.atomic():
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
    """Forget an endpoint and its log. What is on its way to it is not posted any more."""
    endpoint.delete()


def rotate_secret(endpoint: Endpoint) -> Endpoint:
    """Sign with a new secret, and for 24 hours with the old one too, so that receivers can change in their own time."""
    with transaction.atomic():
        locked = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        locked.previous_secret, locked.secret = locked.secret, new_secret()
        locked.previous_secret_until = timezone.now() + OVERLAP
        locked.save(update_fields=["previous_secret", "secret", "previous_secret_until", "updated_at"])
    return locked


def send_test(endpoint: Endpoint) -> WebhookDelivery:
    """Put a test event on its way to this endpoint, whatever it has chosen. It is tried once. EndpointDisabledError."""
    refuse_disabled(endpoint)
    event_id = new_id()
    payload = {
        "type": TEST,
        "timestamp": format_time(timezone.now()),
        "data": {"endpoint_id": str(endpoint.pk), "message": "This is a test. If you can verify it, all is well."},
    }
    publication = Publication(event_id=event_id, type=TEST, payload=json.dumps(payload, separators=(",", ":")))
    with transaction.atomic():
        pk = publish_to(endpoint, publication, attempts=1)
    return WebhookDelivery.objects.get(pk=pk)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """Which deliveries of an endpoint to post again: those whose event came in this time, of these types."""

    since: datetime
    until: datetime | None = None
    types: Sequence[str] | None = None
    status: DeliveryStatus | None = DeliveryStatus.FAILED


def replay_one(endpoint: Endpoint, delivery_id: UUID) -> int:
    """Post one delivery again, whatever became of it; 0 when it is on its way anyway, else 1.

    NotFoundError, EndpointDisabledError.
    """
    refuse_disabled(endpoint)
    found = endpoint.deliveries.filter(pk=delivery_id)
    if not found.exists():
        raise NotFoundError
    return replay(found)


def replay_selected(endpoint: Endpoint, selection: ReplayFilter) -> int:
    """Post again what is selected; how many. EndpointDisabledError."""
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
    """Make them due now, with all attempts before them, under their old ids: receivers can tell that they are repeated.

    What waits for a later try is due now too; what is under way, or was never tried, is left alone.
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
