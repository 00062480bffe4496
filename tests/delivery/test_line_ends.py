"""The line ends of mail."""

import re

from hypothesis import given
from hypothesis import strategies as st

from delivery.line_ends import has_only_pairs


@given(content=st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b".", b"\x0b", b"\x0c", b"\x85"])).map(b"".join))
def test_only_pairs_are_the_line_ends_of_mail(content: bytes) -> None:
    assert has_only_pairs(content) == (re.search(rb"\r(?!\n)|(?<!\r)\n", content) is None)
