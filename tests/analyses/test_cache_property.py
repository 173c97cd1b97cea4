"""Whatever becomes of a cache and of what its entries depend on, numbers are those of no cache, to the last bit."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.analyses import pass_cache
from autola_analysis.analyses.embedding import neighbours, optimise, solutions
from autola_analysis.core.cache import NAME
from autola_analysis.core.entries import RECORD
from tests.analyses.cached_inputs import KINDS, Inputs

EXAMPLES = {"classifier": 8, "own code": 4, "detector": 3, "embedding": 5}
DAMAGE = ["bit", "bit", "bit", "cut off", "removed"]
EDITS = {
    "classifier": ["checkpoint", "image", "option"],
    "own code": ["code", "imported code"],
    "detector": ["box", "class"],
    "embedding": ["feature", "seed"],
}


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimise, "EARLY_ITERATIONS", 10)
        patch.setattr(optimise, "ITERATIONS", 10)
        patch.setattr(sys, "dont_write_bytecode", True)
        yield


def damage(cache: Path, what: str, draw: int) -> None:
    """Damage a file of an entry."""
    files = sorted(path for path in (cache / NAME).glob("*/*/**/*") if path.is_file())
    path = files[draw % len(files)]
    content, place = bytearray(path.read_bytes()), draw // len(files)
    if what == "removed":
        path.unlink()
    elif what == "cut off":
        path.write_bytes(content[: place % max(len(content), 1)])
    elif content:
        content[place // 8 % len(content)] ^= 1 << place % 8
        path.write_bytes(content)


def entries(cache: Path) -> dict[Path, int]:
    """Return when each entry was finished."""
    return {path: path.stat().st_mtime_ns for path in (cache / NAME).glob(f"*/*/{RECORD}")}


def edit(inputs: Inputs, what: str, draw: int) -> None:
    if what in inputs.edits:
        inputs.edits[what](draw)
    else:
        damage(inputs.cache, what, draw)


@pytest.mark.parametrize("kind", list(KINDS))
def test_numbers_with_a_cache_are_those_without(kind: str) -> None:
    step = st.tuples(st.sampled_from([*DAMAGE, *EDITS[kind]]), st.integers(0, 2**20))

    @settings(max_examples=EXAMPLES[kind], deadline=None, derandomize=True)
    @given(st.lists(step, min_size=1, max_size=3))
    def check(edits: list[tuple[str, int]]) -> None:
        with TemporaryDirectory() as folder:
            inputs = KINDS[kind](Path(folder))
            inputs.numbers(inputs.cache)
            for what, draw in edits:
                edit(inputs, what, draw)
            expected = inputs.numbers(None)
            for _ in range(2):
                before = entries(inputs.cache)
                found = inputs.numbers(inputs.cache)
                assert found.keys() == expected.keys()
                for name, values in expected.items():
                    np.testing.assert_array_equal(found[name], values, err_msg=f"{name} after {edits}")
            assert entries(inputs.cache) == before, "what was made again is found the second time"

    check()


@pytest.mark.parametrize(
    ("kind", "what"), [(kind, what) for kind, edits in EDITS.items() for what in sorted({*DAMAGE, *edits})]
)
def test_an_edit_is_noticed(kind: str, what: str, tmp_path: Path) -> None:
    inputs = KINDS[kind](tmp_path)
    first = inputs.numbers(inputs.cache)
    made = entries(inputs.cache)
    inputs.numbers(inputs.cache)
    assert entries(inputs.cache) == made
    edit(inputs, what, 12345)
    found = inputs.numbers(inputs.cache)
    assert entries(inputs.cache) != made
    same = [pd.Series(np.ravel(found[name])).equals(pd.Series(np.ravel(values))) for name, values in first.items()]
    assert all(same) == (what in DAMAGE)


@pytest.mark.parametrize("kind", list(KINDS))
def test_other_code_of_this_package_makes_its_entries_anew(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = KINDS[kind](tmp_path)
    inputs.numbers(inputs.cache)
    made = entries(inputs.cache)
    for module in (pass_cache, neighbours, solutions):
        monkeypatch.setattr(module, "numerical_code", lambda: {"autola-analysis": "edited"})
    inputs.numbers(inputs.cache)
    assert len(entries(inputs.cache)) == 2 * len(made)
