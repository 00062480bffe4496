"""Composed mails at random, read by several programs: each reads what was given.

Some dozens are read by the standard library here. For more, and for two readers of JavaScript:

    EMAILSVC_FUZZ_MAILS=2000 EMAILSVC_MAIL_READERS=FOLDER ./run test tests/delivery/mime/test_readers.py

The folder has `node_modules` with mailparser and postal-mime.
"""

import json
import os
import re
import subprocess
from base64 import b64encode
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from delivery.html.plaintext import text_from_html
from delivery.mime.attachments import Attachment, declare_type, list_inline_ids
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent, build
from tests.esp_reading import Seen, SeenFile, read_mime
from tests.mail_fuzz import build_mail
from tests.needs import find_program

COUNT = int(os.environ.get("EMAILSVC_FUZZ_MAILS", "40"))
READERS = os.environ.get("EMAILSVC_MAIL_READERS", "")
SCRIPT = Path(__file__).with_name("mail_readers.mjs")
ENDS = re.compile(r"\r\n|\r|\n")


def list_mails() -> list[tuple[int, MessageContent, bytes]]:
    return [(seed, mail, build(mail)) for seed, mail in ((seed, build_mail(seed)) for seed in range(COUNT))]


def in_mail(text: str | None) -> str:
    return ENDS.sub("\r\n", text or "")


def expect(mail: MessageContent) -> Seen:
    shown = list_inline_ids(mail.attachments, mail.html)
    files = [
        SeenFile(
            name=each.filename,
            type=str(declare_type(each)),
            content=each.content,
            shown_as=each.content_id if each.content_id in shown else "",
        )
        for each in mail.attachments
    ]
    calendars = [each for each in mail.attachments if each.content_type.startswith("text/calendar")]
    return Seen(
        from_=list_pairs([mail.from_]),
        to=list_pairs(mail.to),
        cc=list_pairs(mail.cc),
        reply_to=list_pairs(mail.reply_to),
        subject=mail.subject,
        text=in_mail(text_from_html(mail.html or "") if mail.text is None else mail.text),
        html=in_mail(mail.html),
        headers=list(mail.headers),
        files=sorted(files, key=lambda each: not each.shown_as),
        invitation=("REQUEST", calendars[0].content.decode()) if calendars else None,
    )


def list_pairs(mailboxes: Any) -> list[tuple[str, str]]:
    return [(each.name, each.address) for each in mailboxes]


def test_the_standard_library_reads_what_was_given() -> None:
    for seed, mail, data in list_mails():
        strict = message_from_bytes(data, policy=policy.SMTP)
        for part in strict.walk():
            assert not part.defects, seed
            assert not any(value.defects for value in part.values()), seed
        assert max(map(len, data.split(b"\r\n"))) <= 998, seed
        assert not data.replace(b"\r\n", b"").translate(None, bytes(set(range(256)) - {10, 13})), seed
        expected, seen = expect(mail), read_mime(data)
        # Only the names of headers: phrases are in other forms there.
        assert [name for name, _ in seen.headers] == [name for name, _ in expected.headers], seed
        assert ignore_cases(replace(seen, headers=[])) == ignore_cases(replace(expected, headers=[])), seed


def ignore_cases(seen: Seen) -> Seen:
    """Types without quotes and case."""
    files = [replace(each, type=each.type.lower().replace('"', "")) for each in seen.files]
    return replace(seen, files=files)


@pytest.mark.skipif(
    not READERS or find_program("node") is None,
    reason="needs node, and mailparser and postal-mime in the folder that EMAILSVC_MAIL_READERS names",
)
def test_other_readers_read_what_was_given() -> None:
    mails = list_mails()
    lines = "\n".join(b64encode(data).decode() for _, _, data in mails)
    command = ["node", str(SCRIPT), str(Path(READERS).resolve())]
    ran = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(told) == len(mails)
    wrong = [
        (seed, reader, field)
        for (seed, mail, _), each in zip(mails, told, strict=True)
        for reader, seen in each.items()
        for field in list_differences(mail, seen, reader)
    ]
    assert not wrong, wrong[:20]


def list_differences(mail: MessageContent, seen: dict[str, Any], reader: str) -> list[str]:
    """The fields in which a reader differs, after its own habits are taken off."""
    boxes = {"from": [mail.from_], "to": mail.to, "cc": mail.cc, "replyTo": mail.reply_to}
    expected: dict[str, Any] = {name: [show(each, reader) for each in value] for name, value in boxes.items()}
    ids = dict(mail.headers)
    expected |= {
        "subject": mail.subject,
        "text": expect(mail).text,
        "html": in_mail(mail.html),
        "inReplyTo": ids.get("In-Reply-To", ""),
        "references": ids.get("References", "").split(" ") if "References" in ids else [],
        "messageId": f"<{mail.message_id}>",
        "files": [show_file(each, mail) for each in sort_files(mail)],
        "names": [name for name, _ in mail.headers],
    }
    seen = dict(seen)
    for name in boxes:
        seen[name] = [[display, address.replace('"', "")] for display, address in seen[name]]
    seen["names"] = [name for name in seen["names"] if name in ids]
    # The invitation beside the text has no name.
    seen["files"] = [fold_ends(each) for each in seen["files"] if each[0]]
    for part in ("text", "html"):
        # Both readers drop the last line end, or add one.
        seen[part], expected[part] = in_mail(seen[part]).rstrip("\r\n"), expected[part].rstrip("\r\n")
    return [name for name, value in expected.items() if seen[name] != value]


def show(mailbox: Mailbox, reader: str) -> list[str]:
    # The readers show a local part without its quotes, some of them always and some only beside no name.
    address = mailbox.address.replace('"', "")
    return [mailbox.name, address.replace("xn--bcher-kva", "bücher") if reader == "mailparser" else address]


def sort_files(mail: MessageContent) -> list[Attachment]:
    shown = list_inline_ids(mail.attachments, mail.html)
    return sorted(mail.attachments, key=lambda each: each.content_id not in shown)


def show_file(file: Attachment, mail: MessageContent) -> list[str]:
    is_inline = file.content_id in list_inline_ids(mail.attachments, mail.html)
    kind = declare_type(file).media_type
    shown_as = "inline" if is_inline else "attachment"
    return fold_ends([file.filename, kind, file.content.hex(), file.content_id, shown_as])


def fold_ends(told: list[str]) -> list[str]:
    """postal-mime gives calendars and mails with line ends of its own, and one more or less at the end."""
    name, kind, content, *rest = told
    if kind in {"text/calendar", "message/rfc822"}:
        content = bytes.fromhex(content).replace(b"\r\n", b"\n").rstrip(b"\n").hex()
    return [name, kind, content, *rest]
