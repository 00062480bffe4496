"""The tables of a message's lifecycle: message, recipient, attempt and received feedback; `file_models` has its files.

The state lives on the recipient. A message's status is the roll-up of its recipients', stored, and written by
`RecipientQuerySet.move_to` only.
"""

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from accounts.streams import DEFAULT_STREAM
from common.ids import new_id
from domains.admitted_senders import SenderBasis
from ledger.models import DueRow
from messages.content_models import Content as Content
from messages.content_models import Subject as Subject
from messages.file_models import Attachment as Attachment
from messages.file_models import AttachmentContent as AttachmentContent
from messages.file_models import Upload as Upload
from messages.lifetime_models import Erasure as Erasure
from messages.lifetime_models import ErasureStatus as ErasureStatus
from messages.lifetime_models import LatePurge as LatePurge
from messages.lifetime_models import PurgeState as PurgeState
from messages.pause_models import GuardCount as GuardCount
from messages.pause_models import GuardState as GuardState
from messages.pause_models import IncidentResend as IncidentResend
from messages.pause_models import Pause as Pause
from messages.search_models import SavedSearch as SavedSearch
from messages.states import OPEN, Lane, OnUncertain, Phase, Status, StatusReason
from messages.transitions import AppliedTransition, Transition, apply_transitions, list_sources
from tracking.models import Event


