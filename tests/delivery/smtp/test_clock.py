"""The clock of a conversation: it begins with the greeting, or with MAIL on a kept connection."""

from contextlib import closing

import pytest

from delivery.envelope import Delivery
from delivery.smtp.transport import SmtpTransport
from tests.smtp_mail import build_delivery, build_timeouts, build_transport, send_all
from tests.smtp_server import Act, Last, Script, Silent, SmtpServer


class Watching(SmtpServer):
    """Notes at each verb whether the clock of the present delivery runs."""

    def __init__(self, script: Script | None = None) -> None:
        super().__init__(script)
        self.delivery: Delivery | None = None
        self.seen: list[tuple[str, bool]] = []

    def choose(self, verb: str) -> Act:
        if self.delivery is not None:
            self.seen.append((verb, self.delivery.clock.begun_at is not None))
        return super().choose(verb)


def converse(transport: SmtpTransport, server: Watching) -> Delivery:
    server.delivery = build_delivery()
    send_all(transport, [server.delivery])
    return server.delivery


def test_it_runs_from_the_greeting_on() -> None:
    with Watching() as server, closing(build_transport(server)) as transport:
        converse(transport, server)
    told = dict(server.seen)
    assert told["CONNECT"] is False
    assert told["EHLO"] is told["MAIL"] is told["."] is True


def test_on_a_kept_connection_it_runs_from_mail_on() -> None:
    with Watching() as server, closing(build_transport(server)) as transport:
        converse(transport, server)
        server.seen.clear()
        converse(transport, server)
        assert server.connection_count == 1
    assert server.seen[0] == ("MAIL", True)


@pytest.mark.parametrize("greeting", [Silent(), "554 5.3.2 no mail here", "421 4.3.2 busy"])
def test_it_never_runs_without_a_greeting(greeting: Act) -> None:
    with (
        Watching(Script(replies={"CONNECT": greeting})) as server,
        closing(build_transport(server, timeouts=build_timeouts(greeting=0.1))) as transport,
    ):
        assert converse(transport, server).clock.begun_at is None


def test_a_connection_that_was_closed_meanwhile_counts_from_the_new_greeting() -> None:
    script = Script(replies={"MAIL": [None, Last("421 4.4.2 idle too long")]})
    with Watching(script) as server, closing(build_transport(server)) as transport:
        converse(transport, server)
        server.seen.clear()
        converse(transport, server)
    assert server.seen[:3] == [("MAIL", True), ("CONNECT", False), ("EHLO", True)]
    assert len(server.mails) == 2
