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


def test_a_little_mail_goes_before_many_backlogs_and_takes_half_of_the_places_at_most() -> None:
    turns = Turns()
    backlogs = [demand(Tenant(UUID(int=number), False), 25) for number in range(10, 60)]
    light = [Demand(tenant=tenant, weight=1, most=4, is_light=True) for tenant in (A, B)]
    for _ in range(3):
        counts = take(turns, 20, *backlogs, *light)
        assert (counts[A], counts[B]) == (4, 4)
    many = [Demand(tenant=Tenant(UUID(int=number), False), weight=1, most=4, is_light=True) for number in range(9)]
    counts = take(Turns(), 20, *many, demand(C, 20))
    assert counts[C] >= 1
    assert sum(take(Turns(), 20, *many, *backlogs).get(one.tenant, 0) for one in backlogs) >= 8


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
    assert Counter(claim.project_id for claim in claims) == {project.pk: 14, other.pk: 14, light.pk: 2}


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