class Message(models.Model):
    """An accepted message, as it will be sent. Its content never changes after accept.

    Each change of status rewrites the row and every index on it, so each byte and each index here costs time on the hot
    path. What never changes and is large or searched is in `Content` and `Subject`. Foreign keys without a constraint
    may name deleted rows.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="messages", db_index=False)
    api_key = models.ForeignKey(
        "accounts.ApiKey", models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    is_test = models.BooleanField(default=False)
    status = models.TextField(choices=Status.choices)
    status_reason = models.TextField(choices=StatusReason.choices, blank=True)

    from_name = models.TextField(blank=True)
    from_address = models.TextField()
    # Mailboxes as {"name", "address"}; they are only printed, never queried.
    reply_to = models.JSONField(default=list)
    subject = models.TextField()
    # [name, value] pairs: an object in jsonb loses the order.
    headers = models.JSONField(default=list)
    tags = ArrayField(models.TextField(), default=list)
    metadata = models.JSONField(default=dict)

    # Why the sender was admitted. The claim checks again whether that holds, see `Recipient.sender_id`.
    sender_basis = models.TextField(choices=SenderBasis.choices)
    domain = models.ForeignKey(
        "domains.Domain", models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    template = models.ForeignKey("templates.Template", models.SET_NULL, null=True, related_name="+", db_index=False)
    template_version = models.ForeignKey(
        "templates.Version", models.SET_NULL, null=True, related_name="+", db_index=False
    )
    track_opens = models.BooleanField(default=False)
    track_clicks = models.BooleanField(default=False)
    # The name of the project's stream, see `accounts.models.Stream`.
    stream = models.TextField(default=DEFAULT_STREAM)
    # The language that was asked of the template; empty for its default.
    locale = models.TextField(blank=True)
    enable_unsubscribe = models.BooleanField(default=False)

    priority = models.TextField(choices=Lane.choices, default=Lane.NORMAL)
    on_uncertain = models.TextField(choices=OnUncertain.choices, default=OnUncertain.RETRY)
    resent_from = models.ForeignKey("self", models.SET_NULL, null=True, related_name="resends", db_index=False)
    # Whether it is a resend to other addresses than the original's.
    is_forwarded = models.BooleanField(default=False)
    # A group of emails that can be cancelled together.
    batch_id = models.UUIDField(null=True, editable=False)
    # The Date of mail that a person approves, so that its bytes are known before. Null: that of `queued_at`.
    dated_at = models.DateTimeField(null=True, editable=False)

    created_at = models.DateTimeField()
    scheduled_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    bounced_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("act_message", "Can cancel, resend and settle messages")]
        indexes = [
            # GET /emails, newest first, by keyset or offset. Ids are UUIDv7, so their order is the order of creation.
            # It includes the mail of test keys only with ?test=true: the ids come from the index alone.
            models.Index(fields=["project", "-id"], include=["is_test"], name="message_list_live"),
            # GET /emails of a test key.
            models.Index(fields=["project", "-id"], name="message_list_test", condition=Q(is_test=True)),
            # GET /emails?status=…, and the admin's list of a status in all projects.
            models.Index(fields=["status", "project", "-id"], name="message_list_status"),
            # GET /emails?from_=…
            models.Index(F("project"), Lower("from_address"), F("id").desc(), name="message_list_from"),
            # GET /emails?template_id=…
            models.Index(fields=["template", "-id"], name="message_list_template", condition=Q(template__isnull=False)),
            # `forwarded_to`, and the admin's links from a message to its resends.
            models.Index(fields=["resent_from"], name="message_resends", condition=Q(resent_from__isnull=False)),
            # GET /emails?tag=…
            GinIndex(fields=["tags"], name="message_tags", condition=~Q(tags=[])),
            # cancel_group: the emails of a group.
            models.Index(
                fields=["project", "batch_id", "id"], name="message_batch", condition=Q(batch_id__isnull=False)
            ),
            # release_due: scheduled messages, the earliest first.
            models.Index(fields=["scheduled_at"], name="message_due", condition=Q(status=Status.SCHEDULED)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="message_status_known"),
            models.CheckConstraint(condition=Q(priority__in=Lane.values), name="message_priority_known"),
            models.CheckConstraint(condition=Q(sender_basis__in=SenderBasis.values), name="message_sender_basis_known"),
            models.CheckConstraint(
                condition=~Q(status=Status.SCHEDULED)
                | Q(scheduled_at__isnull=False)
                | Q(status_reason=StatusReason.APPROVAL),
                name="message_scheduled_or_held",
            ),
        ]

    # Filled by the queries in `selectors`, and by accept for its response.
    shown_recipients: "list[Recipient]"
    shown_attachments: "list[Attachment]"
    # Its resends to other addresses.
    shown_copies: "list[Message]"
    shown_events: "list[Event]"

    @property
    def message_id(self) -> str:
        """The Message-ID header. Every attempt has the same one, so that mail programs can detect a duplicate."""
        return f"<{self.id}@{self.from_address.rpartition('@')[2]}>"


class RecipientField(models.TextChoices):
    TO = "to"
    CC = "cc"
    BCC = "bcc"


class RecipientQuerySet(models.QuerySet["Recipient"]):
    """Recipients, with the only public method that changes their state."""

    def move_to(
        self, status: Status, reason: StatusReason = StatusReason.NONE, wait: timedelta | None = None
    ) -> list[AppliedTransition]:
        """Move each recipient of this set to `status` where the table of transitions allows it.

        Call it in a transaction. `wait` is the time until the recipient is due; None leaves it without a next attempt.
        Returns the rows that changed; a recipient that another worker moved meanwhile keeps its state.
        """
        pairs = list(self.filter(status__in=list_sources(status)).values_list("id", "message_id"))
        transitions = [
            Transition(recipient_id=pk, message_id=message_id, status=status, reason=reason, wait=wait)
            for pk, message_id in pairs
        ]
        return apply_transitions(transitions)


class Recipient(DueRow):
    """One envelope recipient of a message, and a due row: it is in the queue while an attempt may follow.

    The claim reads this table alone, so it repeats the message's columns that the claim needs.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Served by the index of `recipient_once_per_message`.
    message = models.ForeignKey(Message, models.CASCADE, related_name="recipients", db_index=False)
    project = models.ForeignKey(
        "accounts.Project", models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    kind = models.TextField(choices=RecipientField.choices)
    position = models.SmallIntegerField()
    name = models.TextField(blank=True)
    address = models.TextField()
    domain = models.TextField()

    status = models.TextField(choices=Status.choices)
    status_reason = models.TextField(choices=StatusReason.choices, blank=True)
    last_reply = models.TextField(blank=True)

    lane = models.TextField(choices=Lane.choices)
    is_simulated = models.BooleanField(default=False)
    # What the admission of the sender depends on, see `AdmittedSender`. Null for mail that needs no second check.
    sender_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField()
    # The block that keeps it from being claimed, see `pausing.parking`; empty if there is none.
    parked_by = models.TextField(blank=True, default="", db_default="")
    # Attempts claimed so far (the number of the last one); attempts that count for the retry schedule; consecutive
    # worker crashes.
    attempt_count = models.SmallIntegerField(default=0)
    deferral_count = models.SmallIntegerField(default=0)
    crash_count = models.SmallIntegerField(default=0)

    shown_attempts: "list[Attempt]"

    objects = RecipientQuerySet.as_manager()

    class Meta:
        indexes = [
            # claim: the due recipients of a project in a lane, the longest due first, and the projects that have some.
            models.Index(
                fields=["lane", "is_simulated", "project", "next_attempt_at"],
                name="recipient_turn",
                condition=Q(lease_token__isnull=True, next_attempt_at__isnull=False, parked_by="", crash_count=0),
            ),
            # unpark, and the blocks that park any mail.
            models.Index(
                fields=["parked_by"], name="recipient_parked", condition=~Q(parked_by="") & Q(status__in=sorted(OPEN))
            ),
            # claim_suspect: the few due recipients whose last attempt crashed its worker.
            models.Index(
                fields=["lane", "next_attempt_at"],
                name="recipient_suspect",
                condition=Q(crash_count__gt=0, lease_token__isnull=True, next_attempt_at__isnull=False),
            ),
            # settle_waiting_senders: mail that waits for the verification of its sender's domain.
            models.Index(
                fields=["sender_id"],
                name="recipient_sender_waits",
                condition=Q(status_reason=StatusReason.SENDER_SUSPENDED),
            ),
            # sweep: expired leases.
            models.Index(fields=["lease_until"], name="recipient_leased", condition=Q(lease_token__isnull=False)),
            # expire: open recipients past their time. claim: the due ones that are not, when many are.
            models.Index(fields=["lane", "expires_at"], name="recipient_expiry", condition=Q(status__in=sorted(OPEN))),
            # expire: mail that nobody has approved in time.
            models.Index(
                fields=["expires_at"],
                name="recipient_held",
                condition=Q(status=Status.SCHEDULED, status_reason=StatusReason.APPROVAL),
            ),
            # GET /emails?status_reason=…, and the admin's search by reason. Mail that meets no trouble has none.
            models.Index(
                fields=["project", "status_reason", "-message"],
                name="recipient_reason",
                condition=~Q(status_reason=""),
            ),
            # GET /emails?to=…, and the admin's page of an address.
            models.Index(
                F("project"),
                OpClass(Lower("address"), name="text_pattern_ops"),
                F("message").desc(),
                name="recipient_address",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["message", "address"], name="recipient_once_per_message"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="recipient_status_known"),
            models.CheckConstraint(
                condition=Q(next_attempt_at__isnull=True) | Q(status__in=sorted(OPEN)), name="recipient_due_is_open"
            ),
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_until__isnull=True)
                | Q(lease_token__isnull=False, lease_until__isnull=False),
                name="recipient_lease_whole",
            ),
        ]


