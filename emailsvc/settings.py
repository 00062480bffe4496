"""Django settings. Everything that differs between installations comes from `environment.py` only."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from delivery.broker_tls import redis_tls, split_broker_tls
from emailsvc.admin_site import theme
from emailsvc.environment import list_missing, read_environment
from emailsvc.logs import build_logging
from emailsvc.openapi.settings import build_settings

env = read_environment()

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = env.SECRET_KEY
SECRET_KEY_FALLBACKS = env.SECRET_KEY_FALLBACKS
ENCRYPTION_KEYS = env.ENCRYPTION_KEYS
DEBUG = env.DEBUG

PUBLIC_URL = env.PUBLIC_URL
_public = urlsplit(PUBLIC_URL)
# Loopback names are always accepted: health checks and the embedded inbox use them.
ALLOWED_HOSTS = [_public.hostname or "localhost", "localhost", "127.0.0.1", "[::1]", *env.ALLOWED_HOSTS]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXIES = env.TRUSTED_PROXIES
WEB_CONNECTIONS_PER_PEER = env.WEB_CONNECTIONS_PER_PEER
WEB_BYTES_IN_FLIGHT_MIB = env.WEB_BYTES_IN_FLIGHT_MIB
CONTENT_CPU_SECONDS = env.CONTENT_CPU_SECONDS
REPORT_CONNECTIONS_PER_PEER = env.REPORT_CONNECTIONS_PER_PEER
SUBMISSION_CONNECTIONS_PER_PEER = env.SUBMISSION_CONNECTIONS_PER_PEER
SUBMISSION_ADDRESS = env.SUBMISSION_ADDRESS

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "axes",
    "accounts",
    "providers",
    "domains",
    "webhooks",
    "templates_app",
    "tracking",
    "messages",
    "inbox",
    "gateways",
    # Last: its admin re-registers models of the packages above in our style.
    "emailsvc.apps.EmailsvcConfig",
]

MIDDLEWARE = [
    "emailsvc.monitoring.metrics_page.MetricsMiddleware",
    "common.middleware.RequestIdMiddleware",
    "emailsvc.monitoring.request_records.RequestRecordMiddleware",
    "common.middleware.OriginMiddleware",
    "common.middleware.ProblemMiddleware",
    "common.middleware.ChunkedBodyMiddleware",
    "emailsvc.web.tracking_hosts.TrackingHostMiddleware",
    "emailsvc.web.security_headers.ForwardedSchemeMiddleware",
    # Requests of APIs pass by what follows.
    "emailsvc.web.page_middleware.ApiShortcut",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "emailsvc.admin_site.second_factor.SecondFactorMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "emailsvc.web.security_headers.AdminPolicyMiddleware",
    "axes.middleware.AxesMiddleware",
    "emailsvc.web.page_middleware.PagesEnd",
]
# Both forms of every API path are served; a redirect would lose a POST's body.
APPEND_SLASH = False

ROOT_URLCONF = "emailsvc.urls"
WSGI_APPLICATION = "emailsvc.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Templates of packages that ours replace.
        "DIRS": [BASE_DIR / "emailsvc" / "overrides"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

_dsn = conninfo_to_dict(env.DATABASE_URL)
DATABASES = {
    "default": {
        "ENGINE": "ledger.database",
        "NAME": _dsn.pop("dbname", ""),
        "USER": _dsn.pop("user", ""),
        "PASSWORD": _dsn.pop("password", ""),
        "HOST": _dsn.pop("host", ""),
        "PORT": _dsn.pop("port", ""),
        "OPTIONS": {"connect_timeout": 5, "application_name": "emailsvc", **_dsn},
        # A new connection costs PostgreSQL and us as much as a hundred looks of an idle service.
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
# By `ledger.limits.WorkKind`.
DATABASE_LIMITS = {
    "web": env.DATABASE_WEB_SECONDS,
    "sending": env.DATABASE_SENDING_SECONDS,
    "tick": env.DATABASE_TICK_SECONDS,
    "command": env.DATABASE_COMMAND_SECONDS,
    # `emailsvc.migrating` tries again. After a second of waiting (`deadlock_timeout`) somebody has to give way: not a
    # request, if possible.
    "migration": (timedelta(milliseconds=250), *env.DATABASE_COMMAND_SECONDS[1:]),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.REDIS_URL
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, **redis_tls(REDIS_URL)},
    }
}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False
# One form on every page of the admin.
DATE_FORMAT, TIME_FORMAT, DATETIME_FORMAT = "Y-m-d", "H:i:s", "Y-m-d H:i:s"
FORMAT_MODULE_PATH = "emailsvc.formats"

STATIC_URL = "static/"
# Serve assets straight from the packages: `./run` needs no collectstatic step.
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _public.scheme == "https"
# Browsers take a cookie with this prefix from this host alone, and by HTTPS (RFC 6265bis, 4.1.3.2).
_PREFIX = "__Host-" if SESSION_COOKIE_SECURE else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_PREFIX}sessionid", f"{_PREFIX}csrftoken"
MESSAGE_STORAGE = "emailsvc.admin_site.page_messages.PageMessages"
SESSION_COOKIE_HTTPONLY = True
# Rows that name their person, so that sessions are listed and ended, and end when they are idle.
SESSION_ENGINE = "accounts.people.sessions"
SECOND_FACTOR_ROLES = env.SECOND_FACTOR_ROLES
OIDC_ISSUER = env.OIDC_ISSUER
OIDC_CLIENT_ID = env.OIDC_CLIENT_ID
OIDC_CLIENT_SECRET = env.OIDC_CLIENT_SECRET
OIDC_EMAIL_DOMAINS = env.OIDC_EMAIL_DOMAINS
OIDC_DEFAULT_ROLE = env.OIDC_DEFAULT_ROLE
OIDC_DEFAULT_PROJECT = env.OIDC_DEFAULT_PROJECT
OIDC_ALLOWED_NETWORKS = env.OIDC_ALLOWED_NETWORKS
SESSION_IDLE_TIME = env.SESSION_IDLE_SECONDS
# A working day: users who can read all mail log in each morning.
SESSION_COOKIE_AGE = 12 * 60 * 60
# A year, for this host only: subdomains and sibling hosts are not ours to decide (security.W005, W021).
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _public.scheme == "https" else 0
# The proxy that terminates TLS redirects to https (docs/operations.md); health checks use http (security.W008).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "accounts.people.reach.RoleBackend",
]
# A login that names no page leads to the admin: there is nothing else to log in to.
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS: list[dict[str, object]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
if env.BREACHED_PASSWORDS_FILE:
    AUTH_PASSWORD_VALIDATORS += [
        {
            "NAME": "accounts.people.breached.BreachedPasswordValidator",
            "OPTIONS": {"path": env.BREACHED_PASSWORDS_FILE},
        }
    ]
# Ten wrong passwords from one address, or for one account, lock it for a quarter of an hour: see the handler.
AXES_HANDLER = "emailsvc.admin_site.sign_in_brake.SignInBrake"
AXES_LOCKOUT_PARAMETERS = ["ip_address", "username"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "emailsvc.admin_site.lockout.find_address"
AXES_LOCKOUT_CALLABLE = "emailsvc.admin_site.lockout.lockout_response"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
UNFOLD = theme.UNFOLD

# The API's limit is checked before the body is read (common.parsers); Django's own limit must not come first.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["common.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "common.negotiation.OnlyForm",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "emailsvc.openapi.schema.ApiSchema",
    "EXCEPTION_HANDLER": "common.problems.handle_exception",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_METADATA_CLASS": None,
    "DATETIME_FORMAT": "iso-8601",
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = build_settings(PUBLIC_URL)

PROVIDER_URL = env.PROVIDER_URL
TRUSTED_SENDER_DOMAINS = env.TRUSTED_SENDER_DOMAINS
LIST_ID = env.LIST_ID
FEEDBACK_ID = env.FEEDBACK_ID
NOTICE_FROM = env.NOTICE_FROM
DNS_SERVERS = env.DNS_SERVERS
REPORT_DOMAIN = env.REPORT_DOMAIN
MAIL_ID_HEADER = env.MAIL_ID_HEADER
SERVICE_RUN_ID = env.SERVICE_RUN_ID
MX_ALLOWED_NETWORKS = env.MX_ALLOWED_NETWORKS
PROVIDER_ALLOWED_NETWORKS = env.PROVIDER_ALLOWED_NETWORKS
SMTP_CONVERSATIONS = env.SMTP_CONVERSATIONS
DELIVER_LIMIT_BYTES = env.DELIVER_LIMIT_MIB * 1024 * 1024
DELIVER_TIME = env.DELIVER_SECONDS
LEASE_TIME = env.LEASE_SECONDS
HEARTBEAT_TIME = env.HEARTBEAT_SECONDS
TICK_TIME = env.TICK_SECONDS
RETRY_WAITS = env.RETRY_SECONDS
UNCERTAIN_WAIT = env.UNCERTAIN_SECONDS
EXPIRY_TIME = env.EXPIRY_SECONDS

NEW_PROJECT_MESSAGES_PER_DAY = env.NEW_PROJECT_MESSAGES_PER_DAY
SUPPRESSION_WAVE_ADDRESSES = env.SUPPRESSION_WAVE_ADDRESSES
SUPPRESSION_WAVE_DOMAINS = env.SUPPRESSION_WAVE_DOMAINS
SUPPRESSION_WAVE_WINDOW = env.SUPPRESSION_WAVE_SECONDS

WEBHOOK_ALLOWED_NETWORKS = env.WEBHOOK_ALLOWED_NETWORKS
WEBHOOK_CONNECTIONS = env.WEBHOOK_CONNECTIONS
WEBHOOK_PROJECT_CONNECTIONS = env.WEBHOOK_PROJECT_CONNECTIONS
WEBHOOK_TIMEOUT = env.WEBHOOK_TIMEOUT_SECONDS
WEBHOOK_WAITS = env.WEBHOOK_RETRY_SECONDS
WEBHOOK_DISABLE_TIME = env.WEBHOOK_DISABLE_SECONDS

REQUEST_KEEP_TIME = env.REQUEST_KEEP_SECONDS
ATTACHMENT_LIMIT_COUNT = env.ATTACHMENT_LIMIT_COUNT
ATTACHMENT_LIMIT_MIB = env.ATTACHMENT_LIMIT_MIB
TRACKING_SETTLE_TIME = env.TRACKING_SETTLE_SECONDS
TRACKING_NETWORKS_FILE = env.TRACKING_NETWORKS_FILE

ATTACHMENT_STORAGE = env.ATTACHMENT_STORAGE
ATTACHMENT_BUCKET = env.ATTACHMENT_BUCKET

# Celery only carries wake-ups, the rows are the queue: these settings keep a lost or stopped broker from blocking.
# Kombu spells a Unix socket redis+socket://, redis-py and Django spell it unix://.
CELERY_BROKER_URL, CELERY_BROKER_USE_SSL = split_broker_tls(
    env.BROKER_URL or REDIS_URL.replace("unix://", "redis+socket://", 1)
)
CELERY_IMPORTS = [
    "webhooks.tasks",
    "domains.tasks",
    "tracking.tasks",
    "messages.tasks",
    "messages.notices.tasks",
    "gateways.tasks",
    "emailsvc.celery_worker",
]
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
# Periodic work; mail goes to the queue of its lane (messages.tasks.ring).
CELERY_TASK_DEFAULT_QUEUE = "periodic"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "emailsvc.celery_consumer:Consumer"
CELERY_WORKER_MAX_TASKS_PER_CHILD = 10_000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512 * 1024
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
# An SMTP conversation may take the sum of RFC 5321's timeouts; each stage has its own deadline.
CELERY_TASK_SOFT_TIME_LIMIT = 45 * 60
CELERY_TASK_TIME_LIMIT = 50 * 60
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 0.5
CELERY_TASK_PUBLISH_RETRY = False
# A publisher tries to connect once: before a second try kombu sleeps for two seconds, whatever the timeout is.
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 0} | (
    {}
    if CELERY_BROKER_URL.startswith("amqp")
    else {
        "socket_timeout": 0.5,
        "socket_connect_timeout": 0.5,
        "socket_keepalive": True,
        "visibility_timeout": 60 * 60,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 10,
    }
)
CELERY_BEAT_SCHEDULER = "emailsvc.beat_scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TIMEZONE = "UTC"

METRICS_TOKEN = env.METRICS_TOKEN
METRICS_PORT = env.METRICS_PORT
# What is configured and whose libraries are missing stays off; `doctor` tells it.
MISSING_EXTRAS = list_missing(env)
IS_TRACED = env.wants_traces and "otel" not in MISSING_EXTRAS
SENTRY_DSN = env.SENTRY_DSN
SENTRY_ENVIRONMENT = env.SENTRY_ENVIRONMENT
IS_REPORTED = bool(SENTRY_DSN) and "sentry" not in MISSING_EXTRAS
LOG_LEVEL = env.LOG_LEVEL
LOGGING_CONFIG = None
build_logging(env.LOG_LEVEL)
