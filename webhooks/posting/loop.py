"""The posting loop: claim, post, record, until no delivery is due or in flight.

One thread owns the database connection and waits for nothing else; posts run in the poster's thread. The loop goes on
claiming during slow posts, so that other endpoints do not wait for them.
"""

import os
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings

from delivery.ssrf import RefusedError, parse_target
from ledger.leases import Heartbeat
from ledger.retrying import retry_database
from webhooks.formats.catalog import find_email_id, sign_body, write_body
from webhooks.formats.told_event import ToldMail, read_mails
from webhooks.models import WebhookDelivery
from webhooks.posting.claims import WebhookClaim, claim_deliveries
from webhooks.posting.http_client import Post, Poster, PostOutcome
from webhooks.posting.outcomes import PostResult, record_posts
from webhooks.posting.signing import build_headers
from webhooks.posting.url_check import current_guard

# Maximum posts in flight per process. Each endpoint also has its own limit (settings.WEBHOOK_CONNECTIONS).
MAX_UNDER_WAY = 400
# Interval between claims during slow posts, and the time that results are gathered for one commit.
LOOK_SECONDS = 0.2
LINGER_SECONDS = 0.005
# A task ends after this time, so that Celery can replace its child process. New work then waits once for the slowest
# post.
RUN_SECONDS = 600.0

_poster: tuple[int, Poster] | None = None


def find_poster() -> Poster:
    """This process's poster with its open connections. A forked child builds its own: a fork ends threads."""
    global _poster
    guard = current_guard()
    if _poster is not None and _poster[0] == os.getpid():
        if _poster[1].guard == guard:
            return _poster[1]
        _poster[1].close()
    _poster = (os.getpid(), Poster(guard, deadline=settings.WEBHOOK_TIMEOUT))
    return _poster[1]


def close_poster() -> None:
    """Close this process's poster; called when a worker child ends."""
    global _poster
    if _poster is not None and _poster[0] == os.getpid():
        _poster[1].close()
    _poster = None


class PostingLoop:
    """One run of the loop."""

    def __init__(self) -> None:
        self._poster = find_poster()
        self._claims: dict[UUID, WebhookClaim] = {}
        self._refused: list[PostOutcome] = []

    def run(self) -> None:
        """Post due deliveries until none is due or in flight."""
        until = time.monotonic() + RUN_SECONDS
        with Heartbeat(WebhookDelivery) as heartbeat:
            while True:
                if time.monotonic() < until and len(self._claims) < MAX_UNDER_WAY:
                    self._take(heartbeat)
                if not self._claims:
                    return
                self._record(self._refused or self._poster.wait(LOOK_SECONDS, LINGER_SECONDS))

    def _take(self, heartbeat: Heartbeat) -> None:
        claims = retry_database(lambda: claim_deliveries(MAX_UNDER_WAY - len(self._claims)))
        if claims:
            heartbeat.add(claims[0].token)
        mails = retry_database(lambda: read_mails_of(claims))
        for taken in claims:
            self._claims[taken.delivery_id] = taken
            try:
                self._poster.post(build_post(taken, mails))
            except RefusedError as error:
                # The URL was admitted once, but the rules of the guard have changed since.
                self._refused.append(PostOutcome(id=taken.delivery_id, error=error.message, is_refused=True))

    def _record(self, answers: list[PostOutcome]) -> None:
        results = [
            PostResult(claim=self._claims.pop(answered.id), answered=answered)
            for answered in answers
            if answered.id in self._claims
        ]
        self._refused = []
        retry_database(lambda: record_posts(results))


def read_mails_of(claims: Sequence[WebhookClaim]) -> Mapping[UUID, ToldMail]:
    """The emails of the deliveries whose format needs them; only formats of other services do."""
    return read_mails([pk for taken in claims if (pk := find_email_id(taken.format, taken.payload))])


def build_post(taken: WebhookClaim, mails: Mapping[UUID, ToldMail]) -> Post:
    """The request for a delivery, signed with the current time. RefusedError when its URL is no longer admitted."""
    email_id = find_email_id(taken.format, taken.payload)
    mail = mails.get(email_id) if email_id else None
    body = write_body(taken.format, event_id=taken.event_id, payload=taken.payload, mail=mail)
    now = int(time.time())
    headers = {
        **build_headers(taken.secrets, event_id=str(taken.event_id), timestamp=now, body=body),
        **sign_body(taken.format, taken.secrets[0], timestamp=now, body=body),
    }
    return Post(
        id=taken.delivery_id,
        target=parse_target(taken.url),
        headers={"Content-Type": "application/json", "User-Agent": "emailsvc-webhooks", **headers},
        body=body,
    )
