"""Where the drills stand: a folder that is thrown away, servers of their own, and waits that one can sit out."""

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

# A minute of production is a second or two here. The rest is as `./run` has it. Fewer conversations, since each kill
# leaves two for each of them to be sent one by one.
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
# For a worker that nobody kills: as many conversations as it has by default.
AS_USUAL = {"SMTP_CONVERSATIONS": 20}
# Where the drills' mail exchangers and webhook endpoints are. Mail that is led to 127.0.0.1 is refused, as by default.
EXCHANGERS = "127.0.1.0/24"
ENDPOINTS = "127.0.0.1/32"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The folder, the servers (known, not yet started), the socket that every web server of ours listens on, and the
    name server that our workers ask.
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
    """The ground, with the environment of this process changed to match: settings read from here on mean our servers.

    What `kept` names gets a copy of logs and journals at the end. Raises EmbeddedError when servers cannot run here.
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
    """Everything that the caller's environment might otherwise decide, and our constants."""
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
    """Copy what tells what happened."""
    kept.mkdir(parents=True, exist_ok=True)
    for folder in ("logs", "journals"):
        if (data / folder).is_dir():
            shutil.copytree(data / folder, kept / folder, dirs_exist_ok=True)
