"""Passwords in a file of breached ones, which the operator keeps: no third party is asked.

The file is that of Pwned Passwords ordered by hash (https://haveibeenpwned.com/Passwords), whole or a part: a line for
each password, its SHA-1 in hexadecimal, with or without a colon and a count. It may have many gigabytes, and is
searched where it lies.
"""

import os
from hashlib import sha1
from pathlib import Path
from typing import BinaryIO

import structlog
from django.core.exceptions import ValidationError

DIGITS = 40

log = structlog.get_logger(__name__)


class BreachedPasswordValidator:
    """Refuses passwords that stand in the file, and all while it cannot be read."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def validate(self, password: str, _user: object = None) -> None:
        """Raises ValidationError."""
        wanted = sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        try:
            with self._path.open("rb") as file:
                is_known = has_line(file, wanted)
        except OSError as error:
            log.warning("breached_passwords_unreadable", error=type(error).__name__)
            message = "The list of breached passwords cannot be read now. An operator has to mend this."
            raise ValidationError(message) from None
        if is_known:
            raise ValidationError("This password is known from a data breach.")

    def get_help_text(self) -> str:
        return "Your password can’t be one that is known from a data breach."


def has_line(file: BinaryIO, wanted: bytes) -> bool:
    """Whether a line of the file, which is in order, begins with `wanted` (DIGITS characters)."""
    # The line that is looked for begins in [low, high).
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        begin = find_line(file, middle)
        found = file.read(DIGITS).upper()
        if found == wanted:
            return True
        if not found or found > wanted:
            high = middle
        else:
            low = begin + DIGITS
    return False


def find_line(file: BinaryIO, place: int) -> int:
    """Go to the first line that begins at `place` or behind it; where that is."""
    file.seek(max(place - 1, 0))
    if place:
        file.readline()
    return file.tell()
