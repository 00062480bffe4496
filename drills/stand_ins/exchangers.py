"""Recipients' mail servers: one port, with a loopback address and a name for each."""

from drills.harness.scene import Scene
from drills.stand_ins.rules import Rule, as_usual
from drills.stand_ins.sink import Sink
from emailsvc.launcher.ports import held_port
from providers.services import add_provider
from providers.targets import ProviderTarget

# Within `ground.EXCHANGERS`.
ADDRESS = "127.0.1.{}"


class Exchangers:
    """The mail exchangers of a scene, and a provider for direct delivery to them."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._names = scene.stack.ground.names
        self._count = 0
        # Reserved on all addresses at once: each exchanger listens on its own address.
        self._port = scene.keep_open(held_port("0.0.0.0"))
        self._is_known = False

    def add(self, domain: str, rule: Rule = as_usual, *, preference: int = 10) -> Sink:
        """Add an exchanger for `domain`, which may have several; they are tried in order of preference."""
        self._count += 1
        address = ADDRESS.format(self._count)
        sink = self._scene.add_sink(rule, place=(address, self._port))
        if not self._is_known:
            self._is_known = True
            add_provider(None, name="direct", target=ProviderTarget(url=f"mx:?port={self._port}"), is_operated=True)
        host = f"mx{self._count}.{domain}"
        self._names.tell(host, "A", address)
        self._names.add(domain, "MX", f"{preference} {host}.")
        return sink
