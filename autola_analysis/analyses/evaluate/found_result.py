"""What results of detectors and of networks for joints have in common: two tables, what was found, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol, Self, TypeVar

import pandas as pd
from numpy.typing import NDArray

from autola_analysis.core.errors import OptionError
from autola_analysis.core.results import Arrays, NetworkResult, Stored
from autola_analysis.core.tables import rows_of


class Columns(Protocol):
    """A frozen value of arrays."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by the names of the fields."""


@dataclass(frozen=True)
class Parts:
    """What results of one kind are made of.

    Attributes:
        metrics: Table with a row per metric, which the field ``metrics`` holds.
        single: Table with a row per class or joint, and the field that holds it.
        names: Field with the names of the classes or joints.
        found: Arrays of the field ``found``, and its type.
        numbers: Arrays of the field ``numbers``, and its type.
    """

    metrics: str
    single: tuple[str, str]
    names: str
    found: tuple[str, type[Any]]
    numbers: tuple[str, type[Any]]


@dataclass(frozen=True, repr=False)
class FoundResult(NetworkResult):
    """How well one network finds what it looks for.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        metrics: A row per metric.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside the numbers.
    """

    _PARTS: ClassVar[Parts]

    model: str
    run: str
    metrics: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    @classmethod
    def together(cls, results: Sequence[Self], over_runs: Sequence[tuple[pd.DataFrame, pd.DataFrame]] = ()) -> Stored:
        """Return the results of some networks as tables and arrays.

        Args:
            results: One per network.
            over_runs: Rows of variants over all their runs, for both tables.
        """
        parts = cls._PARTS
        table, single = parts.single
        about = [
            {
                "model": each.model,
                "run": each.run,
                parts.names: list(getattr(each, parts.names)),
                "settings": dict(each.settings),
                "warnings": list(each.warnings),
            }
            for each in results
        ]
        metrics = [*(each.metrics for each in results), *(rows for rows, _ in over_runs)]
        singles = [*(getattr(each, single) for each in results), *(rows for _, rows in over_runs)]
        tables = {
            parts.metrics: pd.concat(metrics, ignore_index=True),
            table: pd.concat(singles, ignore_index=True),
        }
        found, numbers = (
            {f"{each.model}/{each.run}/{name}": array for each in results for name, array in each._arrays(part).items()}
            for part in ("found", "numbers")
        )
        return Stored(tables, {parts.found[0]: Arrays(found, about), parts.numbers[0]: Arrays(numbers)})

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the results that `together` gave these tables and arrays."""
        parts, results = cls._PARTS, []
        table, single = parts.single
        for each in stored.arrays[parts.found[0]].about:
            names = {"model": each["model"], "run": each["run"]}
            prefix = f"{each['model']}/{each['run']}/"
            found, numbers = (
                kind(**{part.name: stored.arrays[name].values[prefix + part.name] for part in fields(kind)})
                for name, kind in (parts.found, parts.numbers)
            )
            values = {
                "metrics": rows_of(stored.tables[parts.metrics], **names),
                single: rows_of(stored.tables[table], **names),
                "found": found,
                "numbers": numbers,
                parts.names: tuple(each[parts.names]),
            }
            results.append(cls(**names, **values, settings=each["settings"], warnings=tuple(each["warnings"])))
        return results

    def _arrays(self, part: str) -> dict[str, NDArray[Any]]:
        value: Columns = getattr(self, part)
        return value.arrays()

    def _repr_html_(self) -> str:
        html: str = self.metrics.to_html(index=False, float_format="{:.4f}".format)
        return html


ResultT = TypeVar("ResultT", bound=FoundResult)


def runs_of(results: Sequence[ResultT]) -> dict[str, list[ResultT]]:
    """Return the runs of every variant, in order."""
    runs: dict[str, list[ResultT]] = {}
    for result in results:
        runs.setdefault(result.model, []).append(result)
    return runs


def numbers_of(results: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the numbers of the runs of every variant, in order.

    Args:
        results: Of one kind of `FoundResult`, whose numbers are of a type of its own.
    """
    return {name: [each.numbers for each in runs] for name, runs in runs_of(results).items()}


def to_draw(results: ResultT | Sequence[ResultT], what: str) -> list[ResultT]:
    """Return one result or several as a list.

    Args:
        results: What is drawn.
        what: It is, for messages.

    Raises:
        OptionError: If there is none.
    """
    several = [results] if isinstance(results, FoundResult) else list(results)
    if not several:
        raise OptionError(f"there are no {what} to draw.")
    return several
