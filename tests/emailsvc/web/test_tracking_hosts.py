"""Host names that this service accepts beside its own."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse

from emailsvc.web import tracking_hosts
from emailsvc.web.tracking_hosts import TrackingHostMiddleware

Ask = Callable[..., HttpResponse]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(tracking_hosts.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the database would say, and how often it was asked."""
    state: dict[str, Any] = {"hosts": ["link.good.test"], "asked": 0, "away": False}

    def read() -> list[str]:
        state["asked"] += 1
        if state["away"]:
            raise OperationalError
        return list(state["hosts"])

    monkeypatch.setattr(tracking_hosts, "list_tracking_hosts", read)
    return state


@pytest.fixture
def ask(clock: list[float], known: dict[str, Any], settings: Any) -> Ask:
    """The Host that the views would see, or 400."""
    settings.ALLOWED_HOSTS = ["mail.service.test"]
    middleware = TrackingHostMiddleware(lambda request: HttpResponse(request.META["HTTP_HOST"]))

    def call(host: str, path: str = "/t/o/x") -> Any:
        request = HttpRequest()
        request.path, request.META = path, {"HTTP_HOST": host}
        try:
            return middleware(request).content.decode()
        except DisallowedHost:
            return 400

    return call


def test_a_tracking_host_passes_as_our_own_for_the_paths_in_mails_alone(ask: Ask) -> None:
    assert ask("link.good.test:8000") == ask("LINK.GOOD.TEST.") == "mail.service.test"
    assert ask("link.good.test", "/u/x") == ask("link.good.test", "/static/tracking/page.css") == "mail.service.test"
    for path in ("/", "/admin/", "/static/admin/x.css", "/t", "/tt/", "/api/v1/emails"):
        assert ask("link.good.test", path) == 400


def test_other_names_are_refused_and_ours_cost_no_query(ask: Ask, known: dict[str, Any]) -> None:
    assert ask("link.evil.test") == ask("xlink.good.test") == 400
    known["asked"] = 0
    assert ask("mail.service.test", "/admin/") == "mail.service.test"
    assert ask("link.evil.test", "/admin/") == ask("link.evil.test", "/static/admin/x.css") == 400
    assert known["asked"] == 0


def test_a_new_host_is_known_within_a_second_and_strangers_ask_once_a_second(
    ask: Ask, known: dict[str, Any], clock: list[float]
) -> None:
    ask("link.good.test")
    for _ in range(50):
        ask("link.new.test")
    assert known["asked"] == 1
    known["hosts"].append("link.new.test")
    clock[0] += 1.1
    assert ask("link.new.test") == "mail.service.test"
    assert known["asked"] == 2


def test_a_host_that_was_taken_away_is_a_stranger_soon(ask: Ask, known: dict[str, Any], clock: list[float]) -> None:
    assert ask("link.good.test") == "mail.service.test"
    known["hosts"].clear()
    clock[0] += 14
    assert ask("link.good.test") == "mail.service.test"
    clock[0] += 2
    assert ask("link.good.test") == 400


def test_while_the_database_is_away_the_last_list_holds(ask: Ask, known: dict[str, Any], clock: list[float]) -> None:
    ask("link.good.test")
    known["away"] = True
    clock[0] += 60
    assert ask("link.good.test") == "mail.service.test"
