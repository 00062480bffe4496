"""What keeps a service from running on this machine."""


class EmbeddedError(Exception):
    """It cannot run here. The text is one sentence for the person who typed the command."""
