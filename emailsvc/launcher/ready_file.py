"""The service's addresses and first credentials, for users and programs: the banner and `<data>/ready.json`."""

import json
import shlex
from dataclasses import asdict, dataclass

FILE_NAME = "ready.json"
# Who the first project's mail is from, unless it says otherwise. The domain is one that is reserved for tests.
DEMO_SENDER = "Demo <demo@example.test>"


@dataclass(frozen=True, kw_only=True)
class ReadyFile:
    """The fields of `ready.json`. `admin_password` is None once it was changed in the admin.

    `submission_port` offers STARTTLS, `submission_tls_port` begins with TLS; clients check both by the file
    `submission_certificate`. `metrics_token` is None where `metrics_url` needs none.
    """

    url: str
    admin_url: str
    admin_user: str
    admin_password: str | None
    api_key: str
    inbox_url: str
    smtp_host: str
    smtp_port: int
    report_host: str
    report_port: int
    submission_host: str
    submission_port: int
    submission_tls_port: int
    submission_certificate: str
    metrics_url: str
    metrics_token: str | None


def ready_content(ready: ReadyFile) -> dict[str, object]:
    return asdict(ready)


def build_curl(ready: ReadyFile) -> str:
    """One shell command that sends a first email."""
    email = {"from_": DEMO_SENDER, "to": "you@example.test", "subject": "Hello", "text": "It works."}
    words = (
        "curl",
        "-i",
        f"{ready.url}/api/v1/emails",
        "-H",
        f"Authorization: Bearer {ready.api_key}",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(email),
    )
    return shlex.join(words)


def build_banner(ready: ReadyFile) -> str:
    """The lines for the terminal."""
    password = ready.admin_password or "(as you changed it)"
    return f"""
emailsvc is ready.

  URL       {ready.url}
  Inbox     {ready.inbox_url}
  Admin     {ready.admin_url}   {ready.admin_user} / {password}
  API key   {ready.api_key}
  SMTP      {ready.smtp_host}:{ready.smtp_port} (the inbox: stores mail and delivers nothing)
  Submit    {ready.submission_host}:{ready.submission_port} (sends, by SMTP; user emailsvc, password: the API key)
  Reports   {ready.report_host}:{ready.report_port} (receives bounces and complaints)

Send a first email, then look at it in the inbox:

  {build_curl(ready)}

Ctrl-C stops everything; the data stays.
"""
