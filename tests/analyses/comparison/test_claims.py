"""Verdicts on planted effects, what is left out, which variant is the candidate."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.analyses.comparison import CLAIMS, Comparison, candidate_of, compare
from autola_analysis.analyses.comparison.claims import CLAIM_COLUMNS, SLOPE
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import OptionError, UnknownNameError
from tests.analyses.comparison.studies import embedding, saliency_result, selectivities

NAMES = [claim.name for claim in CLAIMS]
NOISE = {"clear": 1.0, "noisy": 40.0}


def study(effect: float, noise: str = "clear", runs: int = 3, images: int = 400) -> Comparison:
    """Compare HOGA, whose effect is planted in the claimed direction, with two others."""
    generator = np.random.default_rng(0)
    hard = generator.random(images)
    loud = NOISE[noise]
    planted = {"none": 0.0, "SE": 0.0, "HOGA": effect}
    units = selectivities(
        {name: (0, -0.5 * each, -each) for name, each in planted.items()}, runs, 0.001 * loud, 0.001 * loud
    )
    energies, embeddings = {}, []
    for name, each in planted.items():
        runs_of = 0.001 * loud * generator.normal(size=(runs, 1))
        energies[name] = 0.5 * hard + each + runs_of + 0.01 * generator.normal(size=(runs, images))
        for run in range(runs):
            correct = hard < 0.5 + each + float(runs_of[run, 0])
            embeddings.append(embedding(name, str(run + 1), correct))
    return compare("HOGA", units, saliency_result(energies), embeddings)


def verdicts(claims: pd.DataFrame) -> dict[str, str]:
    """Return the one verdict of each claim."""
    assert (claims.groupby("claim")["verdict"].nunique() == 1).all()
    return dict(zip(claims["claim"], claims["verdict"], strict=True))


def test_a_planted_difference_over_three_runs_is_supported() -> None:
    claims = study(0.1).claims
    assert claims.columns.tolist() == CLAIM_COLUMNS
    assert claims["claim"].tolist() == [name for name in NAMES for _ in range(2)]
    assert claims["against"].tolist() == ["none", "SE"] * 5
    assert set(claims["scope"]) == {"modules"}
    assert set(claims["runs"]) == {"3 v 3"}
    found = verdicts(claims)
    assert found.pop("alike in the first stage") == "equivalent"
    assert set(found.values()) == {"supported"}


def test_the_reverse_is_contradicted() -> None:
    found = verdicts(study(-0.1).claims)
    assert found.pop("alike in the first stage") == "equivalent"
    assert set(found.values()) == {"contradicted"}


def test_no_difference_is_equivalent() -> None:
    found = verdicts(study(0.0).claims)
    assert found.pop("the less selective the deeper") == "undecided"  # no margin to be inside of
    assert set(found.values()) == {"equivalent"}


def test_noise_between_runs_leaves_all_undecided() -> None:
    assert set(verdicts(study(0.03, "noisy").claims).values()) == {"undecided"}


def test_one_checkpoint_each_is_decided_for_checkpoints_alone() -> None:
    claims = study(0.1, runs=1).claims
    assert set(claims["scope"]) == {"checkpoints"}
    assert verdicts(claims)["less class selective in depth"] == "supported"


def test_the_statistics_are_those_of_the_last_and_the_first_stage() -> None:
    compared = study(0.1)
    places = compared.claims.drop_duplicates("claim").set_index("claim")[["statistic", "layer", "margin"]]
    assert places.loc[NAMES].to_numpy().tolist() == [
        ["mean_selectivity", "layer3", 0.02],
        ["mean_selectivity", "layer1", 0.02],
        [SLOPE, "layer1 to layer3", 0.0],
        ["grad-cam energy", "layer3", 0.02],
        ["knn_accuracy", "layer3", 0.01],
    ]
    for claim in compared.claims.to_dict("records"):
        if claim["statistic"] != SLOPE:
            same = [compared.table[column] == claim[column] for column in ("statistic", "layer", "against")]
            (row,) = compared.table[np.logical_and.reduce(same)].to_dict("records")
            assert [row[key] for key in ("value", "ci_low", "ci_high")] == [
                claim[key] for key in ("value", "ci_low", "ci_high")
            ]


def test_the_slope_is_the_least_squares_slope_of_the_differences() -> None:
    compared = study(0.1)
    table = compared.table[(compared.table["statistic"] == "mean_selectivity") & (compared.table["against"] == "SE")]
    slope = np.polyfit([1, 2, 3], table["value"], 1)[0]
    row = compared.claims[(compared.claims["statistic"] == SLOPE) & (compared.claims["against"] == "SE")].iloc[0]
    assert row["value"] == pytest.approx(slope)
    assert row["ci_low"] < slope < row["ci_high"]


def test_one_other_variant_decides_against_and_all_decide_for() -> None:
    (claim,) = (each for each in CLAIMS if each.name == "more discriminative features")
    beyond, other_side, inside, across = (0.02, 0.03), (-0.03, -0.02), (-0.005, 0.005), (-0.005, 0.02)
    missing = (float("nan"), float("nan"))
    assert claim.verdict([beyond, beyond]) == "supported"
    assert claim.verdict([beyond, other_side]) == "contradicted"
    assert claim.verdict([missing, other_side]) == "contradicted"
    assert claim.verdict([inside, inside]) == "equivalent"
    for mixed in ([beyond, inside], [beyond, across], [beyond, missing], [inside, missing]):
        assert claim.verdict(mixed) == "undecided"


def test_where_likeness_is_claimed_either_side_contradicts() -> None:
    (claim,) = (each for each in CLAIMS if each.direction == 0)
    assert claim.verdict([(0.0, 0.01), (0.03, 0.04)]) == "contradicted"
    assert claim.verdict([(0.0, 0.01), (-0.04, -0.03)]) == "contradicted"
    assert claim.verdict([(0.0, 0.01), (-0.01, 0.02)]) == "equivalent"
    assert claim.verdict([(0.0, 0.01), (-0.01, 0.03)]) == "undecided"


interval = st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)).map(lambda ends: (min(ends), max(ends)))


@given(st.lists(interval, min_size=1, max_size=4))
def test_a_claim_and_its_opposite_agree_on_mirrored_intervals(intervals: list[tuple[float, float]]) -> None:
    less, *_, more = (each for each in CLAIMS if each.margin == 0.02)
    mirrored = [(-high, -low) for low, high in intervals]
    assert less.verdict(intervals) == more.verdict(mirrored)


def test_claims_without_their_analysis_are_left_out_and_named() -> None:
    compared = compare("HOGA", selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}))
    assert list(dict.fromkeys(compared.claims["claim"])) == NAMES[:3]
    assert [warning for warning in compared.warnings if "left out" in warning] == [
        "the claim 'masks cover the object more precisely' is left out: "
        "grad-cam energy in the last stage (layer3) was not measured.",
        "the claim 'more discriminative features' is left out: "
        "knn_accuracy in the last stage (layer3) was not measured.",
    ]


def test_a_claim_is_about_the_last_stage_even_where_only_others_were_measured() -> None:
    maps = saliency_result({name: np.random.default_rng(0).random((1, 20)) for name in ("SE", "HOGA")}, layer="layer2")
    assert compare("HOGA", saliency=maps).claims["layer"].tolist() == ["layer2"]
    compared = compare("HOGA", saliency=maps, stages=["layer1", "layer2", "layer3"])
    assert compared.claims.empty
    assert compared.claims.columns.tolist() == CLAIM_COLUMNS
    assert "grad-cam energy in the last stage (layer3) was not measured" in " ".join(compared.warnings)


def test_a_claim_needs_every_other_variant() -> None:
    units = selectivities({"none": (0, 0, 0), "SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs=1)
    correct = np.ones(20)
    compared = compare("HOGA", units, embeddings=[embedding("SE", "1", correct), embedding("HOGA", "1", correct)])
    assert "more discriminative features" not in set(compared.claims["claim"])
    assert any("was not measured for none" in warning for warning in compared.warnings)
    assert "less class selective" in compared._repr_html_()


def variant(name: str, attention: str | None = None) -> Variant:
    spec = None if attention is None else ModelSpec("resnet20", attention, 10)
    return Variant(torch.nn.Identity(), name, spec=spec)


def test_the_candidate_is_the_named_one_else_hoga_else_the_last() -> None:
    ours, se, rand = variant("ours", "hoga"), variant("SE", "se"), variant("Rand", "hoga-random")
    assert candidate_of([ours, ours, se]) == "ours"
    assert candidate_of([ours, se], "SE") == "SE"
    assert candidate_of([rand, ours, se]) == "ours"
    assert candidate_of([rand, se]) == "Rand"
    assert candidate_of([se, variant("A"), variant("B")]) == "B"
    with pytest.raises(UnknownNameError, match="no variant is named 'hoga' to be the candidate; names: ours, SE"):
        candidate_of([ours, se], "hoga")
    with pytest.raises(OptionError, match="at least two variants; found ours"):
        candidate_of([ours, ours])
    with pytest.raises(OptionError, match="ours, theirs all have HOGA; say with --candidate"):
        candidate_of([ours, se, variant("theirs", "hoga")])
