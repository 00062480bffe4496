"""Each ESP of the table from outside: its settings, and its response to an accepted mail."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import getaddresses
from typing import Any

from providers.esp.catalog import ESPS
from tests.esp_server import Call, Reply


@dataclass(frozen=True, kw_only=True)
class Case:
    """`taken` is the answer to a good call, `remote_id` the name that it gives the mail, None where it is ours to make
    up. `read_addresses` finds in a call who gets the mail, `read_metadata` what our ids came as.
    """

    name: str
    settings: Mapping[str, str]
    taken: Reply
    remote_id: str | None
    path: str
    key: tuple[str, str]
    read_addresses: Callable[[Call], list[str]]
    read_metadata: Callable[[Call], Mapping[str, Any] | None]
    extra: Mapping[str, str] = field(default_factory=dict)

    def url(self, api_url: str, **more: str) -> dict[str, str]:
        """All settings of a row."""
        return {"esp": self.name, **self.settings, **self.extra, "api_url": api_url, **more}


def split(text: str) -> list[str]:
    return [address for _, address in getaddresses([text]) if address]


def read_objects(call: Call, key: str, *names: str) -> list[str]:
    return [one[key] for name in names for one in call.json.get(name, [])]


MAILJET_TAKEN = {
    "Messages": [{"Status": "success", "To": [{"Email": "one@rcpt.test", "MessageID": 70650219165027410}]}]
}


def read_mailjet(call: Call) -> list[str]:
    message = {**call.json.get("Globals", {}), **call.json["Messages"][0]}
    return [one["Email"] for name in ("To", "Cc", "Bcc") for one in message.get(name, [])]


def read_sendgrid(call: Call) -> list[str]:
    (one,) = call.json["personalizations"]
    return [each["email"] for name in ("to", "cc", "bcc") for each in one.get(name, [])]


def read_ses(call: Call) -> list[str]:
    return [address for name in ("To", "Cc", "Bcc") for address in call.json["Destination"].get(f"{name}Addresses", [])]


CASES = {
    case.name: case
    for case in (
        Case(
            name="brevo",
            settings={"api_key": "key-1"},
            taken=Reply(201, {"messageId": "<201798300811.5787683@smtp-relay.test>"}),
            remote_id="<201798300811.5787683@smtp-relay.test>",
            path="/smtp/email",
            key=("api-key", "key-1"),
            read_addresses=lambda call: read_objects(call, "email", "to", "cc", "bcc"),
            read_metadata=lambda call: json.loads(call.json["headers"]["X-Mailin-custom"]),
        ),
        Case(
            name="mailersend",
            settings={"api_token": "token-1"},
            taken=Reply(202, b"", {"Content-Type": "text/html", "X-Message-Id": "5e42957d51f1d94a1070a733"}),
            remote_id="5e42957d51f1d94a1070a733",
            path="/email",
            key=("authorization", "Bearer token-1"),
            read_addresses=lambda call: read_objects(call, "email", "to", "cc", "bcc"),
            read_metadata=lambda call: None,
        ),
        Case(
            name="mailgun",
            settings={"api_key": "key-1"},
            taken=Reply(
                200, {"id": "<20111114174239.25659.5817@samples.mailgun.test>", "message": "Queued. Thank you."}
            ),
            remote_id="<20111114174239.25659.5817@samples.mailgun.test>",
            path="/mine.test/messages.mime",
            key=("authorization", "Basic YXBpOmtleS0x"),
            read_addresses=lambda call: [address.decode() for address in call.form["to"]],
            read_metadata=lambda call: {
                name.removeprefix("v:"): value[0].decode() for name, value in call.form.items() if name.startswith("v:")
            },
        ),
        Case(
            name="mailjet",
            settings={"api_key": "user", "secret_key": "pass"},
            taken=Reply(200, MAILJET_TAKEN),
            remote_id="70650219165027410",
            path="/send",
            key=("authorization", "Basic dXNlcjpwYXNz"),
            read_addresses=read_mailjet,
            read_metadata=lambda call: json.loads(call.json["Globals"]["EventPayload"]),
        ),
        Case(
            name="postmark",
            settings={"server_token": "token-1"},
            taken=Reply(
                200,
                {
                    "ErrorCode": 0,
                    "Message": "OK",
                    "MessageID": "0a129aee-e1cd-480d-b08d-4f48548ff48d",
                    "To": "one@rcpt.test",
                },
            ),
            remote_id="0a129aee-e1cd-480d-b08d-4f48548ff48d",
            path="/email",
            key=("x-postmark-server-token", "token-1"),
            read_addresses=lambda call: [one for name in ("To", "Cc", "Bcc") for one in split(call.json.get(name, ""))],
            read_metadata=lambda call: call.json["Metadata"],
        ),
        Case(
            name="resend",
            settings={"api_key": "re_1"},
            taken=Reply(200, {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}),
            remote_id="49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
            path="/emails",
            key=("authorization", "Bearer re_1"),
            read_addresses=lambda call: [
                *(address for name in ("to", "cc", "bcc") for one in call.json.get(name, []) for address in split(one))
            ],
            read_metadata=lambda call: json.loads(call.json["headers"]["X-Metadata"]),
        ),
        Case(
            name="sendgrid",
            settings={"api_key": "SG.1"},
            taken=Reply(202, b""),
            remote_id=None,
            path="/mail/send",
            key=("authorization", "Bearer SG.1"),
            read_addresses=read_sendgrid,
            read_metadata=lambda call: call.json["custom_args"],
        ),
        Case(
            name="ses",
            settings={"region_name": "eu-west-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "x"},
            taken=Reply(200, {"MessageId": "010001a-00000000-0000-0000-0000-000000000000-000000"}),
            remote_id="010001a-00000000-0000-0000-0000-000000000000-000000",
            path="/v2/email/outbound-emails",
            key=("authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE"),
            read_addresses=read_ses,
            read_metadata=lambda call: {tag["Name"]: tag["Value"] for tag in call.json["EmailTags"]},
        ),
        Case(
            name="sparkpost",
            settings={"api_key": "key-1"},
            taken=Reply(
                200,
                {
                    "results": {
                        "id": "11668787484950529",
                        "total_accepted_recipients": 1,
                        "total_rejected_recipients": 0,
                    }
                },
            ),
            remote_id="11668787484950529",
            path="/transmissions/",
            key=("authorization", "key-1"),
            read_addresses=lambda call: [one["address"]["email"] for one in call.json["recipients"]],
            read_metadata=lambda call: call.json["metadata"],
        ),
    )
}
assert CASES.keys() == ESPS.keys(), "every ESP of the table is tried"
