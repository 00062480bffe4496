"""Resolve a domain to the addresses that accept its mail (RFC 5321, 5.1)."""

import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from random import Random

from delivery.dns import MxRecord
from delivery.envelope import Outcome, Reply, Stage
from delivery.judging.terms import HARD, About, Reason, Speaker
from delivery.mx.mta_sts import NO_POLICY, Policy, PolicyFinder
from delivery.mx.resolver import MxResolver, NoAnswerError, NoNameError
from delivery.ssrf import Guard, IpAddress

MAX_ADDRESSES = 5
# The number of exchangers whose addresses are resolved, since a domain may list a hundred.
MAX_HOSTS = 10

Shuffle = Callable[[list[MxRecord]], None]


@dataclass(frozen=True, slots=True)
class Destination:
    """One address of one mail exchanger. `is_tls_checked` requires TLS with a valid certificate for `host`."""

    host: str
    address: str
    is_tls_checked: bool = False


class UnroutableError(Exception):
    """The domain has no route, for now or permanently; `reply` says which and why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@dataclass(frozen=True, slots=True, kw_only=True)
class MxRouter:
    """Finds routes. Blocking and thread-safe.

    `own_names` are this service's names as a mail exchanger. Mail goes only to exchangers that are preferred to them.
    """

    resolver: MxResolver
    guard: Guard
    policies: PolicyFinder | None = None
    own_names: Collection[str] = ()
    shuffle: Shuffle = Random().shuffle  # noqa: S311 - for load balancing only
    is_reachable: Callable[[IpAddress], bool] = lambda address: has_route(address)

    def find_route(self, domain: str) -> tuple[Destination, ...]:
        """The addresses to try, in order, at most MAX_ADDRESSES. Raises UnroutableError."""
        policy = self.policies.find(domain) if self.policies else NO_POLICY
        hosts = self._order(self._find_hosts(domain), domain)
        if policy.mode == "enforce":
            hosts = self._obey(policy, hosts, domain)
        return self._find_destinations(domain, hosts, is_tls_checked=policy.mode == "enforce")

    def _find_hosts(self, domain: str) -> Sequence[MxRecord]:
        try:
            records = self.resolver.find_mx(domain)
        except NoNameError:
            raise self._refuse_unless_found(domain, f"the domain {domain} does not exist", "5.1.2") from None
        except NoAnswerError as error:
            raise postpone_domain(f"the mail exchangers of {domain} are not known: {error}") from None
        if not records:
            return [MxRecord(0, domain)]  # implicit MX
        hosts = [record for record in records if record.host]
        if not hosts:
            raise refuse_domain(f"the domain {domain} does not accept mail (null MX)", "5.1.10", Reason.NO_MAIL_SERVICE)
        return hosts

    def _order(self, records: Sequence[MxRecord], domain: str) -> list[str]:
        """Sort by preference and shuffle equal ones; drop our own names and all that rank behind them."""
        ordered: list[str] = []
        for _, group in groupby(sorted(records), key=lambda record: record.preference):
            equals = list(group)
            if any(record.host in self.own_names for record in equals):
                break
            self.shuffle(equals)
            ordered += [record.host for record in equals]
        if not ordered:
            text = f"mail for {domain} would come back to us: we are its best mail exchanger"
            raise UnroutableError(build_refusal(Outcome.FAILED, text, "5.4.6"))
        return list(dict.fromkeys(ordered))[:MAX_HOSTS]

    def _obey(self, policy: Policy, hosts: list[str], domain: str) -> list[str]:
        admitted = [host for host in hosts if policy.admits(host)]
        if not admitted:
            raise postpone_domain(f"the MTA-STS policy of {domain} allows none of its mail exchangers", "4.7.5")
        return admitted

    def _find_destinations(self, domain: str, hosts: list[str], *, is_tls_checked: bool) -> tuple[Destination, ...]:
        problems: list[HostProblem] = []
        found = tuple(
            islice(
                (Destination(host, str(address), is_tls_checked) for host, address in self._walk(hosts, problems)),
                MAX_ADDRESSES,
            )
        )
        if found:
            return found
        if hosts == [domain] and all(one.is_absent for one in problems):
            raise self._refuse_unless_found(domain, f"the domain {domain} has neither MX nor address", "5.4.4")
        text = f"no mail exchanger of {domain} can be reached: {'; '.join(one.text for one in problems)}"
        if any(one.is_temporary for one in problems):
            raise postpone_domain(text)
        outcome = Outcome.BOUNCED if all(one.is_absent for one in problems) else Outcome.FAILED
        raise UnroutableError(build_refusal(outcome, text, "5.4.4"))

    def _refuse_unless_found(self, domain: str, text: str, enhanced_code: str) -> UnroutableError:
        """The error for a domain without mail: permanent only if a second question to the DNS says the same."""
        try:
            is_found = self._has_host(domain, self.resolver.ask_anew())
        except NoAnswerError as error:
            return postpone_domain(f"{text}, says the DNS once, and then nothing: {error}")
        if is_found:
            return postpone_domain(f"{text}, says the DNS once, and then the contrary")
        return refuse_domain(text, enhanced_code, Reason.HOST_UNKNOWN)

    def _has_host(self, domain: str, resolver: MxResolver) -> bool:
        try:
            return bool(resolver.find_mx(domain) or resolver.find_addresses(domain))
        except NoNameError:
            return False

    def _walk(self, hosts: list[str], problems: "list[HostProblem]") -> Iterator[tuple[str, IpAddress]]:
        for host in hosts:
            try:
                addresses = self.resolver.find_addresses(host)
            except NoNameError:
                problems.append(HostProblem(f"{host} does not exist", is_absent=True))
                continue
            except NoAnswerError as error:
                problems.append(HostProblem(f"{host}: {error}", is_temporary=True))
                continue
            if not addresses:
                problems.append(HostProblem(f"{host} has no address", is_absent=True))
            for address in addresses:
                if not self.guard.admits(address):
                    problems.append(HostProblem(f"{host} is at {address}, which is not a public address"))
                elif not self.is_reachable(address):
                    problems.append(HostProblem(f"{address} is not reachable from this machine", is_temporary=True))
                else:
                    yield host, address


@dataclass(frozen=True, slots=True)
class HostProblem:
    """The reason why a host is unusable."""

    text: str
    is_temporary: bool = False
    is_absent: bool = False


def refuse_domain(text: str, enhanced_code: str, reason: Reason) -> UnroutableError:
    """The error for a domain that can never receive mail: a permanent bounce."""
    return UnroutableError(build_refusal(Outcome.BOUNCED, text, enhanced_code, reason))


def postpone_domain(text: str, enhanced_code: str = "4.4.3") -> UnroutableError:
    return UnroutableError(build_refusal(Outcome.DEFERRED, text, enhanced_code))


def build_refusal(outcome: Outcome, text: str, enhanced_code: str, reason: Reason = Reason.NETWORK) -> Reply:
    """A reply in place of a server that was not found."""
    return Reply(
        outcome=outcome,
        stage=Stage.CONNECT,
        enhanced_code=enhanced_code,
        text=text[:1_000],
        speaker=Speaker.SERVER,
        reason=reason,
        about=About.RECIPIENT if reason in HARD else About.SERVER,
        is_for_good=reason in HARD,
    )


def has_route(address: IpAddress) -> bool:
    """Whether this machine has a route to the address; many have no IPv6. Sends no packet."""
    if address.version == 4:
        return True
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
    except OSError:
        return False
    return True
