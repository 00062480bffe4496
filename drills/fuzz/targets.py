"""What is fuzzed: each reader of what strangers send, by name, with the errors that it documents.

A reader takes the bytes of one input. Whatever it raises beside `documented` is a finding, and so is what `bounds`
finds out of bounds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.errors import ApiError
from drills.fuzz.esps import hear_esp_answer
from drills.fuzz.logins import hear_relay_with_login, hear_submission
from drills.fuzz.mail_readers import read_any_mail, read_any_report, read_any_request
from drills.fuzz.page_readers import read_any_html, read_any_links
from drills.fuzz.servers import hear_http_answer, hear_smtp_client, hear_smtp_server
from drills.fuzz.small_readers import read_any_event, read_any_json, read_any_return_path, read_any_token


@dataclass(frozen=True, kw_only=True)
class Target:
    """`read` reads one input. `documented` are the errors that it may raise."""

    read: Callable[[bytes], object]
    about: str
    documented: tuple[type[Exception], ...] = ()


TARGETS: Mapping[str, Target] = {
    "reports": Target(read=read_any_report, about="bounces, complaints and receipts that come back"),
    "mime": Target(read=read_any_mail, about="the parts of a stranger's mail"),
    "mime-requests": Target(read=read_any_request, about="mail that is submitted as MIME", documented=(ApiError,)),
    "html": Target(read=read_any_html, about="tags, plain text, previews and content ids of HTML"),
    "links": Target(read=read_any_links, about="links to track, and their places"),
    "smtp-server": Target(read=hear_smtp_client, about="what a client says to a server of ours"),
    "smtp-client": Target(read=hear_smtp_server, about="what a server says to our client"),
    "smtp-login": Target(read=hear_relay_with_login, about="what a relay says to our client that logs in"),
    "submission": Target(read=hear_submission, about="what a client says that submits mail with an API key"),
    "return-paths": Target(read=read_any_return_path, about="return paths and unsubscribe addresses"),
    "tokens": Target(read=read_any_token, about="tokens of opens, clicks and unsubscribes"),
    "esp-events": Target(read=read_any_event, about="event webhooks of ESPs"),
    "esp-answers": Target(read=hear_esp_answer, about="what the API of an ESP answers to a mail"),
    "webhook-answers": Target(read=hear_http_answer, about="what an endpoint answers to a webhook"),
    "json": Target(read=read_any_json, about="JSON bodies of the API", documented=(ApiError,)),
}
