"""What is known of an org's tickets: which are open, who is on whose list, what has run since when. Milliseconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from org_words import FIRING, MANY, OFFLINE, PENDING, RESOLVING, UNKNOWN, Ended, Moved, Quiet, Rules

FLAPPING = "flapping"
FAILING = frozenset({FIRING, FLAPPING})
TICKETED = FAILING | {RESOLVING}
UNWELL = TICKETED | {PENDING}


class Deed(NamedTuple):
    """Somebody resolves the ticket with this key, if there is one by then."""

    at: int
    key: str


class Entry(NamedTuple):
    """What happens to a ticket: it is open, or resolved. `beside` is the ticket that it is left over from or merged
    into."""

    at: int
    key: str
    what: str
    beside: str | None = None


class Waiting(NamedTuple):
    """A verdict about a device that cannot be decided yet: `behind` is the integration whose ticket somebody has
    resolved, or nothing where the device itself is judged afresh. `left_over`: from which ticket, if from one."""

    at: int
    subject: str
    behind: str | None
    left_over: str | None


@dataclass
class Lasting:
    """Something that must last for a while: since when, by the clock of which shard, and whether it has by now."""

    start: int
    shard: int = 0
    over: bool = False


class Stands(Protocol):
    """A subject, and all that is shown of it. An integration is behind none."""

    @property
    def name(self) -> str: ...
    @property
    def integration(self) -> str: ...
    @property
    def shard(self) -> int: ...
    @property
    def moves(self) -> Sequence[Moved]: ...
    @property
    def state(self) -> str | None: ...
    def stood(self, at: int) -> str | None: ...


class Org(Protocol):
    """How everybody stands `now`, and which rules count by now."""

    @property
    def now(self) -> int: ...
    @property
    def fleet(self) -> Mapping[str, Stands]: ...
    def rules(self, subject: str) -> Rules: ...

    def rules_behind(self, integration: str, shard: int) -> Rules:
        """What counts for the tickets that devices behind the integration share, by the policy of this shard."""

    def counts_from(self, subject: str) -> int:
        """Since when it counts as failing."""

    def has_lasted(self, lasting: Lasting, length: int, *, alone: bool = False) -> bool:
        """Whether it has by now; `alone`: a silence, which begins anew where nobody could be heard."""

    def is_judged(self, subject: str) -> bool:
        """Whether the org is switched on, for this subject's shard."""

    def publishes(self, subject: str) -> bool: ...

    def held_from_opening(self, subject: str) -> str | None:
        """The outcome where nothing opens for this subject, whatever happens to it."""


def condition_of(known: Stands) -> str:
    """What is wrong with it, or was last."""
    return next(move.condition for move in reversed(known.moves) if move.condition)


def of_device(subject: str) -> str:
    return f"{subject}:{OFFLINE}"


def of_many(integration: str) -> str:
    return f"integration/{integration}:{MANY}"


def integration_in(key: str) -> str:
    return key.rsplit(":", 1)[0].removeprefix("integration/")


