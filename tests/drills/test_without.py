"""Parts that the drills disable are really disabled, and only in the patched processes."""

from uuid import uuid4

import pytest

from drills.harness import without
from messages.sending import claims, lost_leases
from messages.sending.claims import ClaimScope, claim_recipients
from messages.sending.queue import waiting
from messages.states import Lane

pytestmark = pytest.mark.django_db
EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
ALL = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])


@pytest.fixture(autouse=True)
def _product_is_whole_afterwards(monkeypatch):
    for name in ("_HEALTHY", "_SUSPECT", "fetch_as", "uuid4"):
        monkeypatch.setattr(claims, name, getattr(claims, name))
    monkeypatch.setattr(waiting, "_WAITING", waiting._WAITING)
    monkeypatch.setattr(lost_leases, "sweep_lost_leases", lost_leases.sweep_lost_leases)


@pytest.fixture
def _queued(api):
    assert api.post("/emails", EMAIL).status_code == 202


@pytest.mark.usefixtures("_queued")
def test_with_the_claim_a_recipient_is_held_once():
    assert len(claim_recipients(Lane.NORMAL, 10, ALL)) == 1
    assert claim_recipients(Lane.NORMAL, 10, ALL) == []


@pytest.mark.usefixtures("_queued")
def test_without_the_claim_each_process_takes_it_under_one_token(monkeypatch):
    without.claim_without_lock()
    (mine,) = claim_recipients(Lane.NORMAL, 10, ALL)
    assert claim_recipients(Lane.NORMAL, 10, ALL) == []
    # Another process remembers nothing.
    monkeypatch.setattr(claims.fetch_as.__self__, "_taken", {uuid4(): 0.0})
    (theirs,) = claim_recipients(Lane.NORMAL, 10, ALL)
    assert (mine.recipient_id, mine.token) == (theirs.recipient_id, theirs.token)


def test_without_the_sweeper_nothing_is_swept():
    without.sweeper()
    assert lost_leases.sweep_lost_leases() == 0


@pytest.mark.parametrize("name", ["_HEALTHY", "_SUSPECT"])
def test_a_claim_that_has_changed_is_noticed(monkeypatch, name):
    monkeypatch.setattr(claims, name, "SELECT 1")
    with pytest.raises(without.NotThereError):
        without.claim_without_lock()
