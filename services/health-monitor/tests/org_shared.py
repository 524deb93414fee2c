"""Shared tickets and people who resolve tickets early, beside what `org_oracle.py` tells of subjects and silences."""

from collections.abc import Mapping, Sequence

from org_books import Deed, Lasting
from org_oracle import Known, Oracle
from org_tickets import Tickets
from org_words import Quiet, Rules


class Shared(Oracle):
    """`books` is what becomes of tickets. Nobody flaps, all time is observed, and no rule changes."""

    def __init__(
        self,
        rules: Mapping[str, Rules],
        behind: Mapping[str, str],
        silences: Sequence[Quiet],
        deeds: Sequence[Deed],
        of_org: Rules,
    ) -> None:
        super().__init__(rules, behind, silences)
        self.of_org, self.deeds = of_org, deeds
        self.books = Tickets(self, silences, deeds)
        self.tickets, self.ended = self.books.tickets, self.books.ended

    def fractions(self) -> set[int]:
        return super().fractions() | {deed.at % 1000 for deed in self.deeds}

    def rules(self, subject: str) -> Rules:
        return self.of_each[subject]

    def rules_behind(self, integration: str, shard: int) -> Rules:
        return self.of_org

    def counts_from(self, subject: str) -> int:
        return self.fleet[subject].since

    def has_lasted(self, lasting: Lasting, length: int, *, alone: bool = False) -> bool:
        if alone and self.outages and not lasting.over:
            resumed = self.outages[-1].resumed
            if resumed is None:
                return False
            lasting.start = max(lasting.start, resumed)
        lasting.over = lasting.over or self.now >= lasting.start + length
        return lasting.over

    def is_judged(self, subject: str) -> bool:
        return True

    def publishes(self, subject: str) -> bool:
        return True

    def held_from_opening(self, subject: str) -> str | None:
        return None

    def _settle(self) -> None:
        super()._settle()
        self.books.decide_all()

    def _end_silences(self) -> None:
        self.books.settle()

    def _call(self, subject: str, condition: str) -> None:
        self.books.call(subject, condition)

    def _recover(self, subject: str) -> None:
        self.books.recover(subject)

    def _move(self, known: Known, to: str) -> None:
        super()._move(known, to)
        if to == "healthy":
            self.books.is_well(known.name)
