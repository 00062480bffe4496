"""The HTTP load of `./run bench peers`: kept connections, exact counts, refusals told."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat

import pytest

from bench.peers.http_load import HttpLoad, LoadError, build_request
from bench.peers.mails import BATCH, batch_posts, single_posts


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections: set[tuple[str, int]] = set()
    bodies: list[bytes] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.connections.add(self.client_address)
        self.bodies.append(body)
        answer = b"{}" * 40_000 if body == b"large" else b"{}"
        self.send_response(422 if body == b"wrong" else 202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port():
    Door.connections.clear()
    Door.bodies.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_count_of_requests_is_sent_exactly_over_kept_connections(port):
    took = HttpLoad(port=port, clients=3).run(repeat(build_request("/", b"{}")), count=20)
    assert len(took) == len(Door.bodies) == 20
    assert len(Door.connections) == 3


def test_fewer_requests_than_clients_open_as_many_connections(port):
    HttpLoad(port=port, clients=8).run(repeat(build_request("/", b"{}")), count=2)
    assert len(Door.connections) == 2


def test_large_requests_and_answers_are_carried_whole(port):
    body = b"x" * 3_000_000
    HttpLoad(port=port, clients=1).run(iter([build_request("/", body)]), count=1)
    assert Door.bodies == [body]
    assert len(HttpLoad(port=port, clients=1).run(repeat(build_request("/", b"large")), count=3)) == 3


def test_a_refusal_ends_the_load_with_the_answer(port):
    with pytest.raises(LoadError, match="422"):
        HttpLoad(port=port, clients=1).run(repeat(build_request("/", b"wrong")), count=1)


def test_no_two_posts_are_alike():
    posts = single_posts("tracked", "key")
    assert next(posts) != next(posts)
    batch = next(batch_posts("plain", "key"))
    assert batch.count(b'"subject"') == BATCH
