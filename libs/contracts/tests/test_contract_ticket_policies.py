"""Ticket policies: defaults, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from fettle_contracts.message import faults
from fettle_contracts.ticket_policy import TicketPolicy


@pytest.mark.rule("KF-12")
def test_the_platforms_defaults_for_tickets() -> None:
    assert TicketPolicy().to_dict() == {
        "reopen_window_s": 3600,
        "retention_days": 365,
        "report_issue_enabled": True,
        "link_patterns": [],
    }


@pytest.mark.rule("KF-12")
@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"retention_days": 4}, "retention_days"),
        ({"retention_days": 366}, "retention_days"),
        ({"reopen_window_s": -1}, "reopen_window_s"),
        ({"link_patterns": [{"pattern": "WO", "url": "javascript:alert(1)"}]}, "link_patterns.0.url"),
    ],
)
def test_a_ticket_policy_that_cannot_work_is_refused(value: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TicketPolicy.model_validate(value)
    assert [fault.field for fault in faults(refused.value)] == [field]
