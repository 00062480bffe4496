"""SES's `GetAccount`: whether the key may send, and how much.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html.
"""

from dataclasses import asdict
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.installation.limits import find_limits
from accounts.metering.usage import count_day
from accounts.scopes import EMAILS_SEND, NO_SCOPE
from gateways.ses.viewsets import SesViewSet

# AWS's number for no limit.
UNLIMITED = -1.0


class AccountViewSet(SesViewSet):
    """`/v2/email/account`."""

    scopes: ClassVar = {"retrieve": NO_SCOPE}

    def retrieve(self, request: Request) -> Response:
        """The tighter of the limits of the key and of its project; the day is that of UTC."""
        limits = [asdict(find_limits(self.key)), asdict(find_limits(self.project))]

        def find_tightest(name: str) -> float:
            return min((float(each[name]) for each in limits if each[name] is not None), default=UNLIMITED)

        may_send = self.key.has_scope(EMAILS_SEND)
        return Response(
            {
                "DedicatedIpAutoWarmupEnabled": False,
                "EnforcementStatus": "HEALTHY",
                "ProductionAccessEnabled": not self.key.is_test,
                "SendingEnabled": may_send,
                "SendQuota": {
                    "Max24HourSend": find_tightest("messages_per_day"),
                    "MaxSendRate": find_tightest("messages_per_second"),
                    "SentLast24Hours": float(count_day(self.project.pk)),
                },
                "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
            }
        )
