"""What can go wrong with the embedded servers."""


class EmbeddedError(Exception):
    """The embedded servers cannot run here. The text is one sentence for the person who typed the command."""
