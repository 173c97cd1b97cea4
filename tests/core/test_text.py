"""Texts that are put together from counts, sizes and names."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.core.text import apart


def test_names_that_are_there_more_than_once_get_their_place() -> None:
    assert apart(["crane", "owl", "crane"]) == ("crane (0)", "owl", "crane (2)")
    assert apart(["a", "a", "a (1)"]) == ("a (0)", "a (1) (1)", "a (1) (2)")


@given(st.lists(st.sampled_from(["a", "a (0)", "a (1)", "a (2)", "a (0) (0)", "b"]), max_size=8))
def test_names_are_apart_and_those_that_were_stay(names: list[str]) -> None:
    found = apart(names)
    assert len(found) == len(names) == len(set(found))
    assert apart(found) == found
    assert all(new.startswith(old) for new, old in zip(found, names, strict=True))
    if max(Counter(names).values(), default=0) <= 1:
        assert found == tuple(names)
