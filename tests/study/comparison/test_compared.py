"""What the groups of a study differ in: statistics of all analyses, accuracy of the passes, claims."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.cost import Cost
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.statistics.claims import Claim
from autola_analysis.statistics.intervals import bootstrap_interval
from autola_analysis.study.comparison.compared import compare_groups
from autola_analysis.study.file import DRAWS, TRAININGS, StudyFile, parse_study
from autola_analysis.study.models import StudyModel
from autola_analysis.study.networks import Network, accuracy_statistic
from autola_analysis.study.plan import Plan
from autola_analysis.study.wirings import is_drawn
from tests.inference.networks import Tiny
from tests.statistics.studies import per_image
from tests.statistics.test_compare import row_of

DIGITS = ClutteredDigits("test", 1)
CLAIM = Claim("better", "It is said.", "features", "knn_accuracy", "last", 1, 0.01)
IMAGES = 60
KINDS = {"HOGA": "hoga", "Rand": "hoga-random"}
"""Attentions of networks by the beginnings of their names"""


class Measured:
    """An analysis whose statistics are planted."""

    name = "features"
    claims = (CLAIM,)

    def statistics(self, result: Mapping[str, np.ndarray]) -> tuple[Sequence[Any], Sequence[str]]:
        return ([per_image("features", "knn_accuracy", result, "layer2")] if result else []), ("measured for a test.",)


def models(**groups: Sequence[str]) -> list[StudyModel]:
    """Return networks, one per name of every group."""
    made = []
    for group, names in groups.items():
        for name in names:
            attention = next((kind for start, kind in KINDS.items() if name.startswith(start)), "none")
            spec = ModelSpec("resnet20", attention, 10)
            loaded = LoadedModel(Tiny(), spec, None, None, "0", Path("a.pth"))
            runs = DRAWS if is_drawn(spec) else TRAININGS
            made.append(StudyModel(name, group, Variant(Tiny(), name, spec=spec), loaded, runs))
    return made


def study_of(candidate: str | None = None) -> StudyFile:
    file = {
        "data": {"d": {"source": "cluttered-digits"}},
        "models": {"a": {"path": "a.pth"}},
        "analyses": [{"kind": "gates"}],
    }
    return parse_study(file if candidate is None else {**file, "candidate": candidate})


def compared(
    networks: Sequence[StudyModel],
    values: Mapping[str, np.ndarray],
    accuracies: Sequence[Network] = (),
    candidate: str | None = None,
) -> Any:
    plan = Plan(study_of(candidate), networks, [SimpleNamespace(name="features", analysis=Measured())])
    return compare_groups(plan, {"features": values}, accuracies)


def network(model: StudyModel, correct: np.ndarray | None) -> Network:
    top1 = None if correct is None else float(correct.mean())
    return Network(model, DIGITS, Accuracy(IMAGES, top1, None), Cost(1, 1), correct)


def right(seed: int, images: int = IMAGES) -> np.ndarray:
    return np.random.default_rng(seed).integers(2, size=images).astype(bool)


def values(*names: str) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    return {name: generator.random((1, IMAGES)) for name in names}


def test_accuracy_is_paired_over_the_images_of_the_passes() -> None:
    pair = models(all=["SE", "HOGA"])
    theirs, ours = right(0), right(1)
    accuracies = [network(pair[0], theirs), network(pair[1], ours)]
    found = compared(pair, values("SE", "HOGA"), accuracies)
    row = row_of(found.table, "top1")
    apart = ours.astype(float) - theirs
    assert (row["analysis"], row["layer"]) == ("accuracy", "")
    assert row["value"] == pytest.approx(apart.mean())
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval(apart))
    assert found.claims["claim"].tolist() == ["better"]
    assert found.warnings[0] == "measured for a test."


def test_accuracies_of_runs_stand_below_each_other_and_without_labels_there_are_none() -> None:
    pair = models(all=["SE", "HOGA"])
    (statistic,) = accuracy_statistic(
        [network(pair[0], right(0)), network(pair[0], right(1)), network(pair[1], right(2))]
    )
    np.testing.assert_array_equal(statistic.values["SE"], np.stack([right(0), right(1)]))
    assert {name: each.shape for name, each in statistic.values.items()} == {"SE": (2, IMAGES), "HOGA": (1, IMAGES)}
    assert accuracy_statistic([network(pair[0], None)]) == []
    unmeasured = compared(pair, values("SE", "HOGA"), [network(model, None) for model in pair])
    assert set(unmeasured.table["analysis"]) == {"features"}


def test_every_group_has_its_own_candidate_and_is_compared_within_itself() -> None:
    networks = models(small=["SE", "HOGA"], large=["SE large", "HOGA large"], single=["other"])
    names = [model.variant.name for model in networks]
    accuracies = [network(model, right(seed)) for seed, model in enumerate(networks)]
    found = compared(networks, values(*names), accuracies)
    pairs = found.table[["model", "against"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["HOGA", "SE"], ["HOGA large", "SE large"]]
    assert found.claims[["model", "against"]].to_numpy().tolist() == pairs
    planted = values(*names)
    row = row_of(found.table, "knn_accuracy", model="HOGA large")
    assert row["value"] == pytest.approx((planted["HOGA large"] - planted["SE large"]).mean())


def test_only_claims_about_networks_of_the_candidates_task_are_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = models(all=["SE", "HOGA"])
    monkeypatch.setattr(Measured, "claims", (CLAIM, CLAIM.for_detectors()))
    assert compared(networks, values("SE", "HOGA")).claims["claim"].tolist() == [CLAIM.name]


@pytest.mark.parametrize(("candidate", "against"), [("HOGA", ["Rand"]), ("SE", []), ("Rand", [])])
def test_a_claim_about_random_wirings_is_about_a_candidate_with_a_searched_one(
    candidate: str, against: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_wirings = replace(CLAIM, name="beats random", against="random wiring")
    monkeypatch.setattr(Measured, "claims", (CLAIM, of_wirings))
    names = ["SE", "HOGA", "Rand"]
    found = compared(models(all=names), values(*names), candidate=candidate)
    claims = found.claims.groupby("claim", sort=False)["against"].agg(list).to_dict()
    others = [name for name in names if name != candidate]
    assert claims == {"better": others} | ({"beats random": against} if against else {})
    assert found.warnings == ("measured for a test.",)


def test_a_claim_about_random_wirings_is_named_as_left_out_beside_other_wirings_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without any, the page names them as a control that is lacking."""
    monkeypatch.setattr(Measured, "claims", (CLAIM, replace(CLAIM, name="beats random", against="random wiring")))
    assert compared(models(all=["SE", "HOGA"]), values("SE", "HOGA")).warnings == ("measured for a test.",)
    names = ["SE", "HOGA", "HOGA too"]
    (left_out,) = compared(models(all=names), values(*names), candidate="HOGA").warnings[1:]
    assert left_out == "the claim 'beats random' is left out: no variant has wirings that were drawn at random."


