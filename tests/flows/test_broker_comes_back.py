"""The broker dies and comes back: a busy worker must receive its wake-ups again."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emailsvc.embedded.programs import has_ended, restart
from emailsvc.embedded.runtime import runtime_folder
from emailsvc.embedded.servers import Servers, running_servers
from emailsvc.embedded.valkey import await_valkey
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests.smtp_server import Late, Script, SmtpServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow("starts, kills and restarts programs")]
EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}


@pytest.fixture
def broker() -> Iterator[Servers]:
    """One of our own: the other tests need theirs."""
    with runtime_folder(None) as data, running_servers(Path(data), {"DATABASE_URL": "not ours"}) as servers:
        yield servers


def test_a_worker_hears_the_broker_that_died_under_its_work_and_came_back(
    api: Any, broker: Servers, run_worker: Any, wait_until: Callable[..., None], tmp_path: Path
) -> None:
    routes.forget()
    log = tmp_path / "worker.log"
    smtp = SmtpServer(Script(replies={".": [Late("250 2.0.0 ok", 2)]}))
    with smtp as server, run_worker(broker.environment, log):
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        api.post("/emails", EMAIL)
        wait_until(lambda: server.mails)
        (valkey,) = broker.children
        valkey.process.send_signal(signal.SIGKILL)
        wait_until(lambda: has_ended(valkey))
        # By its dead line, or by an acknowledgement that failed.
        wait_until(lambda: "Connection to broker lost" in log.read_text())
        path = f"/emails/{api.post('/emails', EMAIL).json()['id']}"
        restart(valkey)
        await_valkey(broker.runtime, valkey)
        wait_until(lambda: api.get(path).json()["status"] == "delivered")
