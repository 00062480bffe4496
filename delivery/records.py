"""Dataclasses of which a worker makes many for each mail."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool, **options: Any) -> Any:
        """As `dataclass`. What is frozen is so for the type checker alone: at run time each field of a frozen instance
        is set by a call, which makes an instance of ten fields three times as dear.
        """
        return dataclass(unsafe_hash=frozen, **options)
