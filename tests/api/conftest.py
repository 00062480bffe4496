"""Fixtures for the tests of `/emails`: an email that may be sent, and a worker's view of due rows."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledger.cached_rows import CachedRows
from messages.models import Message, Recipient
from messages.sending.loop import SendingLoop
from messages.sending.worker_state import close_worker_state
from messages.states import Lane, Status
from providers.routing.selection import routes
from tests.conftest import ApiClient

# The least that an email needs.
EMAIL: dict[str, Any] = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}


@pytest.fixture(autouse=True)
def _cache_of_rows(caching: CachedRows) -> None:
    """Requests read keys, limits and domains from the cache, as in the service; a change is known at once."""


@pytest.fixture(autouse=True)
def _fresh_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a process remembers must not pass from test to test."""
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def post(api: ApiClient) -> Callable[..., dict[str, Any]]:
    """Accepts an email and gives its JSON: `post(subject="Hi")`, `post(test_api, to=[…])`."""

    def accept(by: ApiClient = api, /, **values: Any) -> dict[str, Any]:
        answer = by.post("/emails", {**EMAIL, **values})
        assert answer.status_code == 202, answer.content
        body: dict[str, Any] = answer.json()
        return body

    return accept


@pytest.fixture
def test_api(make_api: Callable[..., ApiClient]) -> ApiClient:
    """A client of `project` with a test key."""
    return make_api(is_test=True)


@pytest.fixture
def deliver() -> Callable[[], None]:
    """One run of the sending loop, as a worker does it. Mail of test keys goes to the simulator."""
    return lambda: SendingLoop(Lane.NORMAL, lambda: None).run()


@pytest.fixture
def settle_as() -> Callable[..., None]:
    """Moves an email's recipients to a status: `settle_as(id, Status.BOUNCED)`."""

    def move(pk: str, status: Status, **which: Any) -> None:
        moved = Recipient.objects.filter(message_id=pk, **which).move_to(status)
        assert moved, "the table of transitions does not allow this"

    return move


@pytest.fixture
def stored() -> Callable[[str], Message]:
    """The row of an email."""
    return lambda pk: Message.objects.get(pk=pk)
