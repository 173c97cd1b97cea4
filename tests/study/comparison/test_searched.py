"""Searched wirings beside random ones: the table, and what verdicts say of a wiring, of several, of searching."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.registry import analysis_of
from autola_analysis.analyses.variants import Variant
from autola_analysis.attention import Genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.inference.cost import Cost
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.study.comparison.readings import few_runs, wiring_verdicts
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE, search_random_frame
from autola_analysis.study.file import DRAWS, SEARCHES, TRAININGS, parse_study
from autola_analysis.study.models import StudyModel
from autola_analysis.study.networks import Network
from autola_analysis.study.plan import Plan
from autola_analysis.study.wirings import is_drawn
from tests.inference.networks import Tiny
from tests.study.comparison.test_compared import DIGITS
from tests.study.comparison.test_section import section_of
from tests.study.naive_statistics import interval_around

SPECS = {
    "plain": [ModelSpec("resnet20", "none", 10)] * 3,
    "searched": [
        ModelSpec("resnet20", "hoga", 10, {}, {"genotype": Genotype.random(seed).to_pairs()}) for seed in (10, 11, 12)
    ],
    "released": [ModelSpec("resnet20", "hoga", 10)] * 3,
    "random": [ModelSpec("resnet20", "hoga-random", 10, {}, {"genotype_seed": seed}) for seed in range(3)],
    "one drawn": [ModelSpec("resnet20", "hoga-random", 10)] * 3,
}
RIGHT = {
    "plain": ["1111", "1111", "1111"],
    "searched": ["1110", "1101", "1110"],
    "released": ["1111", "1110", "1110"],
    "random": ["1100", "1010", "1100"],
    "one drawn": ["1100", "1100", "1000"],
}
(CLAIM,) = (claim for claim in analysis_of("evaluate").claims if claim.against == "random wiring")


def values(name: str, runs: int = 3) -> np.ndarray:
    return np.array([[float(image) for image in run] for run in RIGHT[name][:runs]])


def table(
    *names: str, groups: Mapping[str, str] | None = None, runs: int = 3, searches: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Return the table of a study of some variants."""
    networks = []
    for name in names:
        for run, (spec, right) in enumerate(zip(SPECS[name][:runs], values(name), strict=False), 1):
            variant = Variant(Tiny(), name, str(run), spec=spec)
            loaded = LoadedModel(Tiny(), spec, None, None, "0", Path("a.pth"))
            runs_are = SEARCHES if name in searches else DRAWS if is_drawn(spec) else TRAININGS
            model = StudyModel(name, (groups or {}).get(name, ""), variant, loaded, runs_are)
            networks.append(Network(model, DIGITS, Accuracy(4, right.mean(), None), Cost(1, 1), right == 1))
    tables = {name: {"path": "a.pth"} for name in names}
    file = parse_study({"data": {"d": {}}, "models": tables, "analyses": [{"kind": "evaluate"}]})
    return search_random_frame(Plan(file, [each.model for each in networks], []), networks)


def test_every_hoga_stands_beside_the_random_wirings_with_its_improvement_and_interval() -> None:
    found = table("plain", "searched", "released", "random", searches=("searched",))
    assert found.columns.tolist() == SEARCH_RANDOM_TABLE.names
    text = found[["variant", "runs", "genotypes", "against", "runs_are"]].to_numpy().tolist()
    assert text == [
        ["searched", 3, 3, "random", "searches"],
        ["released", 3, 1, "random", "trainings"],
        ["random", 3, 3, "", "draws"],
    ]
    assert found["accuracy"].tolist() == pytest.approx([9 / 12, 10 / 12, 6 / 12])
    assert found["relative_improvement"].tolist()[:2] == pytest.approx([50.0, 200 / 3])
    assert found["difference"].tolist()[:2] == pytest.approx([3 / 12, 4 / 12])
    assert found.loc[2, ["relative_improvement", "difference", "diff_low", "diff_high"]].isna().all()
    for row in found.to_dict("records"):
        interval = np.clip(interval_around([values(row["variant"])]), 0, 1)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(interval)
        if row["against"]:
            interval = interval_around([values(row["variant"]), -values("random")])
            assert (row["diff_low"], row["diff_high"]) == pytest.approx(interval)


def test_a_row_for_each_variant_of_random_wirings_of_the_same_group_and_none_without_them() -> None:
    names = ("released", "random", "one drawn")
    assert table(*names)[["variant", "against", "genotypes"]].to_numpy().tolist() == [
        ["released", "random", 1], ["released", "one drawn", 1], ["random", "", 3], ["one drawn", "", 1]
    ]  # fmt: skip
    apart = table(*names, groups={"one drawn": "another"})
    assert apart[["variant", "against"]].to_numpy().tolist() == [["released", "random"], ["random", ""]]
    for lacking in (("plain", "released"), ("plain", "random"), ("random", "one drawn")):
        assert table(*lacking).empty


