"""Verdicts on planted effects, and what is left out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.statistics.claims import CLAIMS_TABLE, Claim
from autola_analysis.statistics.compare import Comparison, compare
from autola_analysis.statistics.resampled import Resampled, ResampledStatistic
from benchmarks.simulations.simulation import Simulation, rates
from benchmarks.simulations.verdicts import SIMULATIONS
from tests.statistics.studies import CLAIMS, per_image, unit_means
from tests.study.naive_statistics import interval_around

NAMES = [claim.name for claim in CLAIMS]
STUDIES = 100
NOISE = {"clear": 1.0, "noisy": 40.0}


def study(effect: float, noise: str = "clear", runs: int = 3, images: int = 400) -> Comparison:
    """Compare HOGA, whose effect is planted in the claimed direction, with two others."""
    generator = np.random.default_rng(0)
    hard = generator.random(images)
    loud = NOISE[noise]
    planted = {"none": 0.0, "SE": 0.0, "HOGA": effect}
    units = unit_means(
        {name: (0, -0.5 * each, -each) for name, each in planted.items()}, runs, 0.001 * loud, 0.001 * loud
    )
    energies, correct = {}, {}
    for name, each in planted.items():
        runs_of = 0.001 * loud * generator.normal(size=(runs, 1))
        energies[name] = 0.5 * hard + each + runs_of + 0.01 * generator.normal(size=(runs, images))
        correct[name] = hard < 0.5 + each + runs_of
    statistics = [*units, per_image("maps", "energy", energies), per_image("features", "knn_accuracy", correct)]
    return compare("HOGA", statistics, CLAIMS)


def verdicts(claims: pd.DataFrame) -> dict[str, str]:
    """Return the one verdict of each claim."""
    assert (claims.groupby("claim")["verdict"].nunique() == 1).all()
    return dict(zip(claims["claim"], claims["verdict"], strict=True))


def test_a_planted_difference_over_three_runs_is_supported() -> None:
    claims = study(0.1).claims
    assert claims.columns.tolist() == CLAIMS_TABLE.names
    assert claims["claim"].tolist() == [name for name in NAMES for _ in range(2)]
    assert claims["against"].tolist() == ["none", "SE"] * len(NAMES)
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
    assert set(verdicts(study(0.0).claims).values()) == {"equivalent"}


def test_noise_between_runs_leaves_all_undecided() -> None:
    assert set(verdicts(study(0.03, "noisy").claims).values()) == {"undecided"}


def test_one_checkpoint_each_is_decided_for_checkpoints_alone() -> None:
    claims = study(0.1, runs=1).claims
    assert set(claims["scope"]) == {"checkpoints"}
    assert verdicts(claims)["less in depth"] == "supported"


def test_the_statistics_are_those_of_the_last_and_the_first_stage() -> None:
    compared = study(0.1)
    places = compared.claims.drop_duplicates("claim").set_index("claim")[["statistic", "layer", "margin"]]
    assert places.loc[NAMES].to_numpy().tolist() == [
        ["mean_selectivity", "layer3", 0.02],
        ["mean_selectivity", "layer1", 0.02],
        ["energy", "layer3", 0.02],
        ["knn_accuracy", "layer3", 0.01],
    ]
    for claim in compared.claims.to_dict("records"):
        same = [compared.table[column] == claim[column] for column in ("statistic", "layer", "against")]
        (row,) = compared.table[np.logical_and.reduce(same)].to_dict("records")
        assert [row[key] for key in ("value", "ci_low", "ci_high")] == [
            claim[key] for key in ("value", "ci_low", "ci_high")
        ]


BEYOND, OTHER_SIDE, INSIDE, ACROSS = (0.02, 0.03), (-0.03, -0.02), (-0.005, 0.005), (-0.005, 0.02)
MISSING = (float("nan"), float("nan"))
POINT = (0.0, 0.0)


def decided(claim: Claim, intervals: list[tuple[float, float]]) -> str:
    """Return the verdict where the strict intervals are the same."""
    return claim.verdict(intervals, intervals, claim.margin)


def test_one_other_variant_decides_against_and_all_decide_for() -> None:
    (claim,) = (each for each in CLAIMS if each.margin == 0.01)
    assert decided(claim, [BEYOND, BEYOND]) == "supported"
    assert decided(claim, [BEYOND, OTHER_SIDE]) == "contradicted"
    assert decided(claim, [MISSING, OTHER_SIDE]) == "contradicted"
    assert decided(claim, [INSIDE, INSIDE]) == "equivalent"
    for mixed in ([BEYOND, INSIDE], [BEYOND, ACROSS], [BEYOND, MISSING], [INSIDE, MISSING]):
        assert decided(claim, mixed) == "undecided"


def test_only_a_strict_interval_contradicts() -> None:
    (claim,) = (each for each in CLAIMS if each.margin == 0.01)
    assert claim.verdict([OTHER_SIDE, BEYOND], [ACROSS, BEYOND], 0.01) == "undecided"
    assert claim.verdict([OTHER_SIDE, BEYOND], [OTHER_SIDE, BEYOND], 0.01) == "contradicted"


def test_where_likeness_is_claimed_either_side_contradicts() -> None:
    (claim,) = (each for each in CLAIMS if each.direction == 0)
    assert decided(claim, [(0.0, 0.01), (0.03, 0.04)]) == "contradicted"
    assert decided(claim, [(0.0, 0.01), (-0.04, -0.03)]) == "contradicted"
    assert decided(claim, [(0.0, 0.01), (-0.01, 0.02)]) == "equivalent"
    assert decided(claim, [(0.0, 0.01), (-0.01, 0.03)]) == "undecided"


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("value", [0.0, 0.5, -0.5])
def test_an_interval_without_width_decides_nothing(claim: Claim, value: float) -> None:
    assert decided(claim, [(value, value)]) == "undecided"


def test_images_that_every_network_gets_right_decide_nothing() -> None:
    right = {name: np.ones((3, 50)) for name in ("SE", "HOGA")}
    claims = compare("HOGA", [per_image("features", "knn_accuracy", right)], CLAIMS).claims
    assert claims[["value", "ci_low", "ci_high"]].to_numpy().tolist() == [[0.0, 0.0, 0.0]]
    assert claims["verdict"].tolist() == claims["verdict_against"].tolist() == ["undecided"]


def test_each_other_variant_has_its_own_verdict_and_a_strict_interval() -> None:
    units = unit_means({"none": (0, 0, 0), "SE": (0, 0, -0.2), "HOGA": (0, 0, -0.1)})
    claims = compare("HOGA", units, CLAIMS[:1]).claims.set_index("against")
    assert claims["verdict_against"].to_dict() == {"none": "supported", "SE": "contradicted"}
    assert set(claims["verdict"]) == {"contradicted"}
    (last,) = (each for each in units if each.layer == "layer3")
    for other in ("none", "SE"):
        row = claims.loc[other]
        strict = last.difference("HOGA", other, confidence=0.975)
        assert (row["strict_low"], row["strict_high"]) == (strict.ci_low, strict.ci_high)
        assert row["strict_low"] < row["ci_low"] < row["ci_high"] < row["strict_high"]


def test_a_relative_margin_is_a_share_of_the_first_variants_mean() -> None:
    claim = replace(CLAIMS[1], share=0.25)
    assert (claim.margin_beside(0.02), claim.margin_beside(0.5), claim.margin_beside(-0.1)) == (0.005, 0.02, 0.0)
    units = unit_means({"none": (-0.08, 0, 0), "HOGA": (-0.07, 0, 0)}, run_spread=0.0001, fold_spread=0.0001)
    (first,) = (each for each in units if each.layer == "layer1")
    (row,) = compare("HOGA", units, [claim]).claims.to_dict("records")
    assert row["margin"] == pytest.approx(first.values["none"].mean() / 4)
    assert (row["margin"] < row["ci_low"], row["ci_high"] < claim.margin) == (True, True)
    assert row["verdict"] == "contradicted"  # and equivalent by the absolute margin
    assert compare("HOGA", units, [CLAIMS[1]]).claims["verdict"].tolist() == ["equivalent"]


@pytest.mark.parametrize(
    "simulation", [each for each in SIMULATIONS if each.name.startswith("3 ")], ids=lambda each: each.name
)
def test_verdicts_on_simulated_studies_are_right_as_often_as_they_promise(simulation: Simulation) -> None:
    found = rates(simulation, STUDIES, seed=1)
    for outcome, target in simulation.targets.items():
        assert found[outcome].allows(*target), outcome


interval = st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)).map(lambda ends: (min(ends), max(ends)))


@given(st.lists(interval, min_size=1, max_size=4))
def test_a_claim_and_its_opposite_agree_on_mirrored_intervals(intervals: list[tuple[float, float]]) -> None:
    less, *_, more = (each for each in CLAIMS if each.margin == 0.02)
    assert (less.direction, more.direction) == (-1, 1)
    mirrored = [(-high, -low) for low, high in intervals]
    assert decided(less, intervals) == decided(more, mirrored)


def test_claims_without_their_analysis_are_left_out_and_named() -> None:
    compared = compare("HOGA", unit_means({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}), CLAIMS)
    assert list(dict.fromkeys(compared.claims["claim"])) == NAMES[:2]
    assert list(compared.warnings) == [
        "the claim 'more precise masks' is left out: energy in the last stage (layer3) was not measured.",
        "the claim 'better features' is left out: knn_accuracy in the last stage (layer3) was not measured.",
    ]


def test_a_claim_is_about_the_last_stage_even_where_only_others_were_measured() -> None:
    values = {name: np.random.default_rng(0).random((1, 20)) for name in ("SE", "HOGA")}
    maps = [per_image("maps", "energy", values, layer="layer2")]
    assert compare("HOGA", maps, CLAIMS).claims["layer"].tolist() == ["layer2"]
    compared = compare("HOGA", maps, CLAIMS, stages=["layer1", "layer2", "layer3"])
    assert compared.claims.empty
    assert compared.claims.columns.tolist() == CLAIMS_TABLE.names
    assert "energy in the last stage (layer3) was not measured" in " ".join(compared.warnings)


def test_a_network_of_one_stage_has_no_first_stage_beside_the_last() -> None:
    values = {name: np.random.default_rng(0).random((1, 20)) for name in ("SE", "HOGA")}
    statistics = [per_image("units", "mean_selectivity", values)]
    compared = compare("HOGA", statistics, CLAIMS[:2], stages=["layer3"])
    assert compared.claims["claim"].tolist() == ["less in depth"]


def test_a_claim_needs_every_other_variant() -> None:
    units = unit_means({"none": (0, 0, 0), "SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs=1)
    features = per_image("features", "knn_accuracy", {name: np.ones((1, 20)) for name in ("SE", "HOGA")})
    compared = compare("HOGA", [*units, features], CLAIMS)
    assert "better features" not in set(compared.claims["claim"])
    assert any("was not measured for none" in warning for warning in compared.warnings)
    assert "less in depth" in compared._repr_html_()


def of_whole_networks(**values: float) -> ResampledStatistic:
    """Return a number of whole networks whose draws, the same for all but the value, vary by 0.01."""
    drawn = np.random.default_rng(0).normal(0, 0.01, (1, 200))
    numbers = {name: Resampled(np.array([value]), drawn * (1 + value) + value, 50) for name, value in values.items()}
    return ResampledStatistic("networks", "", "ap", numbers)


def test_a_claim_about_the_network_as_a_whole_needs_no_stages_and_has_no_layer() -> None:
    claim = Claim("detects better", "It is said.", "networks", "ap", "network", 1, 0.005)
    statistic = of_whole_networks(none=0.2, SE=0.3, HOGA=0.4)
    found = compare("HOGA", [statistic], [claim], stages=[]).claims
    assert found["against"].tolist() == ["none", "SE"]
    assert (set(found["layer"]), set(found["verdict"])) == ({""}, {"supported"})
    assert found["value"].tolist() == pytest.approx([0.2, 0.1])
    strict = statistic.difference("HOGA", "SE", confidence=0.975).interval
    assert found.loc[1, ["strict_low", "strict_high"]].tolist() == pytest.approx(strict)
    assert (found["detectable"] > 0.005).all()
    nothing = compare("HOGA", [of_whole_networks(SE=0.3, HOGA=0.4)], [replace(claim, statistic="ar")], stages=[])
    assert nothing.warnings == ("the claim 'detects better' is left out: ar was not measured.",)


def test_no_claim_is_about_a_guest_but_its_difference_is_shown() -> None:
    claim = Claim("detects better", "It is said.", "networks", "ap", "network", 1, 0.005)
    statistic = of_whole_networks(SE=0.3, HOGA=0.4, theirs=0.9)
    compared = compare("HOGA", [statistic], [claim], guests={"theirs"})
    assert compared.table["against"].tolist() == ["SE", "theirs"]
    assert compared.claims[["against", "verdict"]].to_numpy().tolist() == [["SE", "supported"]]
    assert compare("HOGA", [statistic], [claim], guests={"SE", "theirs"}).claims.empty


SEARCHED = Claim(
    "searched beats random", "It is said.", "networks", "top1", "network", 1, 0.05, against="random wiring"
)


def right_or_wrong(*runs: str) -> np.ndarray:
    """Return whether runs are right on images, as a text of 1 and 0 per run."""
    return np.array([[float(image) for image in run] for run in runs])


def test_a_claim_about_random_wirings_is_decided_against_these_alone() -> None:
    values = {
        "none": right_or_wrong("11111111", "11111111", "11111111"),
        "Rand": right_or_wrong("10001100", "10011000", "10001000"),
        "HOGA": right_or_wrong("11111100", "11111010", "11111101"),
    }
    statistic = per_image("networks", "top1", values, layer="")
    compared = compare("HOGA", [statistic], [SEARCHED], stages=[], random_wirings=["Rand", "gone"])
    assert compared.warnings == ()
    (row,) = compared.claims.to_dict("records")
    low, high = interval_around([values["HOGA"], -values["Rand"]])
    assert (row["against"], row["runs"], row["scope"]) == ("Rand", "3 v 3", "modules")
    assert row["value"] == pytest.approx(19 / 24 - 8 / 24)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert (row["strict_low"], row["strict_high"]) == (row["ci_low"], row["ci_high"])  # it has one opponent
    assert low > SEARCHED.margin
    assert row["verdict"] == "supported"
    others = {"none": values["none"], "Rand": values["HOGA"], "HOGA": values["Rand"]}
    mirrored = compare("HOGA", [per_image("networks", "top1", others, "")], [SEARCHED], [], random_wirings=["Rand"])
    assert mirrored.claims["verdict"].tolist() == ["contradicted"]
    one_each = {name: each[:1] for name, each in values.items()}
    alone = compare("HOGA", [per_image("networks", "top1", one_each, "")], [SEARCHED], [], random_wirings=["Rand"])
    assert alone.claims[["runs", "scope"]].to_numpy().tolist() == [["1 v 1", "checkpoints"]]


def test_without_random_wirings_a_claim_about_them_is_left_out_and_named() -> None:
    values = {name: np.eye(3) for name in ("none", "HOGA", "Rand")}
    compared = compare("HOGA", [per_image("networks", "top1", values, layer="")], [SEARCHED], stages=[])
    assert compared.claims.empty
    assert compared.warnings == (
        "the claim 'searched beats random' is left out: no variant has wirings that were drawn at random.",
    )
    del values["Rand"]
    missing = per_image("networks", "top1", values, layer="")
    other = per_image("networks", "nll", {"Rand": np.eye(3), "HOGA": np.eye(3)}, layer="")
    compared = compare("HOGA", [missing, other], [SEARCHED], stages=[], random_wirings=["Rand"])
    assert compared.warnings == ("the claim 'searched beats random' is left out: top1 was not measured for Rand.",)


def test_a_claim_extended_to_detectors_says_so_and_keeps_direction_stage_and_margin() -> None:
    claim = CLAIMS[0].for_detectors("mean_selectivity by objects", beside=("spread",))
    assert (claim.name, claim.quote) == ("less in depth (extended to detectors)", "[of classifiers] It is said.")
    kept = {"analysis", "stage", "direction", "margin", "share", "against"}
    assert {name for name in vars(claim) if getattr(claim, name) == getattr(CLAIMS[0], name)} == kept
    assert (claim.task, claim.extended, claim.beside) == ("detection", True, ("spread",))
    assert CLAIMS[0].for_detectors().statistic == "mean_selectivity"


@pytest.mark.parametrize("name", ["first", "last"])
def test_without_stages_nothing_about_a_stage_is_decided(name: str) -> None:
    (claim,) = (each for each in CLAIMS[:2] if each.stage == name)
    statistics = unit_means({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs=1)
    compared = compare("HOGA", statistics, [claim], stages=[])
    assert compared.claims.empty
    assert f"in the {name} stage was not measured" in compared.warnings[0]
