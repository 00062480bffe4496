"""A wrong request with its exact answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.api.conftest import EMAIL

# The parameters of paths, by resource.
Owned = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request and its answer: the status, the code of the problem or of its field, and that field or nothing.

    `by` names the caller: `api`, the project's key; `other_api`, another project's; `admin_api`, the installation's;
    `scopeless`; `anonymous`; `stranger`, outside the API. `is_alone`: nothing else is wrong.
    """

    method: str
    path: str
    body: Any = None
    status: int
    code: str
    field: str = ""
    by: str = "api"
    headers: Mapping[str, str] | None = None
    is_alone: bool = False


def refuse_field(path: str, body: Any, name: str, code: str, method: str = "POST") -> Ask:
    return Ask(method=method, path=path, body=body, status=422, code=code, field=name[:200])


def refuse_emails(table: Iterable[tuple[dict[str, Any], str, str]]) -> Iterator[Ask]:
    for change, name, code in table:
        yield replace(refuse_field("/emails", {**EMAIL, **change}, name, code), is_alone=True)