def test_the_named_candidate_counts_in_its_group_alone() -> None:
    networks = models(small=["SE", "HOGA"], large=["SE large", "HOGA large"])
    found = compared(networks, values(*(model.variant.name for model in networks)), candidate="SE")
    pairs = found.table[["model", "against"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["SE", "HOGA"], ["HOGA large", "SE large"]]


def test_a_group_with_two_candidates_is_named_and_the_others_are_compared() -> None:
    networks = models(small=["HOGA", "HOGA too"], large=["SE", "HOGA large"])
    found = compared(networks, values(*(model.variant.name for model in networks)))
    assert set(found.table["model"]) == {"HOGA large"}
    (sentence,) = [warning for warning in found.warnings if "nothing is compared" in warning]
    assert sentence.startswith("nothing is compared in small: HOGA, HOGA too all have HOGA")


def test_what_only_some_variants_have_is_left_out_and_accuracy_alone_is_no_comparison() -> None:
    networks = models(all=["SE", "HOGA"])
    accuracies = [network(model, right(seed)) for seed, model in enumerate(networks)]
    found = compared(networks, values("HOGA"), accuracies)
    assert found.table["statistic"].tolist() == ["top1"]
    assert len(found.claims) == 0
    assert "was not measured for SE" in found.warnings[-1]
    found = compared(networks, {}, accuracies)
    assert len(found.table) == len(found.claims) == 0
    assert found.warnings == ()
