"""Projects take turns, whatever their backlogs."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

import pytest

from accounts.acting_for import Delegate
from accounts.models import Project
from accounts.services import create_project
from common.addresses import parse_address
from messages import services
from messages.accepting.draft import Draft
from messages.models import Message
from messages.sending.claims import ClaimScope, LaneQueue, claim_recipients
from messages.sending.queue.turns import Demand, Tenant, Turns
from messages.states import Lane

ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
A, B, C = (Tenant(UUID(int=number), False) for number in (1, 2, 3))
Send = Callable[..., Message]


def demand(tenant: Tenant, most: int, weight: int = 1) -> Demand:
    return Demand(tenant=tenant, weight=weight, most=most)


def take(turns: Turns, limit: int, *demands: Demand) -> dict[Tenant, int]:
    """One claim that gets all it asks for."""
    counts = turns.share_out(limit, demands)
    turns.charge(demands, counts)
    return counts


def test_a_small_backlog_is_taken_whole_beside_a_large_one() -> None:
    assert take(Turns(), 20, demand(A, 20), demand(B, 3)) == {A: 17, B: 3}


def test_equal_projects_get_equal_parts() -> None:
    assert take(Turns(), 21, demand(A, 21), demand(B, 21), demand(C, 21)) == {A: 7, B: 7, C: 7}


def test_a_project_gets_turns_by_its_weight() -> None:
    assert take(Turns(), 20, demand(A, 20, weight=3), demand(B, 20)) == {A: 15, B: 5}


def test_more_projects_than_places_have_their_turn_one_after_another() -> None:
    turns = Turns()
    demands = [demand(Tenant(UUID(int=number), False), 25) for number in range(50)]
    had: Counter[Tenant] = Counter()
    for _ in range(10):
        had.update(take(turns, 10, *demands))
    assert set(had.values()) == {2}
    assert len(had) == 50


def light(number: int, most: int = 4) -> Demand:
    return Demand(tenant=Tenant(UUID(int=number), False), weight=1, most=most, is_light=True)


def test_a_little_mail_goes_before_many_backlogs() -> None:
    turns = Turns()
    backlogs = [demand(Tenant(UUID(int=number), False), 25) for number in range(10, 60)]
    for _ in range(30):
        counts = take(turns, 20, *backlogs, light(1), light(2, most=6))
        assert (counts[A], counts[B]) == (4, 6)
    # Of more such projects each gets a place, the smallest backlog first.
    many = [light(number, most=30) for number in range(60, 90)]
    assert take(Turns(), 20, *backlogs, *many, light(1, most=1))[A] == 1
    # What it had first counts for no turn.
    assert take(turns, 60, *backlogs, demand(A, 25))[A] >= 1


def test_half_of_the_places_are_for_backlogs_whatever_else_there_is() -> None:
    turns = Turns()
    had = sum(take(turns, 20, demand(C, 20), *(light(number) for number in range(10, 19)))[C] for _ in range(20))
    assert had >= 20
    counts = take(Turns(), 20, demand(C, 20), light(1, most=20))
    assert counts == {A: 15, C: 5}


def test_a_project_that_was_idle_starts_at_the_present_turn() -> None:
    turns = Turns()
    for _ in range(50):
        take(turns, 20, demand(A, 20))
    # At most one claim of the other's is made up for.
    assert take(turns, 20, demand(A, 20), demand(B, 20)).get(A, 0) + 20 >= take(
        turns, 20, demand(A, 20), demand(B, 20)
    ).get(A, 0)
    assert take(turns, 20, demand(A, 20), demand(B, 20)) == {A: 10, B: 10}


def test_a_message_to_many_uses_as_many_turns() -> None:
    turns = Turns()
    demands = [demand(A, 20), demand(B, 20)]
    turns.charge(demands, {A: 50, B: 1})
    assert take(turns, 20, *demands) == {B: 20}


def test_projects_whose_mail_cannot_be_claimed_hold_nobody() -> None:
    turns = Turns()
    demands = [demand(Tenant(UUID(int=number), False), 25) for number in range(40)]
    for _ in range(4):
        counts = turns.share_out(20, [*demands, demand(A, 20)])
        turns.charge([*demands, demand(A, 20)], {tenant: 20 if tenant == A else 0 for tenant in counts})
        if A in counts:
            break
    assert A in counts


def test_nobody_gets_a_turn_without_mail_that_may_be_claimed() -> None:
    assert take(Turns(), 20, demand(A, 0)) == {}
    assert take(Turns(), 20) == {}


def accept(project: Project, count: int) -> None:
    draft = Draft(from_=parse_address("a@mine.test"), to=[parse_address("b@x.test")], subject="Hi", text="Hello.")
    services.accept(Delegate(project=project), [draft] * count)


@pytest.mark.django_db
def test_a_claim_takes_of_each_project_whatever_the_others_have(send: Send, project: Project) -> None:
    other, light = create_project(name="Other"), create_project(name="Light")
    accept(project, 60)
    accept(other, 60)
    accept(light, 2)
    queue = LaneQueue(Lane.NORMAL)
    claims = claim_recipients(Lane.NORMAL, 30, ANY, queue)
    counts = Counter(claim.project_id for claim in claims)
    assert (counts.total(), counts[light.pk]) == (30, 2)
    assert abs(counts[project.pk] - counts[other.pk]) <= 2


@pytest.mark.django_db
def test_a_claim_follows_the_weights_of_projects(send: Send, project: Project) -> None:
    other = create_project(name="Other")
    Project.objects.filter(pk=other.pk).update(turn_weight=4)
    accept(project, 30)
    accept(other, 30)
    claims = claim_recipients(Lane.NORMAL, 20, ANY)
    assert Counter(claim.project_id for claim in claims) == {project.pk: 4, other.pk: 16}


@pytest.mark.django_db
def test_the_last_mail_of_a_backlog_is_claimed_too(send: Send, project: Project) -> None:
    accept(project, 60)
    queue = LaneQueue(Lane.NORMAL)
    assert [len(claim_recipients(Lane.NORMAL, 25, ANY, queue)) for _ in range(4)] == [25, 25, 10, 0]
