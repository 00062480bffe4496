"""Upgrades under load, from versions in the history of this clone: two versions side by side, and with a stop."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from accounts.models import Project
from drills.harness.load import ApiResponse, Client
from drills.harness.older import NoSuchVersionError, OlderVersion, run_command
from drills.harness.scene import Scene
from drills.scenarios.endpoints import HEALTHY, add_endpoint, count_pending, find_ends
from drills.stand_ins.webhook_receiver import Receiver
from emailsvc.launcher.data_folder import ROOT

# The last version before the migrations of roles, search, retention, erasures and the request log.
BEFORE_CONSOLE = "eff62484413077c91379f573ca266a07ae6d73ae"
# The last version before events, attempts and webhook deliveries were partitioned by month (docs/decisions/0106).
BEFORE_MONTHS = "9227bf65876d00c122b2d27e4d6529a09ff379da"
RATE = 20.0
# Programs besides the web server, all of them in both versions.
PROGRAMS = ("worker", "worker-bulk", "worker-webhooks", "beat")
# Mail from before the upgrade: most of it has ended, and the last part waits for the new version.
BATCHES, BATCH = 4, 500
SCHEDULED = 50
SCHEDULED_TIME = timedelta(seconds=25)
MAILS_BETWEEN = 60
READ_SECONDS = 0.1
PATIENCE_SECONDS = 120.0
EMAIL: Mapping[str, Any] = {
    "html": '<p>See <a href="https://drill.test/order">your order</a>.</p>',
    "tags": ["order"],
    "metadata": {"order": "7"},
    "track_opens": True,
    "track_clicks": True,
}


def upgrade(scene: Scene) -> None:
    """The new version's tables, then its programs beside the old ones, then the old ones end: nobody notices."""
    play_upgrade(scene, BEFORE_CONSOLE, side_by_side)


def upgrade_with_stop(scene: Scene) -> None:
    """Every program ends before the new version's `prepare`; clients wait for the length of the stop."""
    play_upgrade(scene, BEFORE_MONTHS, with_stop)


def play_upgrade(scene: Scene, default: str, change: Callable[[Scene, list[int]], None]) -> None:
    stack = scene.stack
    for pid in stack.webs:
        stack.end(pid)
    try:
        older = OlderVersion(stack, stack.older_commit or default)
    except NoSuchVersionError as reason:
        stack.start_web()
        scene.skip(str(reason))
        return
    project_id = make_project(scene, older)
    receiver = scene.keep_open(Receiver())
    pids = [older.start_web(), *(older.start(name) for name in PROGRAMS)]
    add_endpoint(scene, receiver, HEALTHY)
    for number in range(BATCHES):
        scene.post_batch(BATCH, name=f"before{number}", each=[EMAIL] * BATCH)
    post_scheduled(scene)
    scene.wait_for(lambda: len(scene.sink.taken) > BATCH, "the older version to send", PATIENCE_SECONDS)
    with scene.load(RATE, is_persistent=True, **EMAIL) as load, ListReader(scene.client()) as reader:
        scene.wait_for(lambda: load.accepted, "the older version to accept")
        change(scene, pids)
        upgraded_at = time.monotonic()
        scene.wait_for(lambda: has_sent_since(scene, upgraded_at), "the newer version to send", PATIENCE_SECONDS)
    scene.projects[:] = [Project.objects.get(pk=project_id)]
    scene.note_load(load)
    scene.details |= {"max_ms": round(max(load.seconds) * 1000), "reads": sum(reader.statuses.values())}
    scene.expect(not load.refused, f"some POSTs were not answered 202: {dict(load.refused)}")
    scene.expect(set(reader.statuses) == {200}, f"some GETs were not answered 200: {dict(reader.statuses)}")
    scene.wait_for_quiet(since=upgraded_at, seconds=PATIENCE_SECONDS)
    scene.limit_duplicates(0)
    judge_endpoint(scene, receiver)


def make_project(scene: Scene, older: OlderVersion) -> str:
    """A project with a key and the provider of all, made by the older version; returns its id."""
    project_id = str(older.manage("create_project", "upgraded")["id"])
    # Those that the scene has made are gone with their tables.
    scene.projects.clear()
    scopes = "emails:send,emails:read,events:read,webhooks:write"
    scene.token = older.manage("create_api_key", "--project", project_id, "--scopes", scopes)["key"]
    older.manage("add_provider", "sink", scene.add_sink().url, "--shared")
    return project_id


def post_scheduled(scene: Scene) -> None:
    """Mail that the older version schedules, and whose time comes about when both have run."""
    scheduled_at = (datetime.now(UTC) + SCHEDULED_TIME).isoformat()
    scene.post_batch(SCHEDULED, name="scheduled", each=[{"scheduled_at": scheduled_at}] * SCHEDULED)


def side_by_side(scene: Scene, old: list[int]) -> None:
    """As docs/deployment.md tells it."""
    begun_at = time.monotonic()
    run_command(ROOT, "prepare")
    scene.details["prepared_s"] = round(time.monotonic() - begun_at, 1)
    # Old programs on the new tables.
    scene.wait_for_mail(MAILS_BETWEEN, PATIENCE_SECONDS)
    start_programs(scene)
    # Both take requests and mail.
    scene.wait_for_mail(MAILS_BETWEEN, PATIENCE_SECONDS)
    for pid in old:
        scene.stack.end(pid)


def with_stop(scene: Scene, old: list[int]) -> None:
    """As docs/operations.md tells it. The socket stays open: connections wait in its queue."""
    begun_at = time.monotonic()
    for pid in reversed(old):
        scene.stack.end(pid)
    ended_at = time.monotonic()
    run_command(ROOT, "prepare")
    prepared_at = time.monotonic()
    start_programs(scene)
    times = {"stop_s": time.monotonic() - begun_at, "prepared_s": prepared_at - ended_at}
    scene.details |= {name: round(seconds, 1) for name, seconds in times.items()}


def start_programs(scene: Scene) -> None:
    scene.stack.start_web()
    for name in PROGRAMS:
        scene.stack.start(name)


def has_sent_since(scene: Scene, moment: float) -> bool:
    return sum(mail.at > moment for mail in scene.sink.taken) > MAILS_BETWEEN


def judge_endpoint(scene: Scene, receiver: Receiver) -> None:
    """Both versions together have told the endpoint of every end, signed."""
    scene.wait_for(lambda: count_pending(scene) == 0, "every webhook to be delivered", PATIENCE_SECONDS)
    heard = receiver.heard(HEALTHY)
    ends, told = {str(pk) for pk in find_ends(scene)}, {each.event_id for each in heard}
    scene.expect(told == ends, f"the endpoint was told of {len(told & ends)} ends of {len(ends)}")
    scene.expect(all(each.is_signed for each in heard), "some posts to the endpoint were not signed by its secret")
    scene.details["webhooks"] = len(told)


class ListReader:
    """An application that lists its emails, one request after the other: `statuses` counts the answers."""

    def __init__(self, client: Client) -> None:
        self.statuses: Counter[int] = Counter()
        self._client = client
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._is_over.wait(READ_SECONDS):
            # A connection that breaks is asked again, as applications do; what is answered counts.
            if (page := self._get("/emails?limit=20")) and page.body["data"]:
                self._get(f"/emails/{page.body['data'][-1]['id']}")

    def _get(self, path: str) -> ApiResponse | None:
        answer = self._client.get(path)
        if answer.status:
            self.statuses[answer.status] += 1
        return answer if answer.status == 200 else None
