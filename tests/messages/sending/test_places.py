"""How much mail may be on its way to a provider: that bounds what is sent twice after a kill."""

from threading import Timer
from typing import Any
from uuid import UUID

import pytest

from delivery.concurrency.conversations import Conversations
from delivery.concurrency.protocol import SendPermit
from messages.sending.worker_state import SendQueueKey, WorkerState
from providers.models import ProviderKind
from providers.routing.selection import ProviderRef

RELAY = SendQueueKey(ProviderRef(UUID(int=1), "relay", ProviderKind.SMTP))
DIRECT = SendQueueKey(ProviderRef(UUID(int=2), "mx", ProviderKind.MX), "rcpt.test")


def test_a_fast_relay_gets_three_mails_for_each_conversation_and_a_slow_one_two(settings: Any) -> None:
    settings.SMTP_CONVERSATIONS = 10
    state = WorkerState()
    rooms = []
    for seconds in (0.01, 0.01, 5.0):
        rooms.append((state.room(RELAY), state.places(RELAY)))
        state.note_speed(RELAY, seconds)
    assert rooms == [(20, 20), (30, 30), (30, 30)]
    assert (state.room(RELAY), state.places(RELAY)) == (20, 20)


def test_a_recipients_own_server_gets_two_mails_for_each_conversation_however_fast_it_is(settings: Any) -> None:
    settings.SMTP_CONVERSATIONS = 10
    state = WorkerState()
    state.note_speed(DIRECT, 0.01)
    assert state.places(DIRECT) == 2 * state.limit(DIRECT)


@pytest.mark.parametrize("is_asking", [True, False])
def test_others_wait_less_for_a_conversation_that_asks_than_for_a_reply(
    monkeypatch: pytest.MonkeyPatch, is_asking: bool
) -> None:
    monkeypatch.setattr("delivery.concurrency.conversations.ASKING_SECONDS", 0.0)
    monkeypatch.setattr("delivery.concurrency.conversations.GATHER_SECONDS", 30.0)
    conversations = Conversations(1)
    events: list[Any] = [SendPermit("relay", (UUID(int=1),), lambda _: None)] if is_asking else []
    conversations._words.put([*events, (UUID(int=2), object())])
    Timer(0.1, conversations._words.put, [[(UUID(int=3), object())]]).start()
    assert len(conversations.wait(1.0, enough=3 if is_asking else 2).replies) == (1 if is_asking else 2)
