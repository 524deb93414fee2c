"""How a benchmark says what it measured: a table for people, JSON lines for machines."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("aiokafka", "asyncpg", "faststream", "msgspec", "pydantic", "sqlalchemy")


@dataclass(frozen=True)
class Figure:
    """One measured series.

    `values` are the repeats in the order they were taken; `bound` is what the figure has to keep, as text, and
    `better` says which end of the series is the bad one: the worst value stands beside the median, and so does the
    best, which whatever else the machine had to do has disturbed least.
    """

    name: str
    unit: str
    values: Sequence[float]
    better: str = "higher"
    bound: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def best(self) -> float:
        return max(self.values) if self.better == "higher" else min(self.values)

    @property
    def worst(self) -> float:
        return min(self.values) if self.better == "higher" else max(self.values)


def machine() -> dict[str, Any]:
    """What the figures were taken on: cores, memory, Python and the packages that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def report(question: str, figures: Sequence[Figure], name: str) -> None:
    """Prints the table and appends one JSON line per figure to `bench/results/<name>.jsonl`."""
    width = max(len(figure.name) for figure in figures)
    print(f"\n{question}")
    print(f"{'figure':<{width}}  {'best':>14}  {'median':>14}  {'worst':>14}  {'unit':<12}  bound")
    for figure in figures:
        values = f"{figure.best:>14,.3f}  {figure.median:>14,.3f}  {figure.worst:>14,.3f}"
        print(f"{figure.name:<{width}}  {values}  {figure.unit:<12}  {figure.bound}")
    RESULTS.mkdir(exist_ok=True)
    taken = datetime.now(tz=UTC).isoformat(timespec="seconds")
    with (RESULTS / f"{name}.jsonl").open("a") as lines:
        for figure in figures:
            line = {
                "at": taken,
                "figure": figure.name,
                "unit": figure.unit,
                "best": figure.best,
                "median": figure.median,
                "worst": figure.worst,
                "values": list(figure.values),
                "bound": figure.bound,
                **figure.details,
                **machine(),
            }
            lines.write(json.dumps(line) + "\n")
    sys.stdout.flush()
