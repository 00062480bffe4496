"""A submitted mail, accepted by the services of `/api/v1`; the reply that its client reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from django.db import Error, close_old_connections

from accounts.idempotency import StoredResponse, find_response, store_once
from accounts.metering.permits import Permit
from accounts.metering.wrong_keys import wrong_keys
from accounts.models import ApiKey, Project
from accounts.permissions import MissingScopeError
from accounts.scopes import EMAILS_SEND
from accounts.services import InvalidKeyError, authenticate_token
from common.addresses import Address
from common.client_ip import parse_ip
from common.errors import ApiError
from common.problems import to_api_error
from gateways.mime.mail_keys import make_ticket
from gateways.mime.reading import read_mail_request
from gateways.smtp.replies import write_reply
from ledger.telemetry.families import LIMITS_HIT
from messages import services
from messages.accepting.admission import Admission
from messages.models import Message

# The user of every project; its own name is one, too.
USER = "emailsvc"
# Method and path in the fingerprint of an idempotency key: a key serves one way in.
METHOD, PATH = "SMTP", "DATA"


class UnknownUserError(InvalidKeyError):
    """The user is emailsvc or the name of the key's project, and the password an API key."""

    code = "unknown_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a client logged in with; checked again for each mail, since keys are revoked and expire."""

    user: str
    password: str = field(repr=False)
    peer_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One mail as it came."""

    login: Login
    content: bytes = field(repr=False)
    recipients: Sequence[Address]


def find_key(login: Login) -> ApiKey:
    """The key, which may send. Raises the ApiError of a wrong one, or MissingScopeError."""
    key = authenticate_token(login.password, parse_ip(login.peer_address))
    if not key.has_scope(EMAILS_SEND):
        raise MissingScopeError(scope=EMAILS_SEND)
    if not is_user(login.user, key.owner):
        raise UnknownUserError
    return key


def find_noted_key(login: Login) -> ApiKey:
    """As `find_key`; wrong keys are counted by address, and are refused for a while beyond a number."""
    try:
        return find_key(login)
    except InvalidKeyError:
        wrong_keys.note(parse_ip(login.peer_address))
        raise


def is_user(name: str, project: Project) -> bool:
    return name.casefold() in {USER, project.name.casefold()}


def check_login(login: Login) -> str:
    """The reply that refuses the login, or nothing."""
    close_old_connections()
    try:
        find_noted_key(login)
    except (ApiError, Error) as error:
        return write_reply(to_api_error(error))
    return ""


def accept_mail(submission: Submission) -> str:
    """Accept one mail; the reply. 250 follows the commit, and has the id of the email."""
    close_old_connections()
    try:
        email_id = store_mail(find_key(submission.login), submission)
    except (ApiError, Error) as error:
        refusal = to_api_error(error)
        if refusal.status is HTTPStatus.TOO_MANY_REQUESTS:
            LIMITS_HIT.add(refusal.code)
        return write_reply(refusal)
    return f"250 2.0.0 Accepted as {email_id}"


def store_mail(key: ApiKey, submission: Submission) -> str:
    """Store a mail within the limits of the key and its project; its id."""
    permit = Permit.ask(key, messages=1)
    accepted = 0
    try:
        stored = store_within(permit, key, submission)
        accepted = 0 if stored.is_replayed else 1
    finally:
        permit.settle(accepted)
    return str(stored.body["id"])


def store_within(permit: Permit, key: ApiKey, submission: Submission) -> StoredResponse:
    """Read, check and store a mail. One that is sent again under its idempotency key gets the first one's answer."""
    mail = read_mail_request(submission.content, submission.recipients)
    ticket = make_ticket(key, mail, METHOD, PATH)
    try:
        if permit.error:
            raise permit.error
        prepared = services.upload_and_prepare(key, [Admission(key).admit(mail.draft, mail.errors)])
    except ApiError:
        stored = find_response(ticket)
        if stored is None:
            raise
        return stored
    return store_once(ticket, lambda ticket: prepared.store_and_respond(show_id, ticket))


def show_id(messages: Sequence[Message]) -> StoredResponse:
    return StoredResponse(status=HTTPStatus.ACCEPTED, body={"id": str(messages[0].pk)})
