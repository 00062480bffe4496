"""The provider for a project's mail, and the reason for the selection."""

from collections import Counter
from typing import Any

import pytest

from accounts.models import Project
from delivery.concurrency.circuit_breaker import CircuitBreakers
from providers.models import Provider
from providers.provider_url import parse_provider_url
from providers.routing import selection as choice_module
from providers.routing.selection import ProviderRef, ProviderSelection, Routes
from providers.routing.shared_breakers import provider_key
from providers.services import pause_provider
from tests.provider_rows import settings_of


@pytest.fixture
def circuits(monkeypatch: pytest.MonkeyPatch) -> CircuitBreakers:
    """Circuits of this test alone, whose time the test sets."""
    made = CircuitBreakers(clock=lambda: now[0])
    now = [1000.0]
    made.now = now  # type: ignore[attr-defined]
    monkeypatch.setattr(choice_module, "provider_breakers", made)
    return made


@pytest.fixture
def routes(db: None, circuits: CircuitBreakers) -> Routes:
    return Routes()


def add(name: str, project: Project | None = None, **values: Any) -> Provider:
    return Provider.objects.create(
        name=name, project=project, kind="smtp", settings=settings_of(f"smtp://{name}.test"), **values
    )


def choose(routes: Routes, project: Project, **options: Any) -> ProviderSelection:
    found = routes.choose(project.pk, is_simulated=False, **options)
    assert found is not None
    return found


def fail(circuits: CircuitBreakers, provider: Provider, reason: str = "refused") -> None:
    for _ in range(3):
        circuits.note_failure(provider_key(provider.pk), reason)


def skipped(found: ProviderSelection) -> dict[str, str]:
    return dict(found.skipped)


def test_without_a_choice_there_is_nothing_to_tell(routes: Routes, project: Project) -> None:
    add("a")
    assert choose(routes, project).describe() is None


def test_the_best_priority_is_chosen(routes: Routes, project: Project) -> None:
    add("b", priority=2)
    add("a", priority=1)
    found = choose(routes, project)
    assert (found.provider.name, found.describe()) == ("a", {"because": "priority", "skipped": []})


def test_weights_share_the_mail_among_equals(routes: Routes, project: Project) -> None:
    add("a", weight=3)
    add("b", weight=1)
    names = Counter(choose(routes, project).provider.name for _ in range(2000))
    assert 1350 < names["a"] < 1650
    assert choose(routes, project).because == "weight"


def test_own_providers_come_before_shared_ones_even_when_they_are_down(
    routes: Routes, circuits: CircuitBreakers, project: Project, other_project: Project
) -> None:
    own = add("own", project)
    add("shared")
    assert choose(routes, project).provider.name == "own"
    assert choose(routes, other_project).provider.name == "shared"
    fail(circuits, own)
    assert routes.choose(project.pk, is_simulated=False) is None


def test_a_paused_provider_is_passed_over_with_its_reason(routes: Routes, project: Project) -> None:
    first = add("a", priority=1)
    add("b", priority=2)
    pause_provider(first.pk, reason="moving", pause=None)
    found = choose(routes, project)
    assert (found.provider.name, found.because, skipped(found)) == ("b", "failover", {"a": "paused: moving"})


def test_a_failing_provider_is_passed_over_and_probed_with_one_mail(
    routes: Routes, circuits: CircuitBreakers, project: Project
) -> None:
    first = add("a", priority=1)
    add("b", priority=2)
    fail(circuits, first)
    found = choose(routes, project)
    assert (found.provider.name, skipped(found)) == ("b", {"a": "failing: refused"})
    circuits.now[0] += 6  # type: ignore[attr-defined]
    assert (choose(routes, project).provider.name, choose(routes, project).provider.name) == ("a", "b")
    circuits.note_success(provider_key(first.pk))
    assert (choose(routes, project).provider.name, choose(routes, project).because) == ("a", "priority")


def test_what_was_tried_in_this_round_is_left_out_as_long_as_there_is_another(routes: Routes, project: Project) -> None:
    first, second = add("a", priority=1), add("b", priority=2)
    found = choose(routes, project, tried={first.pk: "refused"})
    assert (found.provider.name, found.because, skipped(found)) == ("b", "failover", {"a": "tried: refused"})
    again = choose(routes, project, tried={first.pk: "refused", second.pk: "silent"})
    assert (again.provider.name, again.because) == ("a", "again")


def test_a_throttled_provider_is_passed_over(routes: Routes, project: Project) -> None:
    add("a", priority=1)
    add("b", priority=2)
    found = choose(routes, project, availability=lambda provider: "throttled" if provider.name == "a" else "")
    assert (found.provider.name, skipped(found)) == ("b", {"a": "throttled"})


def test_another_provider_is_one_that_takes_mail_and_was_not_tried(
    routes: Routes, circuits: CircuitBreakers, project: Project
) -> None:
    first, second = add("a", priority=1), add("b", priority=2)
    assert routes.has_other(project.pk, {first.pk: "x"})
    assert not routes.has_other(project.pk, {first.pk: "x", second.pk: "y"})
    fail(circuits, second)
    assert not routes.has_other(project.pk, {first.pk: "x"})


def test_a_full_provider_is_waited_for_and_a_failing_one_is_not(
    routes: Routes, circuits: CircuitBreakers, project: Project
) -> None:
    first = add("a", priority=1)
    add("b", priority=2)

    def is_open(full: set[str]) -> bool:
        return routes.find_usable(lambda _: "", lambda provider: provider.name not in full).is_shared_open

    assert is_open(set())
    assert not is_open({"a"})
    fail(circuits, first)
    assert is_open({"a"})


def test_simulated_mail_needs_no_provider(routes: Routes, project: Project) -> None:
    found = routes.choose(project.pk, is_simulated=True)
    assert found is not None
    assert (found.provider.name, found.provider.id) == ("simulator", None)
    assert routes.choose(project.pk, is_simulated=False) is None


def test_ways_of_one_provider_in_two_versions_are_two() -> None:
    pk = Provider().pk
    old = ProviderRef(pk, "a", choice_module.ProviderKind.SMTP, parse_provider_url("smtp://a"), 1.0)
    new = ProviderRef(pk, "a", choice_module.ProviderKind.SMTP, parse_provider_url("smtp://b"), 2.0)
    assert len({old, new}) == 2
