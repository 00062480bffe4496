"""The mail that a worker child holds starts in turns of the projects."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from messages.sending.picking import StartTurns
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
