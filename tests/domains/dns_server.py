"""A small authoritative DNS server on loopback, UDP and TCP, for tests: it serves a table."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from errno import EADDRINUSE

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from emailsvc.launcher.ports import held_port

UDP_LIMIT = 1232


@dataclass
class DnsServer:
    """`zone[(name, type)]` is a list of values in zone-file form; `rcodes[name]` a failure; `silent` names time out.

    `is_recursive` makes it follow CNAMEs within its own table, as a resolver does; else it gives the first one only.
    `asked` holds each (name, type) that came in.
    """

    port: int = 0
    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    rcodes: dict[str, dns.rcode.Rcode] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    is_recursive: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def put(self, name: str, kind: str, *values: str) -> None:
        """Replace what stands at (name, type). TXT values are quoted here unless they are quoted already."""
        if kind == "TXT":
            values = tuple(value if value.startswith('"') else quote(value) for value in values)
        self.zone[name, kind] = list(values)

    def drop(self, name: str, kind: str) -> None:
        del self.zone[name, kind]

    def clear(self) -> None:
        self.zone.clear()
        self.rcodes.clear()
        self.silent.clear()
        self.asked.clear()
        self.is_recursive = True

    def answer(self, wire: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        reply.set_rcode(self.fill(reply, name, kind))
        return reply

    def fill(self, reply: dns.message.Message, name: str, kind: str) -> dns.rcode.Rcode:
        seen: set[str] = set()
        while True:
            if name in self.rcodes:
                return self.rcodes[name]
            found = kind if (name, kind) in self.zone else "CNAME" if (name, "CNAME") in self.zone else None
            if found is None:
                return dns.rcode.NOERROR if self.is_known(name) else dns.rcode.NXDOMAIN
            values = self.zone[name, found]
            reply.answer.append(dns.rrset.from_text(dns.name.from_text(name), 60, "IN", found, *values))
            if found == kind or not self.is_recursive or name in seen:
                return dns.rcode.NOERROR
            seen.add(name)
            name = values[0].rstrip(".").lower()

    def is_known(self, name: str) -> bool:
        """Whether the name or one below it exists: an empty name between two others is no NXDOMAIN (RFC 8020)."""
        return any(owner == name or owner.endswith("." + name) for owner, _ in self.zone)


def quote(value: str) -> str:
    """One TXT value as strings of at most 255 octets each, as every zone file has to write it."""
    parts = [value[start : start + 255] for start in range(0, len(value), 255)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)


@contextmanager
def run_dns_server() -> Iterator[DnsServer]:
    server = DnsServer()

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, sock = self.request
            if (reply := server.answer(wire)) is None:
                return
            out = reply.to_wire(max_size=65535)
            if len(out) > UDP_LIMIT:
                short = dns.message.make_response(dns.message.from_wire(wire))
                short.flags |= dns.flags.TC
                out = short.to_wire()
            sock.sendto(out, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (size,) = struct.unpack("!H", self.rfile.read(2))
            if reply := server.answer(self.rfile.read(size)):
                out = reply.to_wire(max_size=65535)
                self.wfile.write(struct.pack("!H", len(out)) + out)

    with (
        socketserver.ThreadingUDPServer(("127.0.0.1", 0), Udp, bind_and_activate=False) as udp,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp, bind_and_activate=False) as tcp,
    ):
        bind_to_one_port(udp.socket, tcp.socket)
        server.port = udp.socket.getsockname()[1]
        tcp.server_activate()
        threads = [threading.Thread(target=each.serve_forever, args=(0.02,), daemon=True) for each in (udp, tcp)]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            for each in (udp, tcp):
                each.shutdown()
            for thread in threads:
                thread.join()


def bind_to_one_port(udp: socket.socket, tcp: socket.socket) -> None:
    """Bind both on loopback to one number. A port that is free in one protocol may be taken in the other."""
    with ExitStack() as misses:
        while True:
            number = misses.enter_context(held_port())
            try:
                udp.bind(("127.0.0.1", number))
            except OSError as error:
                # Held until the end: so that the next number is another.
                if error.errno != EADDRINUSE:
                    raise
                continue
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(("127.0.0.1", number))
            return
