"""Who makes which calls."""

from collections.abc import Mapping

from fettle_chassis.patience import is_transient
from fettle_workflow_engine.domain.calls import Caller, Outcome, OutsideCall, Retry
from fettle_workflow_engine.domain.run import Failure


class Callers:
    """`domain.calls.Caller` for all kinds there are. A database that is away is one more thing that passes."""

    def __init__(self, by_kind: Mapping[str, Caller]) -> None:
        self._by_kind = by_kind

    async def perform(self, call: OutsideCall) -> Outcome:
        try:
            return await self._by_kind[call.kind].perform(call)
        except Exception as error:
            if not is_transient(error):
                raise
            return Retry(Failure("unavailable", f"Fettle could not make the call: {type(error).__name__}."))
