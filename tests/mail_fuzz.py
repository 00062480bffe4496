"""Mails made at random, by a seed: all kinds of names, headers, bodies and files together."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from delivery.mime.attachments import Attachment
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent
from delivery.mime.syntax import read_header

WORDS = [
    *("Hello", "order", "Grüße", "Käse", "日本語", "こんにちは世界", "привет", "ไทย", "Việt", "مرحبا", "naïve"),
    *("\U0001f469\U0001f3fd\u200d\U0001f4bb", "\U0001f3f3\ufe0f\u200d\U0001f308", "e\u0301", "\u00a0"),
    *("a@b", "x=y", "=?utf-8?q?x?=", "--=_x", "From", ".", "..", '"quoted"', "back\\slash", "(comment)", "<tag>"),
    *("semi;colon", "com,ma", "co:lon", "'single'", "100%", "long" * 30, "ü" * 60),
]
ATOMS = ["jo", "ann.b", "x+tag", "o'neil", "a_b", "UPPER", '"a..b"', '"two words"']
DOMAINS = ["rcpt.test", "xn--bcher-kva.test", "a.very.long.name.of.a.domain.rcpt.test"]
FILES = [
    ("report.pdf", "application/pdf"),
    ("Grüße & Küsse.txt", "text/plain"),
    ("請求書 2026.csv", "text/csv; header=present"),
    ("latin.txt", "text/plain; charset=iso-8859-1"),
    ("image.png", "image/png"),
    ("a;b=c.bin", "application/octet-stream"),
    ("it's 100%.json", "application/json"),
    ("x" * 200 + ".dat", "application/x-thing; a=b"),
    ("ü" * 100 + ".dat", 'application/x-thing; a="b c"'),
    ("smime.p7m", "application/pkcs7-mime; smime-type=signed-data"),
    ("mail.eml", "message/rfc822"),
    ("invite.ics", "text/calendar; method=REQUEST"),
]


def build_mail(seed: int) -> MessageContent:
    """The mail of this number, always the same."""
    random = Random(seed)
    html = build_html(random) if random.random() < 0.7 else None
    text = build_text(random) if html is None or random.random() < 0.8 else None
    return MessageContent(
        from_=build_mailbox(random),
        to=[build_mailbox(random) for _ in range(random.randint(1, 4))],
        cc=[build_mailbox(random) for _ in range(random.choice((0, 0, 1, 5)))],
        reply_to=[build_mailbox(random) for _ in range(random.choice((0, 0, 1, 2)))],
        subject=build_line(random, 12),
        date=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seed),
        message_id=f"{seed:08}-0000-7000-8000-000000000001@mine.test",
        html=html,
        text=text,
        headers=build_headers(random),
        attachments=build_files(random, html),
    )


def build_line(random: Random, most: int) -> str:
    words = [random.choice(WORDS) for _ in range(random.randint(1, most))]
    return random.choice((" ", " ", " ", "  ", "")).join(words).strip()[:250].strip() or "x"


def build_mailbox(random: Random) -> Mailbox:
    name = "" if random.random() < 0.2 else build_line(random, 8)
    return Mailbox(name=name, address=f"{random.choice(ATOMS)}@{random.choice(DOMAINS)}")


def build_text(random: Random) -> str:
    ends = random.choice(("\n", "\n", "\r\n"))
    lines = [build_line(random, 20) + random.choice(("", "", " ", "\t")) for _ in range(random.randint(1, 30))]
    return ends.join([*lines, *random.choice(([], [""], [".", ""], ["From here", ""]))])


def build_html(random: Random) -> str:
    paragraphs = build_text(random).replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>\n")
    shown = random.choice(("", "<img src='cid:logo@a'>", '<p style="background: url(CID:logo%40a)">', "cid:logo@a"))
    return f"<html><body><p>{paragraphs}</p>{shown}</body></html>"


def build_headers(random: Random) -> Sequence[tuple[str, str]]:
    ids = [
        f"<{random.randrange(10**12)}.{'x' * random.randint(1, 60)}@mail.test>" for _ in range(random.randint(1, 60))
    ]
    every = [
        ("X-Order", build_line(random, 12)),
        ("X-Long", "word " * 60 + "end"),
        ("In-Reply-To", f" {ids[0]}"),
        ("References", " ".join(ids)),
        ("List-Id", f'"{build_line(random, 3).replace(chr(92), "").replace(chr(34), "")}" <orders.mine.test>'),
        ("List-Unsubscribe", f"<https://mine.test/u/{'t' * random.randint(1, 200)}>, <mailto:u@mine.test>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("Auto-Submitted", "auto-generated"),
        ("Disposition-Notification-To", "Jürgen Groß <j@mine.test>"),
    ]
    chosen = random.sample(every, random.randint(0, len(every)))
    return [(name, read_header(name, value)) for name, value in chosen]


def build_files(random: Random, html: str | None) -> Sequence[Attachment]:
    files = [build_file(random, *each) for each in random.sample(FILES, random.choice((0, 0, 1, 2, 4)))]
    if html and "logo" in html:
        files.append(
            Attachment(filename="logo.png", content_type="image/png", content=b"\x89PNG" * 9, content_id="logo@a")
        )
    return files


def build_file(random: Random, name: str, kind: str) -> Attachment:
    match kind.partition(";")[0]:
        case "message/rfc822":
            body = random.choice(("hi", "grüß")).encode()
            content = b"From: a@mine.test\r\nSubject: inner\r\nMIME-Version: 1.0\r\n" + (
                b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body + b"\r\n"
            )
        case "text/calendar":
            content = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n".encode()
        case "text/plain" | "text/csv":
            charset = "iso-8859-1" if "iso" in kind else "utf-8"
            content = "Käse;1\n".encode(charset) * random.randint(0, 30)
        case _:
            content = random.randbytes(random.choice((0, 1, 57, 58, 3_000)))
    return Attachment(filename=name, content_type=kind, content=content)
