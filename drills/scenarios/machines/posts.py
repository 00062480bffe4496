"""Webhook deliveries in any order: two endpoints, three workers that claim, record, stand still and die, replays,
endpoints that are disabled, enabled and deleted.
"""

from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from accounts.services import create_project
from drills.scenarios.machines.counting import note_step
from ledger.clock import database_time
from webhooks import services
from webhooks.endpoint_health import end_stranded
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, WebhookDelivery
from webhooks.posting.claims import WebhookClaim, claim_deliveries, sweep_lost_leases
from webhooks.posting.http_client import PostOutcome
from webhooks.posting.outcomes import PostResult, record_posts
from webhooks.publishing import Publication, publish_to

WORKERS = st.integers(0, 2)
NUMBERS = st.integers(0, 1_000)
ANSWERS = st.sampled_from([200, 204, 301, 404, 410, 429, 500, None])
ENDS = {DeliveryStatus.DELIVERED, DeliveryStatus.FAILED}
EVENT = "email.delivered"


class PostMachine(RuleBasedStateMachine):
    """One project's endpoints. `owed`: the deliveries that were published, by endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.project = create_project(name=f"posts {uuid4()}")
        self.claims: list[list[WebhookClaim]] = [[], [], []]
        self.owed: dict[UUID, set[UUID]] = {}
        self.replayed: set[UUID] = set()
        self.ended: dict[UUID, str] = {}

    @initialize()
    def add_endpoints(self) -> None:
        for number in range(2):
            endpoint = services.add_endpoint(
                self.project, url=f"http://127.0.0.1:{9 + number}/{number}", events=[EVENT]
            )
            self.owed[endpoint.pk] = set()

    @rule(number=NUMBERS, times=st.integers(1, 3))
    def publish(self, number: int, times: int) -> None:
        endpoint = self.pick(number)
        # As every writer of events, it asks whether the endpoint is enabled.
        if endpoint is None or endpoint.status != EndpointStatus.ENABLED:
            return
        with transaction.atomic():
            for _ in range(times):
                publication = Publication(event_id=uuid4(), type=EVENT, payload='{"type":"email.delivered"}')
                self.owed[endpoint.pk].add(publish_to(endpoint, publication, attempts=3))

    @rule(worker=WORKERS, limit=st.integers(1, 4))
    def claim(self, worker: int, limit: int) -> None:
        taken = claim_deliveries(limit)
        rows = WebhookDelivery.objects.in_bulk([claim.delivery_id for claim in taken])
        for claim in taken:
            assert rows[claim.delivery_id].lease_token == claim.token
            assert claim.delivery_id not in self.ended, "a delivery that has ended was claimed"
        self.claims[worker] += taken

    @rule(worker=WORKERS, status=ANSWERS)
    def record(self, worker: int, status: int | None) -> None:
        mine, self.claims[worker] = self.claims[worker], []
        held = dict(WebhookDelivery.objects.filter(lease_token__isnull=False).values_list("pk", "lease_token"))
        done = record_posts(
            [
                PostResult(claim=claim, answered=PostOutcome(id=claim.delivery_id, status=status, error="nobody"))
                for claim in mine
            ]
        )
        expected = {claim.delivery_id for claim in mine if held.get(claim.delivery_id) == claim.token}
        assert done == expected, "a result counts if, and only if, its worker holds the lease"

    @rule(worker=WORKERS, is_dead=st.booleans())
    def lose_leases(self, worker: int, is_dead: bool) -> None:
        tokens = {claim.token for claim in self.claims[worker]}
        past = Now() - timedelta(seconds=1)
        WebhookDelivery.objects.filter(lease_token__in=tokens).update(lease_until=past)
        if is_dead:
            self.claims[worker] = []

    @rule()
    def sweep(self) -> None:
        sweep_lost_leases()

    @rule()
    def let_time_pass(self) -> None:
        WebhookDelivery.objects.filter(project=self.project, next_attempt_at__isnull=False).update(
            next_attempt_at=Now()
        )

    @rule(number=NUMBERS, is_enabled=st.booleans())
    def switch(self, number: int, is_enabled: bool) -> None:
        endpoint = self.pick(number)
        if endpoint is not None:
            status = EndpointStatus.ENABLED if is_enabled else EndpointStatus.DISABLED
            services.change_endpoint(endpoint, services.EndpointChange(status=status))
            end_stranded()

    @rule(number=NUMBERS)
    def replay(self, number: int) -> None:
        endpoint = self.pick(number)
        if endpoint is None or endpoint.status != EndpointStatus.ENABLED:
            return
        again = set(
            WebhookDelivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.FAILED).values_list("pk", flat=True)
        )
        since = database_time() - timedelta(days=1)
        assert services.replay_selected(endpoint, services.ReplayFilter(since=since)) == len(again)
        for pk in again:
            self.ended.pop(pk, None)

    @rule(number=NUMBERS)
    def rotate(self, number: int) -> None:
        endpoint = self.pick(number)
        if endpoint is not None and endpoint.retired_secrets.count() < services.MAX_RETIRED_SECRETS:
            services.rotate_secret(endpoint)

    @precondition(lambda self: len(self.owed) > 1)
    @rule(number=NUMBERS)
    def remove(self, number: int) -> None:
        endpoint = self.pick(number)
        if endpoint is not None:
            gone = self.owed.pop(endpoint.pk)
            services.remove_endpoint(endpoint)
            for pk in gone:
                self.ended.pop(pk, None)

    @invariant()
    def promises_hold(self) -> None:
        note_step("posts")
        rows = list(WebhookDelivery.objects.filter(project=self.project).select_related("endpoint"))
        assert {row.pk for row in rows} == {pk for those in self.owed.values() for pk in those}, "one is lost"
        for row in rows:
            if row.status in ENDS:
                assert row.lease_token is None, f"{row.pk} has ended and is leased"
                assert row.next_attempt_at is None, f"{row.pk} has ended and is due"
                assert self.ended.setdefault(row.pk, row.status) == row.status, f"{row.pk} ended twice"
            else:
                assert row.pk not in self.ended, f"{row.pk} has ended and waits again"
                assert row.lease_token or row.next_attempt_at, f"nothing will ever look at {row.pk}"
                assert row.endpoint.status == EndpointStatus.ENABLED, f"{row.pk} waits for a disabled endpoint"
        width = Counter(row.endpoint_id for row in rows if row.lease_token)
        assert max(width.values(), default=0) <= settings.WEBHOOK_CONNECTIONS, "too many posts at once"

    def teardown(self) -> None:
        """Endpoints are removed, so that the next run finds nothing due."""
        for endpoint in Endpoint.objects.filter(project=self.project):
            services.remove_endpoint(endpoint)

    def pick(self, number: int) -> Endpoint | None:
        ids = sorted(self.owed)
        return Endpoint.objects.get(pk=ids[number % len(ids)]) if ids else None