class Books:
    """`entries` is all that happens to tickets, `lists` who is on whose list, and whether they have recovered."""

    def __init__(self, org: Org, silences: Sequence[Quiet]) -> None:
        self.org, self.silences = org, silences
        self.tickets: set[str] = set()
        self.ended: list[Ended] = []
        self.entries: list[Entry] = []
        self.lists: dict[str, dict[str, bool]] = {}
        self.joined: dict[str, int] = {}
        """When who is on a list came to it."""
        self.boards: dict[str, dict[str, bool]] = {}
        """Whom the latest ticket of each key names as its members, and whether they are ticked."""
        self.done_with: set[str] = set()
        """Keys whose latest ticket does not come back: it was merged into another, say."""
        self.opened: dict[str, int] = {}
        self.early: dict[str, Lasting] = {}
        """Tickets that somebody has resolved too early."""
        self.alone: dict[str, Lasting] = {}
        """Lists of such tickets of the integrations' own that nobody looks at any more."""
        self.fresh: dict[str, Lasting] = {}
        """Devices whose time after their integration's recovery is not over."""
        self.turned: dict[str, int] = {}
        """When the silence of those became their own."""
        self.few: dict[str, Lasting] = {}
        """Tickets about many on whose lists fewer are down than make many."""
        self.waiting: list[Waiting] = []

    def is_silenced(self, subject: str, at: int) -> bool:
        return any(quiet.subject == subject and quiet.start <= at < quiet.end for quiet in self.silences)

    def end(self, subject: str, outcome: str, at: int | None = None) -> None:
        self.ended.append(Ended(self.org.now if at is None else at, subject, outcome))

    # Tickets

    def of(self, subject: str) -> list[str]:
        """The open tickets about the subject itself."""
        return [key for key in sorted(self.tickets) if key.startswith(f"{subject}:") and not key.endswith(MANY)]

    def parent(self, integration: str) -> str | None:
        """The open ticket that devices behind the integration share: its own before one about many."""
        own, many = self.of(f"integration/{integration}"), of_many(integration)
        return own[0] if own else many if many in self.tickets else None

    def is_resolved_early(self, integration: str) -> bool:
        """Whether it is not known yet if a ticket comes back that they share."""
        return any(key.startswith(f"integration/{integration}:") for key in self.early)

    def open(self, key: str, beside: str | None = None) -> str:
        """Whether that is a new ticket or the last one, which comes back."""
        came = "reopened" if key in self.opened and key not in self.done_with else "opened"
        if key in self.done_with:
            self.done_with.discard(key)
            self.boards.pop(key, None)
        self.tickets.add(key)
        self.opened[key] = self.org.now
        self.early.pop(key, None)
        self.entries.append(Entry(self.org.now, key, "open", beside))
        return came

    def close(self, key: str, what: str, beside: str | None = None) -> None:
        self.tickets.discard(key)
        self.entries.append(Entry(self.org.now, key, what, beside))
        if what in ("merged", "superseded", "removed"):
            self.done_with.add(key)

    def merge(self, key: str, into: str) -> None:
        self.close(key, "merged", into)
        self.end(key.rsplit(":", 1)[0], "merged")

    def watch_no_more(self, subject: str) -> None:
        """Whether a ticket of its own comes back is of no interest any more."""
        for key in [key for key in self.early if key.startswith(f"{subject}:") and not key.endswith(MANY)]:
            del self.early[key]

    def fires_on(self, known: Stands) -> None:
        """For another reason."""
        self.watch_no_more(known.name)
        self.leave_alone(known)

    # Lists

    def is_down_elsewhere(self, subject: str, integration: str) -> bool:
        """Whether it is down on the list of another integration than this."""
        return any(of.get(subject) is False for key, of in self.lists.items() if integration_in(key) != integration)

    def down_on(self, key: str) -> bool:
        """Whether anybody on this list has not recovered."""
        return not all(self.lists.get(key, {}).values())

    def leave_alone(self, known: Stands) -> None:
        """Nobody looks any more at the tickets of the integration's own that somebody has resolved."""
        if known.state in (PENDING, UNKNOWN, None) or not self.org.publishes(known.name):
            return
        for key in [key for key in self.lists if key.startswith(f"{known.name}:") and not key.endswith(MANY)]:
            if key not in self.tickets and key not in self.early and self.down_on(key):
                self.alone[key] = Lasting(self.org.now, known.shard)

    def join(self, subject: str, key: str, by: Stands) -> None:
        """It is on this list now, and on no other; `by` is whose verdict says so."""
        for other, members in self.lists.items():
            if subject in members and other != key and not members.pop(subject):
                self._count(other, by)
        self.lists.setdefault(key, {})[subject] = False
        self.joined[subject] = self.org.now
        self.boards.setdefault(key, {})[subject] = False
        self._count(key, by)

    def tick(self, known: Stands) -> None:
        """It has recovered, or is gone: so it stands on every list that names it."""
        for shared, members in self.lists.items():
            if members.get(known.name) is False:
                members[known.name] = True
                self._count(shared, known)
        for named in self.boards.values():
            named |= {known.name: True} if known.name in named else {}

    def _count(self, key: str, by: Stands) -> None:
        """Whether few are down on the list of a ticket about many, now that somebody has come or gone."""
        if not key.endswith(MANY):
            return
        if self.listed(key) >= self.org.rules_behind(integration_in(key), by.shard).many:
            self.few.pop(key, None)
        else:
            self.few.setdefault(key, Lasting(self.org.now, by.shard))

    def listed(self, key: str) -> int:
        """How many on its list have not recovered and are not silenced."""
        down = [name for name, recovered in self.lists.get(key, {}).items() if not recovered]
        return sum(not self.is_silenced(name, self.org.now) for name in down)

    def down(self, integration: str) -> int:
        """How many would be on the list of a ticket about many by now: those who are and have not recovered, those who
        wait for it, and those who are about to fire and have no ticket."""
        names = {name for name, recovered in self.lists.get(of_many(integration), {}).items() if not recovered}
        soon = {each.subject for each in self.waiting if each.behind == integration}
        soon |= {
            each.name
            for each in self.org.fleet.values()
            if each.integration == integration and each.state == PENDING and of_device(each.name) not in self.tickets
        }
        return sum(not self.is_silenced(name, self.org.now) for name in names | soon)

    def failing_with(self, known: Stands) -> list[str]:
        """This device, and who else has begun to fail behind its integration, and not long ago."""
        others = [each.name for each in self.org.fleet.values() if each is not known and self._fails_with(each, known)]
        return [known.name, *others]

    def _fails_with(self, each: Stands, known: Stands) -> bool:
        window = self.org.rules_behind(known.integration, known.shard).window
        turned, now = self.turned.get(each.name, 0), self.org.now
        return (
            each.integration == known.integration
            and each.state in (PENDING, FIRING)
            and turned <= now < max(turned, self.org.counts_from(each.name)) + window
            and not self.is_silenced(each.name, now)
        )
