"""The transport that delivers directly to each recipient's own server."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic

from delivery.concurrency.async_transport import AsyncBeforeDot, AsyncTransport, Replies
from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers
from delivery.concurrency.waiting import run_blocking
from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.judging.terms import About, Reason, Speaker
from delivery.mx.route import Destination, MxRouter, UnroutableError
from delivery.smtp.config import Security, SmtpConfig, Timeouts
from delivery.smtp.pool import SessionPool
from delivery.smtp.session import Session, SessionRefusedError
from delivery.smtp.transaction import SmtpSeconds, Transaction
from delivery.smtp.transport import check_paths

# The lifetime of a route; the DNS adapter caches responses for their TTL.
ROUTE_SECONDS = 60.0
UNROUTABLE_SECONDS = 20.0
MAX_ROUTES = 20_000
MAX_POOLS = 500
# A failure at these stages is not about a mail, so that another address may succeed.
BEFORE_MAIL = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.TLS})


@dataclass(frozen=True, slots=True, kw_only=True)
class MxConfig:
    """Settings for recipients' servers. Three failures open a host's breaker for 30 s; the wait doubles each time."""

    port: int = 25
    helo_name: str = "localhost"
    source_address: str = ""
    ca_file: str = ""  # replaces the system's authorities where a policy requires valid certificates
    timeouts: Timeouts = field(default_factory=Timeouts)
    # Connections to other people's servers are kept for a short time and reused for few mails.
    idle_limit: timedelta = timedelta(seconds=10)
    max_messages: int = 50
    breaker_policy: BreakerPolicy = field(
        default_factory=lambda: BreakerPolicy(first_wait=timedelta(seconds=30), most_wait=timedelta(minutes=15))
    )


@dataclass(frozen=True, slots=True)
class _Route:
    """The route or the refusal for a domain, and its expiry in monotonic seconds."""

    destinations: tuple[Destination, ...]
    refusal: Reply | None
    until: float


class MxTransport(AsyncTransport):
    """A `Transport` to the mail exchangers of each recipient's domain: their 250 means delivered.

    TLS is used where it is offered. If it fails, mail goes in clear, unless the domain has an MTA-STS policy. Addresses
    that do not respond are skipped for a while (a circuit breaker per host and address).
    """

    def __init__(self, config: MxConfig, router: MxRouter, circuits: CircuitBreakers | None = None) -> None:
        self._config = config
        self._router = router
        self._circuits = circuits or CircuitBreakers(config.breaker_policy)
        self._routes: OrderedDict[str, _Route] = OrderedDict()
        self._pools: OrderedDict[Destination, tuple[SessionPool, SmtpSeconds]] = OrderedDict()

    async def converse(self, deliveries: Sequence[Delivery], before_dot: AsyncBeforeDot) -> Replies:
        """Send each mail in a separate transaction; connections stay open between them."""
        for delivery in deliveries:
            reply = check_paths(delivery) or (await self._deliver(delivery, before_dot))
            if reply is not None:
                yield delivery.recipient_id, reply

    def tidy(self) -> bool:
        """Close expired idle connections and drop their pools; the result tells whether any is still open."""
        idle = [destination for destination, (pool, _) in list(self._pools.items()) if not pool.tidy()]
        for destination in idle[: max(0, len(self._pools) - MAX_POOLS)]:
            self._pools.pop(destination)[0].close()
        return len(idle) < len(self._pools)

    def close(self) -> None:
        """Send QUIT on all idle connections."""
        while self._pools:
            self._pools.popitem()[1][0].close()

    async def _deliver(self, delivery: Delivery, before_dot: AsyncBeforeDot) -> Reply | None:
        domain = delivery.address.rpartition("@")[2].lower()
        route = self._find_kept(domain) or (await self._find_route(domain))
        if route.refusal is not None:
            return route.refusal
        refusal: Reply | None = None
        for destination in route.destinations:
            if not self._circuits.may_try(_key(destination)):
                refusal = refusal or self._describe_rest(destination)
                continue
            reply = await self._try(destination, delivery, before_dot)
            if reply is None or not _may_go_on(reply):
                return reply
            delivery.clock.end()
            # A host that may work later outweighs one that never accepts mail (521).
            if refusal is None or refusal.outcome is not Outcome.DEFERRED or reply.outcome is Outcome.DEFERRED:
                refusal = reply
        return refusal

    async def _try(self, destination: Destination, delivery: Delivery, before_dot: AsyncBeforeDot) -> Reply | None:
        """Try one address. Its breaker records whether the host responded, whatever the reply was."""
        pool, seconds = self._find_pool(destination)
        while True:
            try:
                session = pool.take() or (await pool.open(delivery.clock))
            except SessionRefusedError as error:
                self._circuits.note_failure(_key(destination), f"{error.reply.stage}: {error.reply.text}")
                return error.reply
            self._circuits.note_success(_key(destination))
            transaction = Transaction(session, delivery, seconds, before_dot=before_dot, is_final=True)
            reply = await _run(pool, session, transaction)
            if not transaction.is_stale:
                return reply
            delivery.clock.end()

    def _find_kept(self, domain: str) -> _Route | None:
        route = self._routes.get(domain)
        return route if route is not None and monotonic() < route.until else None

    async def _find_route(self, domain: str) -> _Route:
        """Resolve the route in a thread, since the DNS may be slow."""
        try:
            destinations = await run_blocking(partial(self._router.find_route, domain))
            route = _Route(destinations, None, monotonic() + ROUTE_SECONDS)
        except UnroutableError as error:
            route = _Route((), error.reply, monotonic() + UNROUTABLE_SECONDS)
        self._routes[domain] = route
        while len(self._routes) > MAX_ROUTES:
            self._routes.popitem(last=False)
        return route

    def _find_pool(self, destination: Destination) -> tuple[SessionPool, SmtpSeconds]:
        found = self._pools.get(destination)
        if found is None:
            config = self._build_config(destination)
            found = self._pools[destination] = (SessionPool(config), SmtpSeconds(config))
        self._pools.move_to_end(destination)
        return found

    def _build_config(self, destination: Destination) -> SmtpConfig:
        config = self._config
        return SmtpConfig(
            host=destination.host,
            address=destination.address,
            port=config.port,
            is_final=True,
            security=Security.STARTTLS if destination.is_tls_checked else Security.OPPORTUNISTIC,
            is_certificate_checked=destination.is_tls_checked,
            ca_file=config.ca_file,
            helo_name=config.helo_name,
            source_address=config.source_address if _is_same_family(config.source_address, destination.address) else "",
            timeouts=config.timeouts,
            idle_limit=config.idle_limit,
            max_messages=config.max_messages,
        )

    def _describe_rest(self, destination: Destination) -> Reply:
        state = self._circuits.find_tripped(_key(destination))
        text = f"{destination.host}[{destination.address}] is skipped after failures: {state.reason if state else ''}"
        return Reply(
            outcome=Outcome.DEFERRED,
            stage=Stage.CONNECT,
            enhanced_code="4.4.1",
            text=text,
            remote_host=f"{destination.host}[{destination.address}]",
            speaker=Speaker.SERVER,
            reason=Reason.NETWORK,
            about=About.SERVER,
        )


async def _run(pool: SessionPool, session: Session, transaction: Transaction) -> Reply | None:
    try:
        return await transaction.run()
    finally:
        if transaction.is_line_usable:
            pool.give_back(session)
        else:
            session.connection.close()


def _may_go_on(reply: Reply) -> bool:
    """Whether the next address may be tried: the reply is not about this mail, and the host cannot have accepted it."""
    return reply.stage in BEFORE_MAIL or (reply.outcome is Outcome.DEFERRED and not reply.has_reached)


def _key(destination: Destination) -> str:
    """The key of a breaker. A domain whose policy the host breaks must not stop mail of other domains to it."""
    return f"mx:{destination.host}[{destination.address}]{'+tls' if destination.is_tls_checked else ''}"


def _is_same_family(source: str, address: str) -> bool:
    return bool(source) and (":" in source) == (":" in address)
