"""A message's bytes, built by our own code, compared with the standard library's EmailMessage."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial

from bench.measure import Options, compare
from delivery.mime.message import Mailbox, MessageContent, build, prepare_message

NOW = datetime(2025, 11, 22, 17, 36, 11, tzinfo=UTC)
MESSAGE_ID = "019aabcd-0000-7000-8000-000000000001@acme.test"
EXTRA = [
    ("List-Unsubscribe", f"<https://t.acme.test/u/{'t' * 86}>"),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
]


def bodies(word: str, size: int) -> tuple[str, str]:
    """HTML and text of `size` characters together, in lines of usual length."""
    html = f'<p style="margin:0 0 16px;color:#333">Hello {word}, your order has left our house today.</p>\n'
    text = f"Hello {word}, your order has left our house today, and will be with you soon.\n"
    return html * (size // 2 // len(html)), text * (size // 2 // len(text))


def by_hand(html: str, text: str) -> bytes:
    return build(content(html, text), EXTRA)


def content(html: str, text: str) -> MessageContent:
    return MessageContent(
        from_=Mailbox(name="Acme Billing", address="billing@acme.test"),
        to=[Mailbox(name="Jane Doe", address="jane@example.test")],
        subject="Your order is on its way",
        date=NOW,
        message_id=MESSAGE_ID,
        html=html,
        text=text,
    )


def by_email_message(html: str, text: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Acme Billing <billing@acme.test>"
    message["To"] = "Jane Doe <jane@example.test>"
    message["Subject"] = "Your order is on its way"
    message["Date"] = format_datetime(NOW)
    message["Message-ID"] = f"<{MESSAGE_ID}>"
    for name, value in EXTRA:
        message[name] = value
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return bytes(message)


def run(_: Options) -> None:
    for title, word, size in [
        ("5 KB, ASCII", "Jane", 5_000),
        ("5 KB, Latin letters with accents", "Jérôme", 5_000),
        ("5 KB, Japanese", "こんにちは世界" * 5, 5_000),
        ("20 KB, ASCII", "Jane", 20_000),
    ]:
        html, text = bodies(word, size)
        prepared = prepare_message(content(html, text))
        compare(
            title,
            "built by hand",
            {
                "built by hand": partial(by_hand, html, text),
                "one more recipient, same HTML": partial(prepared.render, EXTRA),
                "one more recipient, HTML of its own": partial(prepared.render, EXTRA, html=html),
                "EmailMessage": partial(by_email_message, html, text),
            },
        )
