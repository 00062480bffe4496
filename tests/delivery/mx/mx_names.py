"""A DNS for the tests of direct delivery, with zones from a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from delivery.dns import MxRecord
from delivery.mx.resolver import NoAnswerError, NoNameError
from delivery.ssrf import IpAddress

# A name that nothing is known of, and one whose servers fail.
MISSING, FAILING = "missing", "failing"


@dataclass(kw_only=True)
class Zone:
    """`mx` holds `{"x.test": ["10 mx1.x.test"]}`, `hosts` `{"mx1.x.test": ["127.0.0.1"]}`; MISSING and FAILING too."""

    mx: Mapping[str, Sequence[str] | str] = field(default_factory=dict)
    hosts: Mapping[str, Sequence[str] | str] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str] | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    # What the DNS says when it is asked anew; without it, the same.
    later: "Zone | None" = None

    def find_mx(self, domain: str) -> Sequence[MxRecord]:
        rows = [row.split(" ") for row in self._find(self.mx, domain, "MX")]
        return [MxRecord(int(preference), host.rstrip(".")) for preference, host in rows]

    def find_addresses(self, host: str) -> Sequence[IpAddress]:
        return [ip_address(text) for text in self._find(self.hosts, host, "A")]

    def find_texts(self, name: str) -> Sequence[str]:
        return self._find(self.texts, name, "TXT")

    def ask_anew(self) -> "Zone":
        return self.later or self

    def _find(self, table: Mapping[str, Sequence[str] | str], name: str, kind: str) -> Sequence[str]:
        self.asked.append(f"{kind} {name}")
        found = table.get(name, ())
        if found == MISSING:
            raise NoNameError(name)
        if found == FAILING:
            raise NoAnswerError("the DNS failed: SERVFAIL")
        assert not isinstance(found, str)
        return found