def test_random_wirings_that_are_never_right_leave_no_relative_improvement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RIGHT, "random", ["0000"] * 3)
    found = table("released", "random")
    assert np.isnan(found.loc[0, "relative_improvement"])
    assert found.loc[0, "difference"] == pytest.approx(10 / 12)


def test_one_training_each_has_intervals_over_images_alone() -> None:
    one, three = table("released", "random", runs=1), table("released", "random")
    assert one[["runs", "genotypes"]].to_numpy().tolist() == [[1, 1], [1, 1]]
    assert one.loc[0, "difference"] == pytest.approx(0.5)
    assert one.loc[0, "diff_low"] >= 0 > three.loc[0, "diff_low"]


def claims(
    verdict: str, model: str = "released", against: tuple[str, ...] = ("random",), scope: str = "modules"
) -> pd.DataFrame:
    row = {
        "claim": CLAIM.name, "quote": CLAIM.quote, "statistic": CLAIM.statistic, "layer": "", "model": model,
        "value": 0.0123, "ci_low": -0.002, "ci_high": 0.0266, "margin": CLAIM.margin, "runs": "3 v 3", "scope": scope,
        "verdict_against": verdict, "verdict": verdict,
    }  # fmt: skip
    return CLAIMS_TABLE.frame([{**row, "against": other} for other in against])


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("supported", "the wiring of released is more accurate than a wiring drawn at random."),
        ("contradicted", "the wiring of released is less accurate than a wiring drawn at random."),
        ("equivalent", "the wiring of released is as accurate as a wiring drawn at random."),
        (
            "undecided",
            "it is undecided whether the wiring of released is more accurate than a wiring drawn at random.",
        ),
    ],
)
def test_a_verdict_on_trainings_of_one_wiring_is_about_this_wiring(verdict: str, words: str) -> None:
    (said,) = wiring_verdicts(claims(verdict), table("released", "random"))
    assert said == (
        f"Modules as trained here: {words} Top-1 accuracy of 3 trainings differs by +1.23 points [-0.20, +2.66] from "
        "that of 3 random wirings (random); the margin is 0.5 points."
    )


def test_only_a_verdict_on_searches_is_about_searching() -> None:
    searched = table("searched", "random", searches=("searched",))
    (said,) = wiring_verdicts(claims("supported", "searched"), searched)
    assert "here: searching finds wirings that are more accurate than wirings drawn at random." in said
    assert "Top-1 accuracy of 3 searches differs" in said
    (said,) = wiring_verdicts(claims("supported", "searched", scope="checkpoints"), table("searched", "random"))
    assert said.startswith(
        "These checkpoints alone: the wirings of searched are more accurate than wirings drawn at random. Top-1 "
        "accuracy of 3 trainings differs"
    )


def test_a_single_random_wiring_is_no_population() -> None:
    (said,) = wiring_verdicts(claims("equivalent", against=("one drawn",)), table("released", "one drawn"))
    assert "is as accurate as the one wiring drawn at random." in said
    assert "from that of 1 random wiring in 3 trainings (one drawn);" in said
    both = claims("undecided", against=("random", "one drawn"))
    (said,) = wiring_verdicts(both, table("released", "random", "one drawn"))
    assert "than a wiring drawn at random." in said
    assert "3 random wirings (random), and by +1.23 points [-0.20, +2.66] from that of 1 random wiring in" in said


def test_fewer_runs_than_recommended_are_named() -> None:
    searched = table("released", "random")
    assert few_runs(claims("undecided"), searched) == [
        "3 trainings of released and 3 random wirings (random) are few to tell searched wirings from random ones: 5 "
        "and 8 are recommended."
    ]
    searched.loc[searched["variant"] == "released", "runs"] = 5
    searched.loc[searched["variant"] == "random", ["runs", "genotypes"]] = 8
    assert few_runs(claims("undecided"), searched) == []
    searched.loc[searched["variant"] == "random", ["runs", "genotypes"]] = 8, 7
    assert "8 random wirings in" not in few_runs(claims("undecided"), searched)[0]
    assert "7 random wirings in 8 trainings (random)" in few_runs(claims("undecided"), searched)[0]


def test_the_section_says_verdict_recommendation_and_table(tmp_path: Path) -> None:
    searched = table("released", "random")
    section = section_of(claims("undecided"), tmp_path, searched=searched)
    (said,) = wiring_verdicts(claims("undecided"), searched)
    assert f"<p>{said}</p>" in section.body
    assert section.tables["Searched wirings beside random ones"] is searched
    assert any("5 trainings or searches and 8 random wirings are recommended" in text for text in section.reading)
    assert few_runs(claims("undecided"), searched)[0] in section.limits
    assert "[@yang2020]" in section.methods
    without = section_of(claims("undecided").assign(claim="another", statistic="ap"), tmp_path)
    assert "random wirings are recommended" not in " ".join([*without.reading, *without.limits, without.methods])
