"""What of a message is searched, in the form in which the columns of `Subject` have it."""

from collections.abc import Iterable, Mapping

from common.text import fold

# A longer value of the metadata is found by its beginning.
MAX_PAIR = 200


def build_columns(
    *,
    sender: str,
    addresses: Iterable[str],
    tags: Iterable[str],
    filenames: Iterable[str],
    metadata: Mapping[str, str],
) -> dict[str, str]:
    """The columns beside the subject's own. Each part is a line of its own, with its begin and end."""
    return {
        "sender": join_lines((sender,)),
        "recipients": join_lines(addresses),
        "tags": join_lines(tags),
        "filenames": join_lines(filenames),
        "pairs": join_lines(f"{name}={value}"[:MAX_PAIR] for name, value in metadata.items()),
    }


def join_lines(parts: Iterable[str]) -> str:
    """The folded parts, each between line ends; empty without parts."""
    joined = "\n".join(parts)
    return fold(f"\n{joined}\n") if joined else ""
