"""Data for the documentation's examples: emails in each state, a domain, an endpoint, …"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from accounts.models import Project, StreamType
from accounts.people.roles import Role
from accounts.people.services import give_role
from accounts.scopes import ADMIN
from accounts.services import create_api_key
from accounts.streams import create_stream
from common.ids import timed_ids
from emailsvc.documentation.calls import SOME_ID
from messages.lifetimes.ending import delete_rest
from messages.models import Message, Pause, Recipient
from messages.sending.loop import SendingLoop
from messages.states import Lane, Status, StatusReason
from tests.conftest import ApiClient
from tests.documentation.nursery import NURSERIES, Ended, find_node
from tests.smtp_server import SmtpServer
from webhooks.posting.loop import PostingLoop

FILE = {"filename": "invoice.pdf", "content_type": "application/pdf", "content_b64": "JVBERi0xLjQK"}
EMAIL: dict[str, Any] = {
    "from_": "hello@acme.example",
    "to": "jo@example.com",
    "subject": "Hello",
    "text": "Hello.",
    "tags": ["shipping"],
    "attachments": [FILE],
}


# What an example makes, and cannot make twice.
ONLY_ONCE: Mapping[str, tuple[str, ...]] = {
    "suppressions": ("/suppressions/jo@example.com", "/suppressions/sam@example.com"),
    "templates": ("/templates/receipt", "/templates/welcome"),
    "streams": ("/streams/newsletter", "/streams/digest"),
    "admin": (),
}
KIND_OF = {
    "domain": "domains",
    "provider": "providers",
    "paused_provider": "providers",
    "suppression": "suppressions",
    "stream": "streams",
    "template": "templates",
    "tenant": "admin",
}
KINDS = ("domains", "providers", *ONLY_ONCE)


PROGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "bash": ("example.sh", ("bash", "-eu")),
    "javascript": ("example.mjs", (find_node(),)),
    "python": ("example.py", (sys.executable, "-W", "error")),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """A project on a running service, and ways to prepare what an example needs: each gives environment variables."""

    api: ApiClient
    relay: SmtpServer
    prepared: dict[str, dict[str, str]] = field(default_factory=dict)

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.api.post(path, body)
        assert answer.status_code < 300, answer.content
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def email(self, **values: Any) -> dict[str, str]:
        email = self.post("/emails", {**EMAIL, **values})
        return {"EMAIL_ID": email["id"], "ATTACHMENT_ID": email["attachments"][0]["id"]}

    def delivered(self, **values: Any) -> dict[str, str]:
        found = self.email(**values)
        SendingLoop(Lane.NORMAL, lambda: None).run()
        return found

    def sent_email(self) -> dict[str, str]:
        return self.delivered()

    def scheduled_email(self) -> dict[str, str]:
        return self.email(scheduled_at=(timezone.now() + timedelta(hours=1)).isoformat())

    def bounced_email(self) -> dict[str, str]:
        return self.moved(Status.BOUNCED)

    def uncertain_email(self) -> dict[str, str]:
        return self.moved(Status.DELIVERING, StatusReason.UNCERTAIN)

    def known_uncertain_email(self) -> dict[str, str]:
        """One with the id that the example names."""
        Message.objects.filter(pk=SOME_ID).delete()
        with patch.object(timed_ids, "take", return_value=[UUID(SOME_ID)]):
            return self.uncertain_email()

    def moved(self, status: Status, reason: StatusReason = StatusReason.NONE) -> dict[str, str]:
        """An email in a state that the other side's answer would bring about."""
        found = self.email()
        with transaction.atomic():
            Recipient.objects.filter(message_id=found["EMAIL_ID"]).move_to(status, reason)
        return found

    def domain(self) -> dict[str, str]:
        return {"DOMAIN_ID": self.post("/domains", {"name": "acme.example"})["id"]}

    def provider(self) -> dict[str, str]:
        url = f"smtp://127.0.0.1:{self.relay.port}?tls=never"
        return {"PROVIDER_ID": self.post("/providers", {"name": "mine", "url": url})["id"]}

    def paused_provider(self) -> dict[str, str]:
        found = self.provider()
        self.post(f"/providers/{found['PROVIDER_ID']}/pause")
        return found

    def template(self) -> dict[str, str]:
        content = {"alias": "welcome", "name": "Welcome", "subject": "Welcome, {{ name }}", "text": "Hello {{ name }}."}
        self.post("/templates", content)
        self.post("/templates/welcome/publish")
        return {}

    def suppression(self) -> dict[str, str]:
        self.post("/suppressions", {"address": "jo@example.com"})
        return {}

    def stream(self) -> dict[str, str]:
        self.post("/streams", {"name": "digest"})
        return {}

    def erasure(self) -> dict[str, str]:
        return {"ERASURE_ID": self.post("/erasures", {"address": "former@example.com"})["id"]}

    def tenant(self) -> dict[str, str]:
        """A project and its key, for a caller with a key of the installation."""
        found = Project.objects.create(pk=SOME_ID, name="Acme Europe")
        create_stream(found, name="digest", type_=StreamType.TRANSACTIONAL)
        key, _ = create_api_key(found, scopes=["emails:send"])
        sue, _ = User.objects.get_or_create(username="sue")
        give_role("test", sue, found, Role.SUPPORT)
        pause = Pause.objects.create(project=found, kind="tag", value="shipping", made_by="test")
        return {
            "PAUSE_ID": str(pause.pk),
            "PROJECT_ID": SOME_ID,
            "KEY_ID": str(key.pk),
            "EMAILSVC_KEY": create_api_key(None, scopes=[ADMIN])[1],
        }

    def webhook(self) -> dict[str, str]:
        endpoint = self.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]})
        return {"WEBHOOK_ID": endpoint["id"]}

    def prepare(self, name: str) -> dict[str, str]:
        """The variables for what an example needs; the same thing again until it is forgotten."""
        if name and name not in self.prepared:
            self.prepared[name] = getattr(self, name)()
        return dict(self.prepared.get(name, {}))

    def forget(self, *kinds: str) -> None:
        """Things of these kinds were changed: what there may be only once is taken away, and all is prepared anew."""
        for name in list(self.prepared):
            if KIND_OF.get(name, "") in {*kinds, ""}:
                del self.prepared[name]
        for kind in kinds:
            if kind in {"domains", "providers"}:
                for each in self.api.get(f"/{kind}").json()["data"]:
                    self.api.delete(f"/{kind}/{each['id']}")
            if kind == "admin":
                for pk in Project.objects.filter(name__in=("Acme Europe", "Shop")).values_list("pk", flat=True):
                    with transaction.atomic():
                        delete_rest(pk, "")
            for path in ONLY_ONCE.get(kind, ()):
                self.api.delete(path)


def run_example(language: str, code: str, folder: Path, variables: Mapping[str, str]) -> Ended:
    """Run an example as a reader would, in a folder of its own."""
    if nursery := NURSERIES.get(language):
        write_example(language, code, folder)
        return nursery.run(folder / PROGRAMS[language][0], build_environment(folder, variables))
    process = start_example(language, code, folder, variables)
    output, errors = process.communicate(timeout=30)
    return Ended(status=process.returncode, output=output, errors=errors)


def start_example(language: str, code: str, folder: Path, variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    write_example(language, code, folder)
    name, command = PROGRAMS[language]
    return subprocess.Popen(
        [*command, name],
        cwd=folder,
        env=build_environment(folder, variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def write_example(language: str, code: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROGRAMS[language][0]).write_text(code, "utf-8")


def build_environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but what the documentation tells readers to have."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **variables}


def stop(process: "subprocess.Popen[str]") -> str:
    """End a receiver; what it said."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=10)
    return output + errors


def wait_for_port(port: int, is_alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def post_webhooks() -> None:
    """What the worker for webhooks does."""
    PostingLoop().run()
