"""An email that is accepted by the steps of all others, and is not stored: before the first one, which takes many times
as long as those after it.
"""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from accounts.acting_for import Delegate
from accounts.models import Project
from accounts.services import find_cached_key
from accounts.tokens import new_token
from common.addresses import parse_address
from common.errors import ApiError
from common.ids import timed_ids
from domains.admitted_senders import AdmittedSender, SenderBasis
from ledger.clock import database_time
from messages.accepting.admission import Admission, Admitted, Envelope
from messages.accepting.draft import Draft
from messages.accepting.persistence import Batch, build_rows
from messages.accepting.statement import Condition, NewRows, compose, store
from messages.models import RecipientField
from tracking.suppressions.reach import Cause
from webhooks.publishing import unheard_projects

# No project has this id.
NOBODY = UUID(int=0)
# Nobody's list of suppressed addresses would have to have an entry for it, so that the statement stores nothing.
ADDRESS = parse_address("rehearsal@example.com")
CALLER = Delegate(project=Project(id=NOBODY))
DRAFT = Draft(from_=ADDRESS, to=[ADDRESS], subject="Rehearsal", text="Rehearsal")
LISTED = {ADDRESS.address: [Cause("rehearsal", None)]}


def fill_caches(now: datetime) -> None:
    """Work out what needs no connection: how the rows are made, and the text of the statement."""
    compose(*build_email(now))


def rehearse() -> None:
    """Open this thread's connection, and have PostgreSQL read and plan what it is asked for an email.

    Raises the errors of an absent server.
    """
    find_cached_key(new_token())
    # Nobody's sender is admitted only where no mail leaves this machine.
    with suppress(ApiError):
        Admission(CALLER).admit(DRAFT)
    # The statement of a project that may have endpoints of webhooks, then that of one that has none.
    for is_unheard in (False, True):
        unheard_projects.note(NOBODY, is_test=False, is_unheard=is_unheard)
        result = store(*build_email(database_time()))
        assert not result.is_stored


def build_email(now: datetime) -> tuple[Condition, NewRows]:
    """An email of nobody, which cannot be stored."""
    admitted = Admitted(
        draft=DRAFT,
        sender=ADDRESS,
        recipients=[Envelope(kind=RecipientField.TO, address=ADDRESS)],
        admitted_sender=AdmittedSender(basis=SenderBasis.LOCAL_ONLY),
    )
    batch = Batch(key=CALLER, admitted=[admitted], uploaded={}, ids=timed_ids.take(now, 1), now=now)
    condition = Condition(project_id=NOBODY, addresses=batch.stored_forms, streams={DRAFT.stream}, listed=LISTED)
    return condition, build_rows(batch, {})
