"""The roles that people have."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.people.roles import Role
from common.ids import new_id


class Membership(models.Model):
    """The role of a person in a project; without a project, in the whole installation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", db_index=False)
    project = models.ForeignKey(
        "accounts.Project", models.CASCADE, null=True, blank=True, related_name="memberships", db_index=True
    )
    role = models.TextField(choices=Role.choices)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("id",)
        constraints = [
            # Also serves the look-up of a person's roles, at each of their requests.
            models.UniqueConstraint(
                name="membership_one_role_in_project", fields=["user", "project"], nulls_distinct=False
            ),
            models.CheckConstraint(name="membership_role_known", condition=Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user.get_username()}: {self.role}"
