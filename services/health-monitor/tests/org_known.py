"""A subject as it is shown and as its shard judges it, and the rules that count for it. Milliseconds."""

from dataclasses import dataclass, field
from typing import Any

from judge_subjects import Told
from org_words import OFFLINE, Moved, Rules

from fettle_contracts.health_policy import HealthPolicy


@dataclass
class Known:
    """A subject: what is shown of it, and what its shard judges. While it is `apart` the two are not the same. `since`:
    when its reading turned."""

    name: str
    shard: int
    integration: str
    moves: list[Moved] = field(default_factory=list)
    since: int = 0
    condition: str | None = None
    judged: Told | None = None
    silent: bool = False
    heard: int = 0
    reports: bool = False
    apart: bool = False

    @property
    def state(self) -> str | None:
        return self.moves[-1].to_state if self.moves else None

    def stood(self, at: int) -> str | None:
        before = [move.to_state for move in self.moves if move.at <= at]
        return before[-1] if before else None

    def means(self, says: str) -> str:
        return OFFLINE if self.integration else f"integration_{says}"


def rules_of(policy: HealthPolicy, subject: str, integration: str) -> Rules:
    """What the org says, field by field; what is said of its integration goes before that, and what is said of the
    subject before both."""
    said: dict[str, Any] = {name: getattr(policy, name) for name in type(policy).model_fields}
    for override in policy.overrides:
        if integration and override.match.integration == integration:
            said |= override.fields
    for override in policy.overrides:
        if override.match.subject == subject:
            said |= override.fields
    return Rules(
        1000 * said["timeout_s"],
        1000 * said["open_debounce_s"],
        1000 * said["resolve_debounce_s"],
        1000 * said["rollup_window_s"],
        said["rollup_threshold"],
    )
