"""What a result prints: a few lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.core.brief import WIDTH, brief
from autola_analysis.core.results import SavedResult, Stored


@dataclass(frozen=True, repr=False)
class Result(SavedResult):
    name: str = "SE"
    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(np.zeros((500, 3))))
    maps: torch.Tensor = field(default_factory=lambda: torch.zeros(2, 3))
    means: Mapping[str, np.ndarray] = field(default_factory=lambda: {f"layer{n}": np.zeros(1000) for n in range(5)})
    warnings: Sequence[str] = ("one", "two", "three", "four")
    few: Sequence[str] = ("one",)
    nothing: Mapping[str, int] = field(default_factory=dict)
    long: str = "x" * 1000

    def stored(self) -> Stored:
        return Stored()

    @classmethod
    def restored(cls, stored: Stored) -> "Result":
        return cls()


def test_a_result_prints_the_size_of_what_is_large_and_what_is_small_as_it_is() -> None:
    text = " ".join(str(Result()).split())
    assert text.startswith("Result(name='SE', table=<DataFrame 500 x 3>, maps=<Tensor 2 x 3>, ")
    assert "means=<5: layer0, layer1, layer2, ...>, warnings=<4 of str>, few=('one',), nothing={}, " in text
    assert text.endswith(f"long='{'x' * 56}...)")
    assert all(len(line) <= WIDTH for line in str(Result()).splitlines())


def all_results(base: type[SavedResult] = SavedResult) -> list[type[SavedResult]]:
    """Return all kinds of results of the package."""
    import autola_analysis

    for name in autola_analysis.__all__:
        getattr(autola_analysis, name)
    return [kind for each in base.__subclasses__() for kind in [each, *all_results(each)]]


def test_no_kind_of_result_prints_every_number() -> None:
    kinds = [kind for kind in all_results() if kind.__module__.startswith("autola_analysis.analyses")]
    assert len(kinds) >= 11
    assert [kind.__name__ for kind in kinds if kind.__repr__ is not SavedResult.__repr__] == []


@pytest.mark.parametrize("rows", [0, 10_000])
def test_length_does_not_grow_with_numbers(rows: int) -> None:
    assert len(brief(Result(table=pd.DataFrame(np.zeros((rows, 3)))))) < 500
