"""Time constants without a setting, shortened in the drills' own programs only: minutes become seconds.

They come from standards and from good practice towards other servers. The behaviour after a timeout is the
product's own.
"""

from datetime import timedelta

from delivery.concurrency import circuit_breaker
from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers
from delivery.http_client import HttpClient
from delivery.mx import transport
from delivery.smtp.config import SmtpConfig
from messages.sending import outcomes
from providers.routing.shared_breakers import mx_breakers, provider_breakers

# RFC 5321, 4.5.3.2: minutes.
CONNECT = timedelta(seconds=2)
# How long a route, or a failed look-up of one, is cached.
ROUTE_SECONDS = 1.0
UNROUTABLE_SECONDS = 0.5
PROVIDER_BREAKER_POLICY = BreakerPolicy(first_wait=timedelta(seconds=1), most_wait=timedelta(seconds=4))
MX_BREAKER_POLICY = BreakerPolicy(first_wait=timedelta(seconds=1), most_wait=timedelta(seconds=4))
PROBE = timedelta(seconds=5)
THROTTLED = timedelta(seconds=1)


def shorten() -> None:
    """Apply to every program of the drills."""
    set_timeout("connect", CONNECT)
    transport.ROUTE_SECONDS = ROUTE_SECONDS
    transport.UNROUTABLE_SECONDS = UNROUTABLE_SECONDS
    circuit_breaker.PROBE_TIME = PROBE
    outcomes.THROTTLED_WAIT = THROTTLED
    set_breaker_policy(provider_breakers, PROVIDER_BREAKER_POLICY)
    set_breaker_policy(mx_breakers, MX_BREAKER_POLICY)


def lose_patience(seconds: float) -> None:
    """Apply to one program: time limit for a relay's reply to the final dot (ten minutes), or an ESP's response."""
    set_timeout("dot", timedelta(seconds=seconds))
    defaults = HttpClient.__init__.__kwdefaults__
    assert defaults is not None, "how long an ESP may take is set elsewhere now"
    object.__setattr__(defaults["seconds"], "answer", seconds)


def set_timeout(stage: str, time: timedelta) -> None:
    """Frozen, and shared by all servers without their own settings."""
    object.__setattr__(SmtpConfig.__dataclass_fields__["timeouts"].default, stage, time)


def set_breaker_policy(found: CircuitBreakers, breaker_policy: BreakerPolicy) -> None:
    found._tripping = breaker_policy
