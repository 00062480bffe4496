"""The way out by an ESP's API."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from anymail.exceptions import AnymailConfigurationError, AnymailError
from django.core.exceptions import ImproperlyConfigured

from delivery.envelope import BeforeDot, Delivery, Outcome, Reply, Stage
from delivery.http_client import BrokenError, HttpClient, HttpResult, UnreachableError
from delivery.judging.terms import About, Reason, Speaker
from delivery.replies import clean_text
from providers.esp.http_adapter import HttpAdapter
from providers.esp.model import Esp
from providers.esp.payloads import build_payload, find_unquoted, open_backend
from providers.esp.repackaging import EspCall, group_calls
from providers.esp.replies import ACCEPT, BY_RECIPIENT, FAIL, build_reply, judge_http_result

log = structlog.get_logger(__name__)

MAX_REMOTE_ID = 500
# How long a connection may wait for the grant; servers close idle ones, the strictest after some seconds.
STALE_SECONDS = 2.0
# What we say in the ESP's place is about the call that we could not make, or about the mail that it cannot take.
REASONS: Mapping[Stage, Reason] = {Stage.AUTH: Reason.LOGIN, Stage.DATA: Reason.CONTENT}
SUBJECTS: Mapping[Outcome, About] = {Outcome.DEFERRED: About.PROVIDER, Outcome.FAILED: About.MESSAGE}
Said = Iterator[tuple[UUID, Reply]]


class AnewError(Exception):
    """The call has to begin anew, on another connection, for those that were granted: `kept`."""

    def __init__(self, kept: frozenset[UUID]) -> None:
        super().__init__("begins anew")
        self.kept = kept


class EspTransport:
    """A `Transport` to one ESP account. Raises for settings that cannot be used, as its parts do.

    Recipients with the same content go in one call, others in one each. `before_dot` is asked once the connection
    stands, before the first byte of the request.
    """

    def __init__(self, esp: Esp, settings: Mapping[str, str], client: HttpClient) -> None:
        self._esp = esp
        self._settings = settings
        self._adapter = HttpAdapter(client)
        self._backend = open_backend(esp, settings, self._adapter)
        self._host = find_host(self._backend)

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Said:
        """See `delivery.envelope.Transport`."""
        for esp_call in group_calls(deliveries, takes_envelope=self._esp.takes_envelope):
            yield from self._hand_over(esp_call, before_dot)

    def _hand_over(self, esp_call: EspCall, before_dot: BeforeDot) -> Said:
        """Ask and send; anew, without asking, for those still ours where others are not, or a grant came late."""

        def ask() -> None:
            begun_at = monotonic()
            granted = frozenset(before_dot(esp_call.ids))
            # A connection that has waited for long may be closed there: a new one costs less than an uncertain mail.
            if granted != frozenset(esp_call.ids) or monotonic() - begun_at > STALE_SECONDS:
                raise AnewError(granted)

        try:
            yield from self._settle(esp_call, self._call(esp_call, ask))
        except AnewError as anew:
            kept = [one for one in esp_call.deliveries if one.recipient_id in anew.kept]
            for smaller in group_calls(kept, takes_envelope=self._esp.takes_envelope):
                yield from self._settle(smaller, self._call(smaller))

    def _settle(self, esp_call: EspCall, replies: Mapping[UUID, Reply]) -> Said:
        """The replies. Where nobody got the mail, for the sake of one address or for who knows what, the others are
        tried without it: whom the ESP did not name, or each alone when it named nobody. Some take less copies than we.
        """
        if len(replies) < 2 or not all(is_refused_as_a_whole(reply) for reply in replies.values()):
            yield from replies.items()
            return
        named = [one for one in esp_call.deliveries if one.address.lower() in replies[one.recipient_id].text.lower()]
        yield from ((one.recipient_id, replies[one.recipient_id]) for one in named)
        others = [one for one in esp_call.deliveries if one not in named]
        for group in [others] if named else [[one] for one in others]:
            for smaller in group_calls(group, takes_envelope=self._esp.takes_envelope):
                yield from self._settle(smaller, self._call(smaller))

    def _call(self, esp_call: EspCall, before_write: Callable[[], None] = lambda: None) -> dict[UUID, Reply]:
        """One reply for each recipient; AnewError."""

        def begin() -> None:
            for one in esp_call.deliveries:
                one.clock.begin()
            before_write()

        with self._adapter.calling(begin) as call:
            try:
                statuses = self._send(esp_call)
            except AnewError:
                raise
            except UnreachableError as error:
                return self._say_all(esp_call, Outcome.DEFERRED, Stage.CONNECT, str(error))
            except BrokenError as error:
                return self._say_all(esp_call, Outcome.UNCERTAIN, Stage.DOT, str(error))
            except (AnymailConfigurationError, ImproperlyConfigured) as error:
                reply = self._build_own(Outcome.DEFERRED, Stage.AUTH, str(error))
                return dict.fromkeys(esp_call.ids, replace(reply, is_for_good=True))
            except Exception as error:  # noqa: BLE001 - what libraries raise for an answer is told from the answer
                if call.answer is None:
                    return self._say_unsent(esp_call, error)
                statuses = {}
        assert call.answer is not None
        return {one.recipient_id: self._read(one, call.answer, statuses) for one in esp_call.deliveries}

    def _send(self, esp_call: EspCall) -> Mapping[str, Any]:
        """django-anymail's status by address in lower case."""
        payload, message = build_payload(self._backend, self._esp, self._settings, esp_call)
        response = self._backend.post_to_esp(payload, message)
        statuses = self._backend.parse_recipient_status(response, payload, message)
        unquoted = find_unquoted(esp_call)
        # What the ESP said itself comes after what django-anymail concludes from a spelling of its own.
        spelt = sorted(statuses.items(), key=lambda pair: pair[0] not in unquoted)
        return {unquoted.get(address, address).lower(): status for address, status in spelt}

    def _read(self, one: Delivery, answer: HttpResult, statuses: Mapping[str, Any]) -> Reply:
        """The reply for one recipient of a call that was answered."""
        status = find_status(one.address.lower(), statuses) if self._is_understood(answer) else None
        judgement = BY_RECIPIENT.get(status.status) if status else None
        if status and judgement is ACCEPT and answer.status < 300 and status.message_id:
            return build_reply(
                judgement,
                answer,
                text=f"{self._esp.title}: {status.status}",
                # A database holds neither NUL nor half a surrogate pair.
                remote_id=clean_text(str(status.message_id).encode("utf-8", "replace"))[:MAX_REMOTE_ID],
                remote_host=self._host,
            )
        if judgement is None or judgement in (ACCEPT, FAIL):
            judgement = judge_http_result(answer)
        if judgement.outcome is Outcome.UNCERTAIN:
            return self._build_own(
                Outcome.UNCERTAIN, Stage.DOT, f"nobody understands the answer: {reply_to_text(answer)}"
            )
        return build_reply(judgement, answer, remote_host=self._host)

    def _is_understood(self, answer: HttpResult) -> bool:
        return answer.status >= 400 or self._esp.taken_status in {None, answer.status}

    def _say_unsent(self, esp_call: EspCall, error: Exception) -> dict[UUID, Reply]:
        """Nothing was sent: this ESP cannot send such a mail, or the account's settings are no good."""
        if isinstance(error, AnymailError) and not is_about_credentials(error):
            return self._say_all(esp_call, Outcome.FAILED, Stage.DATA, describe_call_error(error), has_reached=True)
        log.warning("esp_unusable", esp=self._esp.title, error=type(error).__name__)
        reply = self._build_own(Outcome.DEFERRED, Stage.AUTH, describe_call_error(error))
        return dict.fromkeys(esp_call.ids, replace(reply, is_for_good=is_about_credentials(error)))

    def _say_all(
        self, esp_call: EspCall, outcome: Outcome, stage: Stage, text: str, *, has_reached: bool | None = None
    ) -> dict[UUID, Reply]:
        return dict.fromkeys(esp_call.ids, self._build_own(outcome, stage, text, has_reached=has_reached))

    def _build_own(self, outcome: Outcome, stage: Stage, text: str, *, has_reached: bool | None = None) -> Reply:
        """What we say in the ESP's place."""
        return Reply(
            outcome=outcome,
            stage=stage,
            text=clean_text(text.encode("utf-8", "replace")),
            remote_host=self._host,
            speaker=Speaker.ESP,
            reason=REASONS.get(stage, Reason.NETWORK),
            about=SUBJECTS.get(outcome),
            has_reached=outcome is Outcome.UNCERTAIN if has_reached is None else has_reached,
        )

    def close(self) -> None:
        """Close kept connections. Calls under way end as they would; the libraries above hold none of their own."""
        self._adapter.close()


