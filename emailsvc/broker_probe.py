"""Asks the broker whether it would take a wake-up: Redis or RabbitMQ, whichever Celery uses."""

from emailsvc.celery import app


def find_broker_obstacle() -> str:
    """Why the broker takes nothing; empty if it does. Waits for it no longer than a publisher does."""
    connection = app.connection_for_write()
    refusals: tuple[type[BaseException], ...] = (*connection.connection_errors, *connection.channel_errors, OSError)
    try:
        connection.connect()
    except refusals as error:
        return f"the broker does not answer ({type(error).__name__})"
    finally:
        connection.release()
    return ""
