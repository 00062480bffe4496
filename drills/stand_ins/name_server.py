"""A stand-in name server on loopback, which can be told to fail."""

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from emailsvc.launcher.ports import LOOPBACK

# Short, so that a drill need not wait for a resolver's cache; the last number is for negative answers.
TTL = 1
SOA = f"ns.test. drill.test. 1 {TTL} {TTL} {TTL} {TTL}"
PACKET_BYTES = 4096


class Names:
    """Serves the names given to `tell`; all others do not exist (NXDOMAIN). Answers over UDP, once started."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.place = f"{LOOPBACK}:{self._socket.getsockname()[1]}"
        self._records: dict[tuple[str, str], Sequence[str]] = {}
        self._failing: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="names", daemon=True)

    def tell(self, name: str, kind: str, *texts: str) -> None:
        """`tell("a.test", "MX", "10 mx.a.test.")`. Without texts the name exists, but has no such record."""
        self._records[name, kind] = texts

    def add(self, name: str, kind: str, text: str) -> None:
        """Add one record."""
        self._records[name, kind] = (*self._records.get((name, kind), ()), text)

    def fail(self, name: str) -> None:
        """Answer SERVFAIL for the name and all names below it, until `mend`."""
        self._failing.add(name)

    def mend(self, name: str) -> None:
        self._failing.discard(name)

    def clear(self) -> None:
        """Know nothing."""
        self._records.clear()
        self._failing.clear()

    def start(self) -> None:
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                packet, peer = self._socket.recvfrom(PACKET_BYTES)
            except OSError:
                return
            # An empty packet is not a query: we send one to end the loop.
            with suppress(dns.exception.DNSException, OSError):
                self._socket.sendto(self.answer(dns.message.from_wire(packet)).to_wire(), peer)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The response to a query with one question."""
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        if any(name == failing or name.endswith(f".{failing}") for failing in self._failing):
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer
        texts = self._records.get((name, dns.rdatatype.to_text(question.rdtype)), ())
        if texts:
            answer.answer.append(dns.rrset.from_text_list(question.name, TTL, "IN", question.rdtype, texts))
        else:
            answer.authority.append(dns.rrset.from_text("test.", TTL, "IN", "SOA", SOA))
            if not any(known == name for known, _ in list(self._records)):
                answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