def find_host(backend: Any) -> str:
    """Where the API is: django-anymail's own setting, or what AWS's library makes of the region."""
    url = backend.api_url if hasattr(backend, "api_url") else backend.client.meta.endpoint_url
    return urlsplit(url).hostname or ""


def find_status(address: str, statuses: Mapping[str, Any]) -> Any:
    """What was said of `address`; where nothing was, since the answer spells it otherwise, what was said of another one
    that was taken: the call was, as a whole.
    """
    found = statuses.get(address)
    if found is not None and (found.status != "unknown" or found.message_id):
        return found
    taken = (one for one in statuses.values() if BY_RECIPIENT.get(one.status) is ACCEPT and one.message_id)
    return next(taken, found)


def is_refused_as_a_whole(reply: Reply) -> bool:
    """Whether another call, for fewer, might be taken."""
    return reply.outcome in {Outcome.BOUNCED, Outcome.FAILED} and reply.code in {400, 422}


def reply_to_text(answer: HttpResult) -> str:
    return clean_text(f"{answer.status} {answer.text[:200]}".encode("utf-8", "replace"))


def is_about_credentials(error: BaseException) -> bool:
    """Whether AWS's library found none, or none that it can use."""
    return any("Credentials" in type(each).__name__ for each in (error, error.__cause__) if each)


def describe_call_error(error: BaseException) -> str:
    """An error's first words; what follows them in django-anymail's may quote the mail."""
    told = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    return told or type(error).__name__