class Attempt(models.Model):
    """One transaction with a provider for one recipient, possibly interrupted by a crash."""

    id = models.BigAutoField(primary_key=True)
    # By the index of `attempt_number_once`, and without a constraint: see decision 210.
    recipient = models.ForeignKey(Recipient, models.CASCADE, "attempts", db_index=False, db_constraint=False)
    # Every table that grows names the project of its rows. Null until `0022` has filled those of earlier releases.
    project = models.ForeignKey(
        "accounts.Project", models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    number = models.SmallIntegerField()
    lease_token = models.UUIDField()
    phase = models.TextField(choices=Phase.choices)
    # A worker selects providers from data that is up to a second old, so there is no constraint. The name is kept when
    # the provider is deleted.
    provider = models.ForeignKey(
        "providers.Provider", models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    provider_name = models.TextField(blank=True)
    claimed_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.TextField(blank=True)
    code = models.SmallIntegerField(null=True)
    enhanced_code = models.TextField(blank=True)
    reply = models.TextField(blank=True)
    # The judgement of a refusal (`delivery.judging`); empty for other outcomes.
    reason = models.TextField(blank=True, db_default="")
    about = models.TextField(blank=True, db_default="")
    remote_host = models.TextField(blank=True)
    tls = models.TextField(blank=True)
    next_attempt_at = models.DateTimeField(null=True)
    # The reason for the provider, where there was a choice: {"because", "skipped": [{"provider", "because"}]}.
    decision = models.JSONField(null=True)
    # The provider's own id for the mail; its events refer to the mail by this id.
    remote_id = models.TextField(blank=True, db_default="")

    class Meta:
        indexes = [
            # The look-up for an ESP's event, GET /emails?remote_id=… and the admin's search. Attempts over SMTP have no
            # remote id and are left out of the index.
            models.Index(fields=["remote_id"], name="attempt_remote_id", condition=~Q(remote_id="")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["recipient", "number"], name="attempt_number_once"),
            models.CheckConstraint(condition=Q(phase__in=Phase.values), name="attempt_phase_known"),
        ]


class ReceivedFeedback(models.Model):
    """Feedback from a provider's event, a bounce or a complaint, stored once for each distinct report.

    The unique key makes a repetition harmless. Feedback that waits to be applied has `due_at`; of applied feedback only
    the key is kept, until the purge.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.TextField()
    content = models.JSONField(default=dict)
    due_at = models.DateTimeField(null=True)
    postponed_count = models.SmallIntegerField(default=0)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "received feedback"
        constraints = [models.UniqueConstraint(fields=["key"], name="feedback_once")]
        indexes = [
            # apply_due: waiting feedback, the longest due first.
            models.Index(fields=["due_at"], name="feedback_due", condition=Q(due_at__isnull=False)),
            # purge: the oldest.
            models.Index(fields=["received_at"], name="feedback_age"),
        ]
