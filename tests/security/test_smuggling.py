"""Mail that would end early, or begin a second mail, at another server."""

import pytest

from delivery.smtp.incoming import BARE_LINE_END, TOO_LONG, open_message, unstuff
from delivery.smtp.transaction import stuff_dots

# Each as it would stand before a smuggled command.
FALSE_ENDS = [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\r\n", b"\n\n.\n\n"]


def open_strictly(content: bytes) -> tuple[bytes, str]:
    return open_message(bytearray(b"\r\n" + content), is_strict=True)


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_a_bare_line_end_is_refused(end: bytes) -> None:
    assert open_strictly(b"Subject: Hi\r\n\r\nHi." + end + b"MAIL FROM:<a@x.test>\r\n")[1] == BARE_LINE_END


def test_a_line_that_is_too_long_is_refused() -> None:
    assert open_strictly(b"x" * 998 + b"\r\n") == (b"x" * 998 + b"\r\n", "")
    assert open_strictly(b"Hi.\r\n" + b"x" * 999 + b"\r\nHi.\r\n")[1] == TOO_LONG


def test_a_mail_of_whole_lines_is_taken_without_its_stuffed_dots() -> None:
    assert open_strictly(b"..\r\n..x\r\n") == (b".\r\n.x\r\n", "")


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_dots_are_doubled_and_line_ends_are_whole(end: bytes) -> None:
    sent = stuff_dots(b".Hi." + end + b"..\r\nMAIL FROM:<a@x.test>\r\n")
    assert b"\r\n.\r\n" not in sent
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")
    whole = unstuff(bytearray(b"\r\n" + sent))
    assert whole.startswith(b".Hi.")
    assert whole.endswith(b"..\r\nMAIL FROM:<a@x.test>\r\n")
