"""The refusal of what a closed project asks for."""

from common.errors import ConflictError


class ProjectClosedError(ConflictError):
    """This project is closed: it sends no mail and gets no keys."""

    code = "project_closed"
