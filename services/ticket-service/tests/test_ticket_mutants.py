"""The tests of the ticket notice when one of its rules is broken: each is, in a copy, one at a time."""

from pathlib import Path

import pytest
from tests.mutation import Mutant, check_noticed, check_stands_once

import fettle_ticket_service

PACKAGE = Path(fettle_ticket_service.__file__).parent
DOMAIN = PACKAGE / "domain"
TESTS = Path(__file__).parent
SUITE = ("state_table", "opening", "edits", "book", "rollups")

MUTANTS = (
    # moves.py: the state table, and who may
    Mutant("moves", "(Verb.START, TicketState.IN_PROGRESS): Step.STAYS",
           "(Verb.START, TicketState.IN_PROGRESS): Step.MOVES"),
    Mutant("moves", '(Verb.START, TicketState.RESOLVED): "A resolved ticket cannot be started; reopen it first."',
           "(Verb.START, TicketState.RESOLVED): Step.MOVES"),
    Mutant("moves", "(Verb.MOVE_TO_OPEN, TicketState.OPEN): Step.STAYS",
           '(Verb.MOVE_TO_OPEN, TicketState.OPEN): "No."'),
    Mutant("moves", "(Verb.RESOLVE, TicketState.RESOLVED): Step.STAYS",
           "(Verb.RESOLVE, TicketState.RESOLVED): Step.MOVES"),
    Mutant("moves", '"A ticket in progress is not resolved, so it cannot be reopened."', "Step.STAYS"),
    Mutant("moves", "ActorType.WORKFLOW: Resolution.BY_WORKFLOW", "ActorType.WORKFLOW: Resolution.BY_PERSON"),
    Mutant("moves", "command.comment if command.comment and command.comment.strip() else None", "command.comment"),
    Mutant("moves", "(comment_fault(comment) if comment else None) or", ""),
    Mutant("moves", "at = ticket.not_before(command.effective(now))", "at = command.effective(now)"),
    Mutant("moves", "command.resolution is Resolution.MERGED:", "True:"),
    Mutant("moves", "evidence=None if moves else command.evidence", "evidence=command.evidence"),
    Mutant("moves", "if command.actor.is_monitor and ticket.source is not TicketSource.HEALTH_MONITOR:", "if False:"),
    Mutant("moves", "and step is Step.MOVES:\n        return _no_parent", "and False:\n        return _no_parent"),
    Mutant("moves", "if parent.id == ticket.id:", "if False:"),
    Mutant("moves", "if facts.rival is not None:", "if facts.rival is not None and command.actor.is_monitor:"),
    Mutant("moves", "elif not command.actor.is_monitor:", "elif False:"),
    Mutant("moves", "elif not may_return_by_key(ticket):", "elif False:"),
    Mutant("moves", "elif not inside_reopen_window(ticket, command.effective(now), facts):", "elif False:"),
    Mutant("moves", "command.resolution or RESOLUTIONS[actor.type]", "RESOLUTIONS[actor.type]"),
    Mutant("moves", "evidence=evidence, flap_count=command.flap_count)", "evidence=evidence, flap_count=None)"),
    # opening.py: one incident, one ticket
    Mutant("opening", "Resolution.MERGED, Resolution.SUPERSEDED, Resolution.REMOVED",
           "Resolution.MERGED, Resolution.SUPERSEDED"),
    Mutant("opening", "    if not latest.resolved:\n        return Unchanged(Because.KEY_HELD)\n", ""),
    Mutant("opening", "if not may_return_by_key(latest):", "if False:"),
    Mutant("opening", "< facts.policy.reopen_window", "<= facts.policy.reopen_window"),
    Mutant("opening", "if not inside_reopen_window(latest, command.effective(now), facts):",
           "if not inside_reopen_window(latest, now, facts):"),
    Mutant("opening", "if command.actor.is_person and not facts.policy.report_issue_enabled:",
           "if not facts.policy.report_issue_enabled:"),
    Mutant("opening", "by_monitor=command.actor.is_monitor", "by_monitor=True"),
    Mutant("opening", "by_person=command.actor.is_person", "by_person=not command.actor.is_monitor"),
    Mutant("opening", "by_person=command.actor.is_person", "by_person=False"),
    Mutant("opening", "previous=previous.link if previous is not None else None", "previous=None"),
    Mutant("opening", "at=latest.not_before(command.effective(now))", "at=command.effective(now)"),
    Mutant("opening", "flap_count=command.flap_count,\n        parent=None", "flap_count=None,\n        parent=None"),
    Mutant("opening", "None if facts.parent == latest else _parent(facts)", "_parent(facts)"),
    Mutant("opening", "title=command.title.strip()", "title=command.title"),
    Mutant("opening", "description=showable(command.description)", "description=command.description"),
    # edits.py: what people write
    Mutant("edits", "if seen is None or seen == ticket.description_version:",
           "if seen is None or seen <= ticket.description_version:"),
    Mutant("edits", "    if description == ticket.description:\n        return Unchanged(Because.SAME_TEXT)\n", ""),
    Mutant("edits", "    if command.links == ticket.links:\n        return Unchanged(Because.SAME_LINKS)\n", ""),
    Mutant("edits", "text=showable(text)", "text=text"),
    Mutant("edits", "difference=text_difference(ticket.description, description)",
           "difference=text_difference(description, description)"),
    Mutant("edits", "refused = links_fault(command.links)", "refused = None"),
    # ticket.py: what events change
    Mutant("ticket", '{"state": TicketState.OPEN, **NOT_STARTED}', '{"state": TicketState.OPEN}'),
    Mutant("ticket", "{**moved, **NOT_STARTED, **NOT_RESOLVED}", "{**moved, **NOT_RESOLVED}"),
    Mutant("ticket", '"parent": event.parent or ticket.parent,\n            }',
           '"parent": event.parent,\n            }'),
    Mutant("ticket", "ticket.flap_count if event.flap_count is None else event.flap_count", "event.flap_count or 0"),
    Mutant("ticket", "ticket.description_version + 1", "ticket.description_version"),
    Mutant("ticket", "return max(at, self.updated_at)", "return at"),
    # rollups.py, checklist.py: members and when the timeline speaks of them
    Mutant("rollups", "if ticket.source is not TicketSource.HEALTH_MONITOR:", "if False:"),
    Mutant("rollups", "< QUIET:", "<= QUIET:"),
    Mutant("rollups", "(ticket.checklist.noted_at or ticket.opened_at)", "ticket.opened_at"),
    Mutant("rollups", "    if member.recovered_at is None:\n        return None\n", ""),
    Mutant("rollups", "if member is None or member.recovered_at is not None:", "if member is None:"),
    Mutant("rollups", "ticket.checklist.total + len(members) - len(facts.members) + 1", "ticket.checklist.total + 1"),
    Mutant("checklist", "- kinds.count(Change.DOWN_AGAIN)", ""),
    Mutant("checklist", "room = NAMED_LIMIT - len(named)", "room = NAMED_LIMIT"),
    Mutant("checklist", "noted_at=at, unsaid=None", "noted_at=at"),
    # book.py: numbers, counts, keys
    Mutant("book", "            self.next_number += 1\n", "            pass\n"),
    Mutant("book", "            self.counts[before.state] -= 1\n", "            pass\n"),
    Mutant("book", "key=lambda ticket: (not ticket.resolved, ticket.number)", "key=lambda ticket: ticket.number"),
    Mutant("book", "            return Done(RECORD_ALTERED, ticket)\n", "            pass\n"),
    Mutant("book", "self._at_an_end(None if opens else ticket)", "self._at_an_end(ticket)"),
    Mutant("book", "return furthest > FURTHEST or of_ticket > FURTHEST_OF_A_TICKET", "return furthest > FURTHEST"),
    Mutant("book", " or _is_outside_time(ticket)", ""),
    Mutant("book", "latest.id != ticket.id and not latest.resolved", "latest.id != ticket.id"),
    Mutant("book", "self.changed[after.id] = after\n        self._keep(after)\n        return after\n\n    def _keep",
           "self._keep(after)\n        return after\n\n    def _keep"),
)  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_breaks_something_that_is_there(mutant: Mutant) -> None:
    check_stands_once(DOMAIN, mutant)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=range(len(MUTANTS)))
def test_a_broken_rule_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    tests = (TESTS / f"test_ticket_{part}.py" for part in SUITE)
    check_noticed(PACKAGE, DOMAIN, mutant, tests, tmp_path)
