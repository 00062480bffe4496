"""`/api/v1/admin/projects/{id}/members`: the people of a project and their roles."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Membership, Project
from accounts.people.roles import Role
from accounts.people.services import UnknownUserError, find_user, give_role, take_role
from accounts.scopes import ADMIN
from accounts.viewsets import ApiViewSet
from common.openapi import list_problems
from common.serializers import PageQuery, StrictDateTimeField, StrictSerializer


class MemberQuery(PageQuery):
    """The list of members."""


class MemberInput(StrictSerializer):
    """A role in the project."""

    role = serializers.ChoiceField(choices=Role.values)


class MemberOutput(serializers.Serializer[Membership]):
    """A person and their role in the project. People of the whole installation are not listed."""

    name = serializers.CharField(source="user.username", help_text="The name with which the person signs in.")
    email = serializers.CharField(source="user.email", help_text="Empty if it is not known.")
    role = serializers.ChoiceField(choices=Role.values)
    created_at = StrictDateTimeField(help_text="Since when the person has a role in the project.")


class ManagedMemberViewSet(ApiViewSet):
    """The members of a project, by the name with which they sign in."""

    scopes: ClassVar = dict.fromkeys(("list", "update", "destroy"), ADMIN)
    serializer_class = MemberOutput
    queries = {"list": MemberQuery}
    bodies = {"update": MemberInput}
    lookup_field = "user__username"
    lookup_url_kwarg = "name"
    lookup_value_converter = "str"
    # The services write the entries.
    unaudited = frozenset({"update", "destroy"})

    @property
    def project(self) -> Project:
        return get_object_or_404(Project, pk=self.kwargs["pk"])

    def get_queryset(self) -> QuerySet[Membership]:
        return Membership.objects.filter(project=self.project).select_related("user", "project")

    def get_object(self) -> Any:
        return get_object_or_404(self.get_queryset(), user__username=self.kwargs["name"])

    @extend_schema(responses=MemberOutput)
    def list(self, request: Request, pk: UUID) -> Response:
        """List a project's members, the newest first."""
        return self.list_rows(self.get_queryset())

    @extend_schema(responses={200: MemberOutput, **list_problems(UnknownUserError)})
    def update(self, request: Request, pk: UUID, name: str) -> Response:
        """Give a user a role in the project, in place of the one that they have there.

        Makes no user: the command create_user and invitations do.
        """
        project, values = self.project, self.read_body()
        row, _ = give_role(self.key.prefix, find_user(name), project, Role(values["role"]))
        return self.show(row)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID, name: str) -> Response:
        """Take a member's role away, and with the last one the access to the admin."""
        member = self.get_object()
        self.read_body()
        take_role(self.key.prefix, member)
        return Response(status=204)
