"""Idempotency keys in any order, over HTTP: two projects, repetitions alone and at once, other bodies, cancels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from accounts import scopes
from accounts.services import create_api_key, create_project
from drills.harness.load import ApiResponse, build_email
from drills.harness.scene import Scene
from drills.scenarios.machines.counting import note_step
from messages.models import Message

PROJECTS = st.integers(0, 1)
KEYS = st.sampled_from(["a", "b", "c"])
BODIES = st.sampled_from(["one@drill.test", "two@drill.test"])
AT_ONCE = 6
REUSED = "idempotency_key_reused"
IN_FLIGHT = "idempotency_in_flight"


def build_key_machine(scene: Scene) -> type[RuleBasedStateMachine]:
    """The machine for the web server of this scene."""

    class BoundKeyMachine(KeyMachine):
        def __init__(self) -> None:
            super().__init__(scene)

    return BoundKeyMachine


class KeyMachine(RuleBasedStateMachine):
    """`used`: the body and the email of each key that a project has used. One key makes one message."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.projects = [create_project(name=f"keys {uuid4()}") for _ in range(2)]
        self.tokens = [create_api_key(project, scopes=scopes.ALL)[1] for project in self.projects]
        self.used: dict[tuple[int, str], tuple[str, str]] = {}
        self.without_key = [0, 0]

    @rule(project=PROJECTS, key=KEYS, body=BODIES)
    def post(self, project: int, key: str, body: str) -> None:
        self.judge(project, key, body, [self.ask(project, body, key)])

    @rule(project=PROJECTS, key=KEYS, body=BODIES)
    def post_at_once(self, project: int, key: str, body: str) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda _: self.ask(project, body, key), range(AT_ONCE)))
        self.judge(project, key, body, answers)

    @rule(project=PROJECTS, body=BODIES)
    def post_without_key(self, project: int, body: str) -> None:
        answer = self.ask(project, body)
        assert answer.status == HTTPStatus.ACCEPTED, answer
        self.without_key[project] += 1

    @rule(project=PROJECTS, key=KEYS)
    def cancel(self, project: int, key: str) -> None:
        """A queued email is not cancelled, and what happens to it changes no answer."""
        _, email = self.used.get((project, key), ("", ""))
        if email:
            with self.scene.client(self.tokens[project]) as client:
                answer = client.post(f"/emails/{email}/cancel")
            assert answer.status == HTTPStatus.CONFLICT, answer

    @invariant()
    def one_key_made_one_message(self) -> None:
        note_step("keys")
        for number, project in enumerate(self.projects):
            keys = sum(of == number for of, _ in self.used)
            found = Message.objects.filter(project=project).count()
            assert found == keys + self.without_key[number], f"{keys} keys made {found} emails"

    def ask(self, project: int, body: str, key: str = "") -> ApiResponse:
        headers: dict[str, Any] = {"Idempotency_Key": key} if key else {}
        with self.scene.client(self.tokens[project]) as client:
            return client.post("/emails", build_email(body), **headers)

    def judge(self, project: int, key: str, body: str, answers: Sequence[ApiResponse]) -> None:
        """The first answer of a key is that of all repetitions; another body is refused."""
        # Only requests at the same time may be told to come again.
        told = [one for one in answers if len(answers) == 1 or one.body.get("code") != IN_FLIGHT]
        known_body, email = self.used.get((project, key), (body, ""))
        for answer in told:
            if known_body != body:
                assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY, answer
                assert answer.body["code"] == REUSED, answer
                continue
            assert answer.status == HTTPStatus.ACCEPTED, answer
            email = email or answer.body["id"]
            assert answer.body["id"] == email, f"one key made {email} and {answer.body['id']}"
            self.used[project, key] = body, email
        assert told, "nobody was answered"
