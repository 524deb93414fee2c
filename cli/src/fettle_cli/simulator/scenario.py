"""What a simulated fleet does: its size, its rhythm, its faults. Read from a small YAML file."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fettle_contracts.identity import OrgName
from fettle_contracts.message import faults

BUILT_IN = Path(__file__).parents[1] / "scenarios"

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Start = Annotated[float, Field(ge=0, le=86_400)]


class ScenarioError(ValueError):
    """A scenario that cannot be played; the text names file, field and rule."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Fault(_Strict):
    """One kind of fault that comes again and again: the k-th begins at `first_s + k * every_s` and strikes one
    subject, drawn anew each time, for a time drawn from `lasts_s`."""

    first_s: Start = 0
    every_s: Seconds
    lasts_s: tuple[Seconds, Seconds]

    @model_validator(mode="after")
    def _range_in_order(self) -> "_Fault":
        if self.lasts_s[0] > self.lasts_s[1]:
            raise ValueError("lasts_s is [shortest, longest]")
        return self


class Stop(_Fault):
    """A device sends nothing."""

    kind: Literal["stop"]


class Late(_Fault):
    """A device's heartbeats are held back and all arrive when the fault ends."""

    kind: Literal["late"]


class Flip(_Fault):
    """A device says `offline` and `ok` in turns of `period_s`."""

    kind: Literal["flip"]
    period_s: Seconds


class IntegrationDown(_Fault):
    """An integration says `status`, and `share` of its devices send nothing."""

    kind: Literal["integration_down"]
    status: Literal["unreachable", "credentials_invalid"] = "unreachable"
    share: Annotated[float, Field(ge=0, le=1)] = 1.0


class ClockWrong(_Fault):
    """A device's own clock is off by `off_s`; it shows in `at` alone."""

    kind: Literal["clock_wrong"]
    off_s: Annotated[float, Field(ge=-1e9, le=1e9)]


Fault = Annotated[Stop | Late | Flip | IntegrationDown | ClockWrong, Field(discriminator="kind")]


class Scenario(_Strict):
    """A fleet and its faults. `interval_s` is how often each subject reports; `evidence` adds `at` and `seq`."""

    org: OrgName = "demo"
    seed: int = 1
    devices: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    integrations: Annotated[int, Field(ge=1, le=10_000)] = 8
    interval_s: Seconds = 2
    evidence: bool = True
    faults: tuple[Fault, ...] = ()

    @property
    def rate(self) -> float:
        """Heartbeats a second while nothing is wrong."""
        return (self.devices + self.integrations) / self.interval_s

    def at_rate(self, rate: float) -> "Scenario":
        """The same fleet reporting as often as `rate` heartbeats a second ask for."""
        interval_s = (self.devices + self.integrations) / rate
        return self.model_copy(update={"interval_s": interval_s})


def load_scenario(name: str) -> Scenario:
    """A scenario by path, or by the name of one that comes with Fettle (`demo`). Raises ScenarioError."""
    path = BUILT_IN / f"{name}.yaml" if "/" not in name and not name.endswith((".yaml", ".yml")) else Path(name)
    try:
        value = yaml.safe_load(path.read_text())
        return Scenario.model_validate(value or {})
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ScenarioError(f"{path}: " + "; ".join(map(str, faults(error)))) from None
