"""The drills' environment: a temporary folder, their own servers, and shortened waits."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from cryptography.fernet import Fernet

from drills.stand_ins.name_server import Names
from drills.stand_ins.small_disk import leave_mounts
from emailsvc.embedded.runtime import runtime_folder
from emailsvc.embedded.servers import Servers, claimed_servers
from emailsvc.launcher.data_folder import open_data_folder
from emailsvc.launcher.ports import LOOPBACK, listen

# A minute of production is a second or two here. The rest is as in `./run`. There are fewer SMTP conversations, since
# the recipients of each are sent one by one after a kill.
CONSTANTS = {
    "SMTP_CONVERSATIONS": "3",
    "LEASE_SECONDS": "1.5",
    "HEARTBEAT_SECONDS": "0.3",
    "TICK_SECONDS": "0.2",
    "RETRY_SECONDS": "0.5,1,1,2",
    "UNCERTAIN_SECONDS": "1",
    "DELIVER_SECONDS": "1",
    "WEBHOOK_TIMEOUT_SECONDS": "1",
    "WEBHOOK_RETRY_SECONDS": "0.3,0.5,0.5,1,1,2,2",
    "WEBHOOK_DISABLE_SECONDS": "5",
    "LOG_LEVEL": "WARNING",
}
# For a worker that is not killed: the default number of SMTP conversations.
AS_USUAL = {"SMTP_CONVERSATIONS": 20}
# Addresses of the drills' mail exchangers and webhook endpoints. Mail to 127.0.0.1 is refused, as by default.
EXCHANGERS = "127.0.1.0/24"
ENDPOINTS = "127.0.0.1/32"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The folder, the servers (known, not yet started), the socket of all our web servers, and the name server of our
    workers.
    """

    data: Path
    servers: Servers
    web: socket
    names: Names

    @property
    def web_port(self) -> int:
        return int(self.web.getsockname()[1])


@contextmanager
def prepared_ground(kept: Path | None) -> Iterator[Ground]:
    """The environment, with this process's variables changed to match: settings read from here on mean our servers.

    The folder `kept` gets a copy of logs and journals at the end. Raises EmbeddedError if servers cannot run here.
    """
    leave_mounts()
    with ExitStack() as stack:
        data = open_data_folder(stack.enter_context(runtime_folder(None)))
        if kept is not None:
            stack.callback(keep, data, kept)
        servers = stack.enter_context(claimed_servers(data, {}))
        web = stack.enter_context(listen(0))
        names = stack.enter_context(Names())
        ground = Ground(data=data, servers=servers, web=web, names=names)
        os.environ.update(build_environment(ground))
        yield ground


def build_environment(ground: Ground) -> dict[str, str]:
    """Variables that override the caller's environment, and our constants."""
    return {
        **ground.servers.environment,
        **CONSTANTS,
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "PUBLIC_URL": f"http://{LOOPBACK}:{ground.web_port}",
        "PROVIDER_URL": "",
        "BROKER_URL": "",
        "TRUSTED_SENDER_DOMAINS": "*",
        "DNS_SERVERS": ground.names.place,
        "MX_ALLOWED_NETWORKS": EXCHANGERS,
        "WEBHOOK_ALLOWED_NETWORKS": ENDPOINTS,
        "PYTHONUNBUFFERED": "1",
    }


def keep(data: Path, kept: Path) -> None:
    """Copy logs and journals."""
    kept.mkdir(parents=True, exist_ok=True)
    for folder in ("logs", "journals"):
        if (data / folder).is_dir():
            shutil.copytree(data / folder, kept / folder, dirs_exist_ok=True)
