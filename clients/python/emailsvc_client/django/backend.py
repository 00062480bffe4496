"""The email backend: `send_mail` and `EmailMessage.send` go to the service's API."""

from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from emailsvc_client.client import TIMEOUT, Client
from emailsvc_client.configuration import find_account
from emailsvc_client.django.sending import MessagesRefusedError, Sending
from emailsvc_client.errors import EmailsvcError


class EmailBackend(BaseEmailBackend):
    """Sends by emailsvc; `EMAILSVC_URL` and `EMAILSVC_API_KEY` are Django settings or environment variables.

    Any number of messages goes in batches of up to 500. An accepted message gets the attribute `emailsvc_id`. Without
    `fail_silently` the messages that the service refuses are named by MessagesRefusedError, after the others were sent.
    With it they are not counted; a message that is refused for some of its recipients is sent to the others.
    """

    def __init__(
        self,
        fail_silently: bool = False,
        *,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        **_: Any,
    ) -> None:
        super().__init__(fail_silently=fail_silently)
        self._options: dict[str, Any] = {"url": url, "api_key": api_key, "timeout": timeout}
        self._client: Client | None = None
        if not fail_silently:
            # A missing key is told by the program's start, not by its first mail.
            find_account(url, api_key)

    def open(self) -> bool:
        """Whether a connection was opened; it is kept until `close`."""
        if self._client is not None:
            return False
        try:
            self._client = Client(**self._options)
        except EmailsvcError:
            if not self.fail_silently:
                raise
            return False
        return True

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """The number of accepted messages. Messages without recipients are left out, as Django's own backends do."""
        messages = [message for message in email_messages or [] if message.recipients()]
        if not messages:
            return 0
        is_ours = self.open()
        if self._client is None:
            return 0
        sending = Sending(self._client, sender=EmailBackend, is_lenient=self.fail_silently)
        try:
            sending.send(messages)
        except EmailsvcError:
            if not self.fail_silently:
                raise
        finally:
            if is_ours:
                self.close()
        if sending.refusals and not self.fail_silently:
            raise MessagesRefusedError(sending.refusals, sending.sent_count)
        return sending.sent_count
