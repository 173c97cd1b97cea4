"""A verdict says whether the claim holds."""

import pytest

from autola_analysis.study.comparison.verdicts import verdict_text


@pytest.mark.parametrize(
    ("verdict", "direction", "text"),
    [
        ("supported", -1, "holds: supported beyond 0.005"),
        ("equivalent", 0, "holds: equivalent within 0.005"),
        ("equivalent", 1, "does not hold: equivalent within 0.005"),
        ("equivalent", None, "does not hold: equivalent within 0.005"),
        ("contradicted", 0, "does not hold: contradicted beyond 0.005"),
        ("undecided", 1, "undecided"),
    ],
)
def test_a_verdict_says_whether_the_claim_holds_and_within_which_margin(
    verdict: str, direction: int | None, text: str
) -> None:
    assert verdict_text(verdict, direction, 0.005) == text
    assert verdict_text(verdict, direction) == text.split(" within")[0].split(" beyond")[0]
