"""The roles of people, and the one table of what each may do. docs/people.md prints it; a test compares the two."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import models


class Role(models.TextChoices):
    """What a person does, in one project or in the whole installation."""

    SUPPORT = "support"
    DEVELOPER = "developer"
    OPERATOR = "operator"
    OWNER = "owner"


EVERYBODY = frozenset(Role)
BUILDERS = frozenset({Role.DEVELOPER, Role.OPERATOR, Role.OWNER})
OPERATORS = frozenset({Role.OPERATOR, Role.OWNER})
OWNERS = frozenset({Role.OWNER})


@dataclass(frozen=True, kw_only=True)
class Right:
    """A row of the table: a kind of right, what it is for, and the roles that have its permissions.

    A right of the installation is held only by somebody whose role holds in the whole installation.
    """

    kind: str
    what: str
    roles: frozenset[Role]
    permissions: tuple[str, ...]
    is_of_installation: bool = False


def build_names(model: str, *verbs: str) -> tuple[str, ...]:
    """`("domains.domain", "add")` → `("domains.add_domain",)`."""
    app, _, name = model.partition(".")
    return tuple(f"{app}.{verb}_{name}" for verb in verbs)


RIGHTS: tuple[Right, ...] = (
    Right(
        kind="view",
        what="mail with its bodies, recipients and attempts; suppressions; statistics",
        roles=EVERYBODY,
        permissions=("mail.view_message", "tracking.view_suppression", "tracking.view_rollup"),
    ),
    Right(
        kind="view",
        what="project, streams, domains, providers without credentials, templates, webhooks and their log, requests",
        roles=EVERYBODY,
        permissions=(
            *("accounts.view_project", "accounts.view_stream", "domains.view_domain", "providers.view_provider"),
            *("templates.view_template", "webhooks.view_endpoint", "webhooks.view_webhookdelivery"),
            "accounts.view_requestentry",
        ),
    ),
    Right(
        kind="view",
        what="API keys without their text, limits, retention, notices, pauses",
        roles=BUILDERS,
        permissions=(
            *("accounts.view_apikey", "accounts.view_projectlimits", "accounts.view_keylimits"),
            *("accounts.view_retention", "accounts.view_notice", "mail.view_pause"),
        ),
    ),
    Right(
        kind="view",
        what="audit log, members, erasures",
        roles=OPERATORS,
        permissions=("accounts.view_auditentry", "accounts.view_membership", "mail.view_erasure"),
    ),
    Right(
        kind="act",
        what="cancel, resend, retry, settle and approve mail; release suppressions with a note",
        roles=EVERYBODY,
        permissions=("mail.act_message", "tracking.release_suppression"),
    ),
    Right(
        kind="act",
        what="add, import and delete suppressions; mark notices as read",
        roles=BUILDERS,
        permissions=(*build_names("tracking.suppression", "add", "delete"), "accounts.change_notice"),
    ),
    Right(
        kind="act",
        what="pause and resume mail and providers; erase a person",
        roles=OPERATORS,
        permissions=(*build_names("mail.pause", "add", "change"), "mail.add_erasure"),
    ),
    Right(
        kind="configure",
        what="templates, streams, webhooks, API keys",
        roles=BUILDERS,
        permissions=(
            *build_names("templates.template", "add", "change", "delete"),
            *build_names("accounts.stream", "add", "delete"),
            *build_names("webhooks.endpoint", "add", "change", "delete"),
            "accounts.add_apikey",
        ),
    ),
    Right(
        kind="configure",
        what="domains, providers at public addresses, retention, the project's name, contact and default sender",
        roles=OPERATORS,
        permissions=(
            *build_names("domains.domain", "add", "change", "delete"),
            *build_names("providers.provider", "add", "change", "delete"),
            *("accounts.change_project", "accounts.add_retention", "accounts.change_retention"),
        ),
    ),
    Right(
        kind="manage people",
        what="invite people; give, change and take roles; end members' sessions",
        roles=OWNERS,
        permissions=(
            *build_names("accounts.membership", "add", "change", "delete"),
            *build_names("accounts.invitation", "view", "add", "delete"),
        ),
    ),
    Right(
        kind="configure",
        what="new projects, limits, held suppressions, periodic tasks, failed sign-ins",
        roles=OPERATORS,
        permissions=(
            "accounts.add_project",
            *build_names("accounts.projectlimits", "add", "change", "delete"),
            *build_names("accounts.keylimits", "add", "change", "delete"),
            *build_names("tracking.suppressionwave", "view", "change"),
            *build_names("django_celery_beat.periodictask", "view", "change"),
            *build_names("axes.accessattempt", "view", "delete"),
        ),
        is_of_installation=True,
    ),
)

# Permission → the roles that have it, in a project and in the whole installation.
ROLES_IN_PROJECT: Mapping[str, frozenset[Role]] = {
    name: right.roles for right in RIGHTS if not right.is_of_installation for name in right.permissions
}
ROLES_IN_INSTALLATION: Mapping[str, frozenset[Role]] = {
    name: right.roles for right in RIGHTS for name in right.permissions
}


def build_table() -> str:
    """The table in Markdown, with a final line end."""
    head = "| right | what | " + " | ".join(Role.values) + " |\n|---|---|" + "---|" * len(Role) + "\n"
    return head + "".join(
        f"| {right.kind} | {right.what}{' (whole installation only)' if right.is_of_installation else ''} | "
        + " | ".join("yes" if role in right.roles else "" for role in Role)
        + " |\n"
        for right in RIGHTS
    )
