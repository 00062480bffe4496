"""Every example of the documentation runs unchanged against a running service."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from emailsvc.documentation.calls import EXAMPLES
from emailsvc.documentation.markdown import REQUEST, SAMPLES, CodeBlock
from emailsvc.documentation.pages import find_folder, list_pages, read_page
from emailsvc.documentation.reference import Operation, list_groups
from emailsvc.launcher.ports import held_port
from emailsvc.openapi.settings import TAGS
from tests import needs
from tests.documentation.nursery import Ended
from tests.documentation.world import (
    KINDS,
    PROGRAMS,
    World,
    post_webhooks,
    run_example,
    start_example,
    stop,
    wait_for_port,
)

# Dozens of programs one after the other: a busy machine is given time.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
    pytest.mark.slow("runs up to dozens of programs one after the other"),
]
PAGES = sorted({name for names in list_pages().values() for name in names})
STATUS = re.compile(r"^(?:HTTP/1\.[01] )?(\d{3})\b", re.MULTILINE)
# What an operation's example finds there; else what its group does.
NEEDS = {
    "reschedule_email": "scheduled_email",
    "cancel_email": "scheduled_email",
    "resend_email": "bounced_email",
    "settle_email": "uncertain_email",
    "settle_emails": "known_uncertain_email",
    "resume_provider": "paused_provider",
    "create_template": "",
    "create_domain": "",
    "create_provider": "",
    "create_suppression": "",
    "list_suppressions": "suppression",
    "create_stream": "",
    "create_erasure": "",
    "list_streams": "",
}
GROUP_NEEDS = {
    "emails": "sent_email",
    "stats": "sent_email",
    "events": "sent_email",
    "templates": "template",
    "domains": "domain",
    "suppressions": "suppression",
    "streams": "stream",
    "erasures": "erasure",
    "webhooks": "webhook",
    "providers": "provider",
    "admin": "tenant",
}


def today() -> Any:
    return timezone.now().date()


def blocks_of(page: str, base: str) -> list[CodeBlock]:
    return [block for block in read_page(page, base, today()).blocks if block.language in PROGRAMS]


def has_blocks(page: str) -> bool:
    """Whether `blocks_of` finds any: to read all pages takes each worker half a second while it collects."""
    text = (find_folder() / f"{page}.md").read_text("utf-8")
    return re.search(rf"^```(?:{'|'.join((REQUEST, *PROGRAMS))})\b", text, re.MULTILINE) is not None


def check(ended: Ended, code: str, *, status: int = 0, expected: Collection[str] = ("2xx",)) -> None:
    """The example ended as it should, and every HTTP status that it printed is an expected one."""
    told = f"{code}\n\n{ended.output}{ended.errors}"
    assert ended.status == status, told
    assert ended.output.strip() or "-o " in code, told
    statuses = STATUS.findall(ended.output)
    assert all(each in expected or f"{each[0]}xx" in expected for each in statuses), told


@needs.program("curl")
@pytest.mark.parametrize("page", [page for page in PAGES if has_blocks(page)])
def test_the_examples_of_a_page_run(world: World, live_server: Any, tmp_path: Path, page: str) -> None:
    for number, block in enumerate(blocks_of(page, live_server.url)):
        folder = tmp_path / str(number)
        if "serves" in block.needs:
            check_receiver(world, block, folder)
            continue
        variables = {"EMAILSVC_KEY": world.api.token or "", **world.prepare(block.needs.get("needs", ""))}
        ended = run_example(block.language, block.code, folder, variables)
        expected = block.needs.get("status", "2xx")
        check(ended, block.code, status=int(block.needs.get("exit", "0")), expected=[expected])
        # In another language the same is done again.
        world.forget(*(kind for kind in KINDS if f"/api/v1/{kind}" in block.code))


def check_receiver(world: World, block: CodeBlock, folder: Path) -> None:
    with held_port() as port:
        check_receiver_at(port, world, block, folder)


def check_receiver_at(port: int, world: World, block: CodeBlock, folder: Path) -> None:
    """A receiver of webhooks takes what we post to it, and refuses what anybody else does."""
    endpoint = world.post("/webhooks", {"url": f"http://127.0.0.1:{port}/mail", "events": ["*"]})
    variables = {"WEBHOOK_SECRET": endpoint["secret"], "PORT": str(port)}
    process = start_example(block.language, block.code, folder, variables)
    try:
        wait_for_port(port, lambda: process.poll() is None)
        path = f"/webhooks/{endpoint['id']}"
        world.post(f"{path}/test")
        post_webhooks()
        # Signed by both, and then by a secret that the receiver does not know.
        world.post(f"{path}/rotate")
        world.post(f"{path}/test")
        post_webhooks()
        answers = [row["response_status"] for row in world.api.get(f"{path}/deliveries").json()["data"]]
        other = world.post("/webhooks", {"url": endpoint["url"], "events": ["*"]})
        world.post(f"/webhooks/{other['id']}/test")
        post_webhooks()
        forged = world.api.get(f"/webhooks/{other['id']}/deliveries").json()["data"][0]["response_status"]
    finally:
        output = stop(process)
    assert (answers, forged) == ([204, 204], 400), output
    assert output.count("webhook.test") == 2, output
    for each in (endpoint, other):
        world.api.delete(f"/webhooks/{each['id']}")


def operations(tag: str, base: str) -> list[Operation]:
    group = list_groups(base, today()).get(tag)
    return list(group.operations) if group else []


@needs.program("curl")
@pytest.mark.parametrize("tag", TAGS)
def test_the_example_of_every_operation_runs(world: World, live_server: Any, tmp_path: Path, tag: str) -> None:
    for operation in operations(tag, live_server.url):
        for language, code in operation.samples.items():
            need = NEEDS.get(operation.id, GROUP_NEEDS.get(tag, ""))
            if not need:
                world.forget(tag)
            variables = {"EMAILSVC_KEY": world.api.token or "", **world.prepare(need)}
            ended = run_example(language, code, tmp_path / operation.id / language, variables)
            # Curl stops listening to a stream, and says so.
            is_cut = operation.id == "stream_events" and language == "bash"
            expected = [answer.status for answer in operation.answers]
            check(ended, code, status=28 if is_cut else 0, expected=expected)
            assert "-o " in code or STATUS.search(ended.output), code
            if operation.method != "GET":
                world.forget(tag)


def test_every_operation_has_an_example_and_nothing_else_has() -> None:
    described = {operation.id for tag in TAGS for operation in operations(tag, "")}
    assert described == EXAMPLES.keys()


def test_every_page_with_examples_is_tried() -> None:
    assert [page for page in PAGES if blocks_of(page, "")] == [page for page in PAGES if has_blocks(page)]


def test_guides_show_requests_in_every_language() -> None:
    for page in ("quickstart", "sending", "tracking", "webhooks", "events", "errors"):
        assert {block.language for block in blocks_of(page, "")} >= SAMPLES.keys(), page
