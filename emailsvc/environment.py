"""Every setting read from the environment, typed and with its default: the one table of configuration.

A wrong value stops the process at start and names the variable. An empty variable counts as unset. docs/settings.md
prints this table; a test compares the two.
"""

import sys
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from delivery.mime.headers import NAME
from delivery.optional import EXTRAS, is_installed
from emailsvc.observability_settings import ObservabilitySettings
from emailsvc.setting_types import Limit, Networks, Seconds, SecondsList, TimeLimits, Words, build_limits
from emailsvc.sign_in_settings import SignInSettings


def has_s3(storages: str) -> bool:
    """Whether ATTACHMENT_STORAGE names S3."""
    return "s3" in {name.strip() for name in storages.split(",")}


class Environment(SignInSettings, ObservabilitySettings, BaseSettings):
    """The environment, read once at start."""

    model_config = SettingsConfigDict(env_ignore_empty=True, case_sensitive=True, frozen=True, extra="ignore")

    DATABASE_URL: str = Field(description="PostgreSQL 15 or newer, as a libpq URL. `./run` uses the embedded server.")
    DATABASE_WEB_SECONDS: TimeLimits = Field(
        default=build_limits(5, 30, 30),
        description="Limits of web requests in the database: wait for a lock, one statement, idle in a transaction; "
        "0 is none.",
    )
    DATABASE_SENDING_SECONDS: TimeLimits = Field(
        default=build_limits(5, 60, 60), description="The same for workers that claim mail and record its outcome."
    )
    DATABASE_TICK_SECONDS: TimeLimits = Field(
        default=build_limits(2, 60, 60), description="The same for ticks of beat and of the workers' timers."
    )
    DATABASE_COMMAND_SECONDS: TimeLimits = Field(
        default=build_limits(60, 0, 600), description="The same for commands, migrations and periodic clean-ups."
    )
    REDIS_URL: str = Field(
        description="Redis or Valkey: `redis://…`, `rediss://…` or `unix://…`. `./run` uses the embedded server."
    )
    SECRET_KEY: str = Field(min_length=32, description="Signs sessions and tracking tokens. `./run` generates one.")
    SECRET_KEY_FALLBACKS: Words = Field(
        default=[],
        description="Earlier values of SECRET_KEY, newest first: links and return paths in sent mail keep working.",
    )
    ENCRYPTION_KEYS: Words = Field(
        min_length=1, description="Fernet keys that encrypt stored secrets, newest first. `./run` generates one."
    )
    BROKER_URL: str = Field(default="", description="Celery's broker if it is not Redis: `amqp://…` or `amqps://…`.")
    PUBLIC_URL: str = Field(
        default="http://127.0.0.1:8000",
        description="Public URL of this service, used in links in mail; without a path.",
    )
    SERVICE_RUN_ID: str = Field(
        default="",
        description="Identifier that servers repeat in `/readyz` and in SMTP greetings, so that their starter "
        "recognises them. `./run` makes one for each run.",
    )
    ALLOWED_HOSTS: Words = Field(default=[], description="Host names accepted in addition to the one in PUBLIC_URL.")
    PROVIDER_URL: str = Field(
        default="",
        description="URL of the shared provider: `smtp://user:password@host:587`, `smtps://…`, `mx:` for direct "
        "delivery, `esp://postmark?server_token=…`, `inbox://127.0.0.1:2525`. "
        "`./run` uses the embedded inbox.",
    )
    TRUSTED_SENDER_DOMAINS: Words = Field(
        default=[], description="Sender domains accepted without verification, for smarthosts; `*` for all."
    )
    TRUSTED_PROXIES: Networks = Field(
        default=[], description="Networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted."
    )
    WEB_CONNECTIONS_PER_PEER: int = Field(
        default=50,
        ge=1,
        description="Connections that one address (of IPv6: one /64) may have open in each web process; "
        "TRUSTED_PROXIES may have more.",
    )
    WEB_BYTES_IN_FLIGHT_MIB: int = Field(
        default=256,
        ge=128,
        description="MiB of large requests and answers under way in each web process, in temporary files. A project "
        "has at most half of it.",
    )
    CONTENT_CPU_SECONDS: Seconds = Field(
        default=timedelta(seconds=20),
        description="Processor time of one project's templates, and of text made from its HTML, in a minute in each "
        "web process. A request beyond it is 429.",
    )
    REPORT_CONNECTIONS_PER_PEER: int = Field(
        default=20, ge=1, description="Connections that one address may have open to `run_report_listener`, of 100."
    )
    REPORT_DOMAIN: str = Field(
        default="",
        description="Domain whose mail is routed to `run_report_listener`. It is the return path of sending domains "
        "that have no return path of their own.",
    )
    SUBMISSION_CONNECTIONS_PER_PEER: int = Field(
        default=50, ge=1, description="Connections that one address may have open to `run_submission`, of 500."
    )
    SUBMISSION_ADDRESS: str = Field(
        default="",
        description="Where `run_submission` takes STARTTLS, `host:port`: `/healthz?full` asks it there. Empty if it "
        "does not run.",
    )
    MAIL_ID_HEADER: str = Field(
        default="X-Emailsvc-Id",
        description="Name of the header that identifies each mail in returned headers. Bounces and complaints of mail "
        "that was sent under another name are not recognised by it.",
    )
    LIST_ID: bool = Field(
        default=True, description="Writes `List-Id: <STREAM.SENDER-DOMAIN>` (RFC 2919) on mail that offers an opt-out."
    )
    FEEDBACK_ID: bool = Field(
        default=True,
        description="Writes a `Feedback-ID` with words for the stream, the project and the installation, by which "
        "Gmail reports complaints.",
    )
    NOTICE_FROM: str = Field(
        default="",
        description="Sender of notices to projects' contacts, `Mail service <mail@example.com>`; its domain needs no "
        "verification. Default: the project's own default sender.",
    )
    DNS_SERVERS: Words = Field(
        default=[], description="Name servers to query, `address` or `address:port`. Default: the machine's own."
    )
    MX_ALLOWED_NETWORKS: Networks = Field(
        default=[],
        description="Private networks in which direct delivery (`mx:`) may connect to mail exchangers.",
    )
    PROVIDER_ALLOWED_NETWORKS: Networks = Field(
        default=[],
        description="Private networks in which providers created by the API may be. `./run` allows loopback; `none` "
        "forbids it. Providers from PROVIDER_URL, commands and the admin may be in any network.",
    )
    SMTP_CONVERSATIONS: int = Field(
        default=20,
        ge=1,
        le=200,
        description="Maximum number of SMTP connections from one worker child to one provider.",
    )
    DELIVER_LIMIT_MIB: int = Field(
        default=48,
        ge=1,
        le=4096,
        description="Size of the large mails (over 64 KiB) that one worker child has on their way at once, in MiB. "
        "One mail goes whatever its size.",
    )
    DELIVER_SECONDS: Seconds = Field(
        default=timedelta(seconds=2), description="Time for which one delivery task claims due mail before it ends."
    )
    LEASE_SECONDS: Seconds = Field(default=timedelta(seconds=60), description="Duration of a lease without renewal.")
    HEARTBEAT_SECONDS: Seconds = Field(
        default=timedelta(seconds=15), description="Interval at which leases are renewed."
    )
    TICK_SECONDS: Seconds = Field(
        default=timedelta(seconds=1), description="Interval at which each worker looks for due mail and lost leases."
    )
    RETRY_SECONDS: SecondsList = Field(
        default=[timedelta(seconds=s) for s in (60, 300, 900, 1800, 3600, 7200, 14400, 28800)],
        description="Delays between attempts, ±20 %; the last one repeats.",
    )
    UNCERTAIN_SECONDS: Seconds = Field(
        default=timedelta(seconds=600),
        description="Time for which an uncertain attempt waits for feedback before a retry.",
    )
    EXPIRY_SECONDS: Seconds = Field(
        default=timedelta(hours=48), description="Time after which mail without `expires_at` expires."
    )
    NEW_PROJECT_MESSAGES_PER_DAY: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Number of messages that a new project may send on its first day; twice as many on each day after, "
        "until the 20th. Mail above it waits. 0: no cap. Never for the project of `./run`.",
    )
    SUPPRESSION_WAVE_ADDRESSES: int = Field(
        default=50,
        ge=1,
        description="Number of addresses from which on refusals with the same words suppress nobody by themselves.",
    )
    SUPPRESSION_WAVE_DOMAINS: int = Field(
        default=3, ge=1, description="Number of recipient domains that such refusals have at least."
    )
    SUPPRESSION_WAVE_SECONDS: Seconds = Field(
        default=timedelta(seconds=600), description="Time within which such refusals are counted together."
    )
    WEBHOOK_ALLOWED_NETWORKS: Networks = Field(
        default=[],
        description="Private networks that webhooks may be posted to, `10.1.0.0/16,127.0.0.1/32`: for receivers on "
        "premises. `./run` opens loopback; `none` closes it.",
    )
    WEBHOOK_CONNECTIONS: int = Field(
        default=20,
        ge=1,
        le=200,
        description="Maximum number of concurrent posts to one webhook endpoint, across all workers.",
    )
    WEBHOOK_PROJECT_CONNECTIONS: int = Field(
        default=100,
        ge=1,
        description="Maximum number of concurrent posts to all webhook endpoints of one project, across all workers.",
    )
    WEBHOOK_TIMEOUT_SECONDS: Seconds = Field(
        default=timedelta(seconds=15), description="Time limit of one post to an endpoint, response included."
    )
    WEBHOOK_RETRY_SECONDS: SecondsList = Field(
        default=[timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)],
        description="Delays between attempts of a webhook delivery, ±20 %; after the last one it fails.",
    )
    WEBHOOK_DISABLE_SECONDS: Seconds = Field(
        default=timedelta(days=5), description="Time of uninterrupted failure after which an endpoint is disabled."
    )
    REQUEST_KEEP_SECONDS: Limit = Field(
        default=timedelta(days=30), description="Time for which requests stay in the request log; 0: none are logged."
    )
    ATTACHMENT_LIMIT_COUNT: int = Field(
        default=5, ge=1, le=100, description="Maximum number of attachments of one email."
    )
    ATTACHMENT_LIMIT_MIB: int = Field(
        default=5,
        ge=1,
        le=40,
        description="Maximum size of all attachments of one email, decoded, in MiB. The limit of requests follows. "
        "Many servers take no mail over 25 MiB, and a mail is a third larger than its files.",
    )
    TRACKING_SETTLE_SECONDS: Seconds = Field(
        default=timedelta(seconds=60),
        description="Time after an open or click at which its label is settled, from all visits around it.",
    )
    TRACKING_NETWORKS_FILE: str = Field(
        default="",
        description="File with networks of mail filters and image proxies, in addition to the shipped ones; read again "
        "when it changes.",
    )
    ATTACHMENT_STORAGE: str = Field(
        default="",
        description="Where attachments are: `postgresql` (the default), `s3`, or the dotted path of a Django storage "
        "class. Earlier storages follow, `s3,django.core.files.storage.FileSystemStorage`: their files are read and "
        "removed.",
    )
    ATTACHMENT_BUCKET: str = Field(
        default="",
        validate_default=True,
        description="Bucket for `s3`. Region, address and credentials are the variables of AWS: `AWS_DEFAULT_REGION`, "
        "`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and so on. Needs `./run install s3`.",
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Lowest level that is logged."
    )
    METRICS_TOKEN: str = Field(
        default="",
        description="Serves `/metrics` on the web port, to callers with this bearer token. `./run` generates one.",
    )
    METRICS_PORT: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Serves `/metrics` on a port of its own, without a token and at the web server's address; on no "
        "network but that of Prometheus. 0: none.",
    )
    DEBUG: bool = Field(
        default=False, description="Enables Django's debug pages. Never enable it on a machine that others can reach."
    )

    @field_validator("PUBLIC_URL")
    @classmethod
    def check_public_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be http:// or https:// with a host and no path")
        return value.rstrip("/")

    @field_validator("ATTACHMENT_BUCKET")
    @classmethod
    def check_bucket(cls, value: str, info: ValidationInfo) -> str:
        if not value and has_s3(info.data.get("ATTACHMENT_STORAGE", "")):
            raise ValueError("must name the bucket, since ATTACHMENT_STORAGE has s3")
        return value

    @field_validator("MAIL_ID_HEADER")
    @classmethod
    def check_mail_id_header(cls, value: str) -> str:
        if not NAME.fullmatch(value) or not value.lower().startswith("x-") or len(value) > 60:
            raise ValueError("must be the name of a header that begins with X-, of at most 60 characters")
        return value

    @field_validator("DATABASE_URL")
    @classmethod
    def check_database_url(cls, value: str) -> str:
        if not value.startswith(("postgres://", "postgresql://")):
            raise ValueError("must be postgresql://…; PostgreSQL is the only database")
        return value

    @field_validator("ENCRYPTION_KEYS")
    @classmethod
    def check_encryption_keys(cls, value: list[str]) -> list[str]:
        for key in value:
            Fernet(key)
        return value


def list_missing(env: Environment) -> list[str]:
    """The extras that the settings need, and that are not installed."""
    wanted = {
        "otel": env.wants_traces,
        "s3": has_s3(env.ATTACHMENT_STORAGE),
        "sentry": bool(env.SENTRY_DSN),
    }
    return [name for name, is_wanted in wanted.items() if is_wanted and not is_installed(EXTRAS[name])]


def read_environment() -> Environment:
    """The validated environment. If it is wrong, the process exits with status 2 and a line per variable on stderr."""
    try:
        return Environment()
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            print(f"emailsvc: environment variable {name}: {problem['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
