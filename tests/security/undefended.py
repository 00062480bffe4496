"""What some functions would do without their defence; `mutants.py` puts these in their places."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from common.errors import InternalError
from delivery.dns import MxRecord
from delivery.smtp.connection import Connection
from templates_app.liquid.environment import BoundedContext
from tracking.engagement import views
from tracking.engagement.visits import Visitor

start_tls, get_item = Connection.start_tls, BoundedContext.get_item


def start_tls_after_anything(self: Connection, *args: Any) -> Any:
    """Bytes that came in clear are dropped, and nobody notices."""
    self._buffer = b""
    return start_tls(self, *args)


def get_attribute(self: BoundedContext, obj: object, key: object) -> object:
    is_own = isinstance(key, str) and key.startswith("_")
    return getattr(obj, str(key), None) if is_own else get_item(self, obj, key)


def order_with_ourselves(_self: object, records: Sequence[MxRecord], _domain: str) -> list[str]:
    return [record.host for record in sorted(records, key=lambda record: record.preference)]


def opt_out_at_once(mailed: Any) -> Any:
    """The page for GET looks the opt-out up: this one makes it."""
    return views.CHOICES[""](mailed, Visitor(method="GET", user_agent="", ip=""))


def tell_everything(exception: Exception) -> InternalError:
    error = InternalError()
    error.detail = str(exception)
    return error


def prove_anything(**_named: object) -> SimpleNamespace:
    return SimpleNamespace(new_sign_count=10**6)
