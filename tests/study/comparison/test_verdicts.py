"""A verdict says whether the claim holds."""

import pytest

from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.study.comparison.verdicts import declared_claims, measured_text, verdict_text


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


def test_what_was_measured_is_named_with_its_layer_where_it_has_one() -> None:
    assert measured_text("knn_accuracy", "layer3") == "kNN accuracy, layer3"
    assert measured_text("ap", "") == "average precision"
    assert measured_text("grad-cam precision", "layer3") == "Grad-CAM precision, layer3"


def test_every_claim_has_a_name_of_its_own_and_those_of_detectors_say_where_they_come_from() -> None:
    claims = [claim for name in registrations() for claim in analysis_of(name).claims]
    assert len(declared_claims()) == len(claims)
    of_detectors = {claim.name: claim for claim in claims if claim.task == "detection"}
    assert [(claim.statistic, claim.stage, claim.direction, claim.margin) for claim in of_detectors.values()] == [
        ("ap", "network", 1, 0.005),
        ("corrected_mean_selectivity by objects", "last", -1, 0.02),
        ("grad-cam precision", "last", 1, 0.02),
        ("knn_accuracy", "last", 1, 0.01),
    ]
    extended = [name for name, claim in of_detectors.items() if claim.extended]
    assert extended == [name for name in of_detectors if name != "detects better"]
    assert all(name.endswith("(extended to detectors)") for name in extended)
    assert all(of_detectors[name].quote.startswith("[of classifiers] ") for name in extended)
    assert [claim.name for claim in claims if claim.task == "keypoints"] == ["finds joints better"]
