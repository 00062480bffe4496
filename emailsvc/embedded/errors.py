"""Errors that keep a server from running on this machine."""


class EmbeddedError(Exception):
    """The server cannot run here. The text is one sentence for the user of the command."""
