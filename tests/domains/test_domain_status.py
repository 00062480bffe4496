from datetime import UTC, datetime, timedelta

import pytest

from domains.domain_status import (
    CHECK_EVERY,
    PENDING_CHECK,
    PENDING_FRESH,
    SUSPEND_AFTER,
    DomainState,
    DomainStatus,
    Findings,
    check_interval,
    next_domain_state,
)

NOW = datetime(2030, 1, 10, tzinfo=UTC)
SOUND = Findings(is_sound=True, is_certain=False)
GONE = Findings(is_sound=False, is_certain=True)
UNCLEAR = Findings(is_sound=False, is_certain=False)
LATELY, LONG_AGO = NOW - SUSPEND_AFTER + timedelta(seconds=1), NOW - SUSPEND_AFTER
P, V, W, S = DomainStatus


@pytest.mark.parametrize("status", list(DomainStatus))
def test_records_that_stand_verify_from_any_state(status):
    before = DomainState(status=status, failing_since=LONG_AGO if status in {W, S} else None)
    assert next_domain_state(before, SOUND, NOW) == DomainState(status=V, failing_since=None)


@pytest.mark.parametrize(
    ("before", "findings", "after"),
    [
        ((P, None), GONE, (P, None)),
        ((P, None), UNCLEAR, (P, None)),
        ((V, None), GONE, (W, NOW)),
        ((V, None), UNCLEAR, (V, None)),
        ((W, LATELY), GONE, (W, LATELY)),
        ((W, LONG_AGO), GONE, (S, LONG_AGO)),
        ((W, LONG_AGO), UNCLEAR, (W, LONG_AGO)),
        ((S, LONG_AGO), GONE, (S, LONG_AGO)),
        ((S, LONG_AGO), UNCLEAR, (S, LONG_AGO)),
    ],
)
def test_missing_records_warn_first_and_suspend_only_for_certain(before, findings, after):
    standing = DomainState(status=before[0], failing_since=before[1])
    assert next_domain_state(standing, findings, NOW) == DomainState(status=after[0], failing_since=after[1])


def test_a_domain_is_looked_at_daily_and_oftener_while_something_is_about_to_change():
    assert check_interval(V, timedelta(days=400)) == timedelta(days=1)
    assert check_interval(W, timedelta(days=400)) < timedelta(days=1)
    assert check_interval(P, PENDING_FRESH - timedelta(1)) == PENDING_CHECK
    assert check_interval(P, PENDING_FRESH) == timedelta(days=1)
    assert set(CHECK_EVERY) == set(DomainStatus)
