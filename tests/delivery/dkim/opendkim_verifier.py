"""Runs opendkim-testmsg on signed messages, with our own DNS records and no network.

opendkim-testmsg asks the machine's resolver. So this program runs in namespaces of its own (`unshare --user
--map-root-user --mount --net`), where the resolver is a stub on loopback that knows the given TXT records.
Reads `{"records": {name: text}, "messages": [base64]}`; prints `[[exit status, output]]`, one for each message.
"""

import base64
import fcntl
import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def what_is_lacking() -> str:
    """What it needs and is not here; nothing when it can run."""
    for name in ("opendkim-testmsg", "unshare"):
        if not shutil.which(name):
            return f"needs the program {name}"
    may_isolate = not subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
    return "" if may_isolate else "needs the right to make namespaces"


UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--net"]


def verify(records: dict[str, str], messages: list[bytes]) -> list[tuple[int, str]]:
    """The verifier's exit status (0: good) and words for each message."""
    task = {"records": records, "messages": [base64.b64encode(message).decode() for message in messages]}
    done = subprocess.run(
        [*UNSHARE, sys.executable, __file__],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [(status, words) for status, words in json.loads(done.stdout)]


def isolate() -> None:
    """Bring this namespace's loopback up and point its resolver there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP) + bytes(22))
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("nameserver 127.0.0.1\n")
        file.flush()
        subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)


def serve(server: socket.socket, records: dict[str, str]) -> None:
    while True:
        data, peer = server.recvfrom(4096)
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        question = query.question[0]
        text = records.get(question.name.to_text(omit_final_dot=True).lower())
        if text and question.rdtype == dns.rdatatype.TXT:
            strings = " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", strings))
        server.sendto(answer.to_wire(), peer)


def main() -> None:
    task = json.load(sys.stdin)
    isolate()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server, task["records"]), daemon=True).start()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        program = [shutil.which("opendkim-testmsg") or "", "-C", "-t", str(Path(folder))]
        for message in task["messages"]:
            done = subprocess.run(program, input=base64.b64decode(message), capture_output=True, check=False)
            results.append((done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")))
    print(json.dumps(results))  # noqa: T201


if __name__ == "__main__":
    main()
