"""The mail that a worker child holds starts in turns of the projects."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from messages.sending.picking import Holdings, StartTurns
from messages.sending.worker_state import SendQueueKey, leave_to_others
from messages.states import Lane
from providers.models import ProviderKind
from providers.routing.selection import ProviderRef

SHARED = SendQueueKey(ProviderRef(UUID(int=1), "relay", ProviderKind.SMTP, is_shared=True))
OWN = SendQueueKey(ProviderRef(UUID(int=2), "own", ProviderKind.SMTP))


def mail(project: int, count: int, lane: Lane = Lane.NORMAL, key: SendQueueKey = SHARED) -> list[Any]:
    claim = SimpleNamespace(project_id=UUID(int=project), lane=lane)
    return [SimpleNamespace(claim=claim, queue_key=key) for _ in range(count)]


def arrange(
    started: Sequence[Any], waiting: Sequence[Any], places: int = 40, key: SendQueueKey = SHARED, light: int = 0
) -> str:
    """The projects in the order in which their mail starts; critical mail as `c`. `light` is one with little due."""
    turns = StartTurns(started, lambda claim: claim.project_id.int == light)
    bundles = turns.arrange(key, [[item] for item in waiting], places)
    return "".join("c" if b[0].claim.lane is Lane.CRITICAL else str(b[0].claim.project_id.int) for b in bundles)


def test_projects_start_one_after_another_whatever_they_have_waiting() -> None:
    assert arrange([], mail(1, 5) + mail(2, 2)) == "1212111"


def test_the_mail_of_a_project_with_little_due_starts_first() -> None:
    waiting = mail(1, 2) + mail(2, 2) + mail(3, 3)
    assert arrange(mail(3, 5), waiting, light=3) == "3331212"


def test_the_project_with_less_on_its_way_comes_first() -> None:
    assert arrange(mail(1, 4), mail(1, 3) + mail(2, 3)) == "222111"


def test_no_project_has_all_places_of_a_shared_provider() -> None:
    assert arrange(mail(1, 25), mail(1, 20)) == "11111"
    assert leave_to_others(40) == 30


def test_a_project_has_all_places_of_its_own_provider() -> None:
    assert arrange(mail(1, 25, key=OWN), mail(1, 20, key=OWN), key=OWN) == "1" * 15


def test_critical_mail_goes_before_other_mail_and_does_not_stop_it() -> None:
    assert arrange([], mail(1, 2) + mail(1, 6, Lane.CRITICAL)) == "cccc1cc1"
    assert arrange(mail(1, 6), mail(1, 2) + mail(2, 2, Lane.CRITICAL)) == "cc11"


def hold(count: int, *, room: int = 40, key: SendQueueKey = SHARED, size: int = 5_000) -> tuple[Holdings, list[Any]]:
    """A child with waiting mail of one project, and 20 conversations."""
    state: Any = SimpleNamespace(
        places=lambda _: 40, room=lambda _: room, admit=lambda _, wanted: min(wanted, room), is_light=lambda _: False
    )
    holdings = Holdings(state)
    waiting: list[Any] = []
    for number in range(count):
        claim = SimpleNamespace(
            recipient_id=UUID(int=100 + number), attempt_id=number, project_id=UUID(int=1), lane=Lane.CRITICAL
        )
        waiting.append(SimpleNamespace(claim=claim, queue_key=key, size=size, has_own_content=True))
        holdings.add(waiting[-1])
    return holdings, waiting


def test_small_mail_of_one_project_starts_in_its_order_as_far_as_there_is_room() -> None:
    for key, room, count in ((SHARED, 40, 30), (OWN, 40, 40), (SHARED, 7, 7), (OWN, 0, 0)):
        holdings, waiting = hold(50, key=key, room=room)
        assert holdings.pick(limit=1).starting == [[item] for item in waiting[:count]]
        assert holdings.load.in_flight == {key: 50}


def test_large_mail_of_one_project_is_bounded_by_bytes() -> None:
    holdings, waiting = hold(5, size=1_000_000)
    assert holdings.pick(limit=1).starting == [[waiting[0]]]
    assert holdings.withdraw(waiting[1:3]) == [item.claim for item in waiting[1:3]]
    assert holdings.load.in_flight == {SHARED: 3}


def test_what_a_child_holds_no_longer_is_counted_no_longer() -> None:
    holdings, waiting = hold(5, room=3)
    picked = [item for items in holdings.pick(limit=1).starting for item in items]
    assert picked == waiting[:3]
    holdings.drop(picked[:1])
    for item in picked[1:]:
        holdings.work[item.claim.recipient_id] = SimpleNamespace(claim=item.claim, queue_key=item.queue_key)  # type: ignore[assignment]
    assert holdings.load.critical == {SHARED: 4}
    for item in picked:
        holdings.end(item.claim.recipient_id)
    assert holdings.withdraw() == [item.claim for item in waiting[3:]]
    assert not (holdings.load.in_flight)
    assert not (holdings.load.held)
    assert not (holdings.load.critical)
    assert not (holdings.has_waiting)
