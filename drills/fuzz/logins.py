"""SMTP with credentials: a stranger's bytes as a relay that our client logs in to, and as a client that submits."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from common.errors import ApiError, InvalidFieldsError
from delivery.envelope import Stage
from delivery.smtp.config import SmtpConfig
from delivery.smtp.server import SmtpServer
from drills.fuzz.servers import LIMITS, ONE, REPLY_LINE, SHORT, converse_with_client, converse_with_server
from emailsvc.launcher.ports import LOOPBACK
from gateways.mime.reading import read_mail_request
from gateways.smtp.accepting import Login, Submission, check_login
from gateways.smtp.replies import write_reply
from gateways.smtp.server import MANNER, SubmissionConversation, SubmissionServer

USER, PASSWORD = "emailsvc", "a-long-password"
# The relay has not heard the password yet. Inputs may hold it all the same.
BEFORE_LOGIN = {Stage.CONNECT, Stage.GREETING, Stage.EHLO}


def hear_relay_with_login(data: bytes) -> None:
    """A log-in ends with one reply for the mail, which does not show the password, whatever the relay says."""
    build = partial(SmtpConfig, host=LOOPBACK, username=USER, password=PASSWORD, timeouts=SHORT)
    replies = asyncio.run(converse_with_client(data, build))
    assert [recipient for recipient, _ in replies] == [ONE], "the mail has no reply, or several"
    for _, reply in replies:
        assert reply.text.isprintable(), "a reply has control characters"
        assert reply.stage in BEFORE_LOGIN or PASSWORD not in reply.text, "a reply shows the password"


class FuzzedSubmission(SubmissionServer):
    """The submission server on a line that has TLS, with one good password and without a database."""

    def __init__(self) -> None:
        # Not the threads for the database.
        SmtpServer.__init__(self, MANNER, LIMITS, host_name="ours.test")
        self.failures: list[Exception] = []
        self.taken: list[Submission] = []

    def build_conversation(self) -> SubmissionConversation:
        return self.build_secure_conversation()

    def note_failure(self, error: Exception) -> None:
        self.failures.append(error)

    async def run_apart(self, work: Callable[[], str]) -> str:
        assert isinstance(work, partial)
        [subject] = work.args
        if work.func is check_login:
            return judge_login(subject)
        self.taken.append(subject)
        return judge_mail(subject)


def judge_login(login: Login) -> str:
    return "" if login.password == PASSWORD else "535 5.7.8 No such key"


def judge_mail(submission: Submission) -> str:
    """The reply to a mail, as if all that only the database knows were in order."""
    try:
        errors = read_mail_request(submission.content, submission.recipients).errors
    except ApiError as error:
        return write_reply(error)
    return write_reply(InvalidFieldsError(errors)) if errors else "250 2.0.0 Accepted"


def hear_submission(data: bytes) -> None:
    """Clients get replies and nothing else; mail is taken from those alone that have logged in."""
    server = FuzzedSubmission()
    said = asyncio.run(converse_with_server(server, data))
    if server.failures:
        raise server.failures[0]
    lines: Sequence[bytes] = said.split(b"\r\n")[:-1]
    for line in lines:
        assert REPLY_LINE.fullmatch(line), f"no reply: {line!r}"
    assert not server.taken or b"235 2.7.0 Authentication successful" in lines, "mail without a login"
