"""Every number of a report can be computed again from the report's own tables and arrays."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.core.results import read_stored
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tasks import Classification
from autola_analysis.statistics.claims import Claim
from autola_analysis.statistics.compare import compare
from autola_analysis.study.comparison.verdicts import claimed_directions
from autola_analysis.study.demo import demo_checkpoints, demo_study
from autola_analysis.study.run import run_study
from tests.drafts import drafts
from tests.study.naive_statistics import interval_around, verdict

VARIANTS = ("none", "HOGA", "CBAM")
LAYERS = ("layer1", "layer2", "layer3")
RUNS = ("1", "2", "3")
IMAGES = 100
FEWER: dict[str, dict[str, Any]] = {
    "saliency": {"limit": 4, "sanity": 2, "sanity_draws": 3, "faithfulness": True},
    "embedding": {"limit": 50, "method": "pca"},
    "context": {"limit": 20},
}
"""Options that make the demo small enough for a test."""
EXACT = 1e-9


MEASURED = [name for name in registrations() if name != "search"]
"""Searches are made before the networks are, and are no property of theirs."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with three of its variants, all their runs, and few images."""
    values = demo_study().values()
    values["data"]["digits"]["limit"] = IMAGES
    values["models"] = {name: {"paths": [str(path) for path in demo_checkpoints()[name]]} for name in VARIANTS}
    values["analyses"] = [{**table, **FEWER.get(table["kind"], {})} for table in values["analyses"]]
    assert {table["kind"] for table in values["analyses"]} == set(MEASURED)
    with drafts():
        return run_study(
            values, tmp_path_factory.mktemp("demo") / "out", Reading(Settings(device="cpu", quiet=True))
        ).out


def table(report: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(report / "tables" / f"{name}.csv", dtype={"run": str}, keep_default_na=False, na_values=[""])


def arrays(report: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(report / "arrays" / f"{name}.npz") as found:
        return dict(found)


def stacked(values: Callable[[str, str], np.ndarray], variant: str) -> np.ndarray:
    return np.stack([values(variant, run) for run in RUNS])


def selectivity_blocks(report: Path, layer: str) -> Callable[[str, str], np.ndarray]:
    """Corrected mean selectivity as its definition says, a value per fold whose mean it is."""
    means, folds, halves = (arrays(report, name) for name in ("class_means", "fold_means", "half_means"))

    def of_run(variant: str, run: str) -> np.ndarray:
        key = f"{variant}/{run}/{layer}"
        indices = []
        for unit in means[key]:
            largest, rest = max(unit), (sum(unit) - max(unit)) / (len(unit) - 1)
            if largest + rest > 0:
                indices.append((largest - rest) / (largest + rest))
        theta, theta_f = float(np.mean(indices)), folds[key]
        count = len(theta_f)
        values = count * theta - (count - 1) * theta_f
        error = np.var(values, ddof=1) / count
        added = np.mean([[(one[kind] - other[kind]) ** 2 for kind in (0, 1)] for one, other in halves[key]], axis=0)
        stretch = np.sqrt(1 + max((added[1] - added[0]) / 4, 0) / error)
        return values.mean() + stretch * (values - values.mean())

    return of_run


def precision(report: Path) -> Callable[[str, str], np.ndarray]:
    rows = table(report, "saliency_images").set_index(["model", "run", "method"]).sort_index()
    return lambda variant, run: rows.loc[(variant, run, "grad-cam"), "precision"].to_numpy(float)


def neighbours(report: Path) -> Callable[[str, str], np.ndarray]:
    values = arrays(report, "embedding_influence")
    return lambda variant, run: values[f"{variant}/{run}/layer3/0/features/knn_accuracy"]


DECIDED_BY: dict[tuple[str, str], Callable[[Path], Callable[[str, str], np.ndarray]]] = {
    ("corrected_mean_selectivity", "layer1"): lambda report: selectivity_blocks(report, "layer1"),
    ("corrected_mean_selectivity", "layer3"): lambda report: selectivity_blocks(report, "layer3"),
    ("grad-cam precision", "layer3"): precision,
    ("knn_accuracy", "layer3"): neighbours,
}


@pytest.mark.parametrize("place", DECIDED_BY, ids=" ".join)
def test_a_claim_is_decided_by_what_the_report_holds(place: tuple[str, str], report: Path) -> None:
    claims = table(report, "claims")
    rows = claims[(claims["statistic"] == place[0]) & (claims["layer"] == place[1])]
    assert rows["against"].tolist() == ["none", "CBAM"]
    values = DECIDED_BY[place](report)
    intervals, strict = [], []
    for row in rows.to_dict("records"):
        terms = [stacked(values, "HOGA"), -stacked(values, str(row["against"]))]
        assert row["value"] == pytest.approx(terms[0].mean() + terms[1].mean(), abs=EXACT)
        intervals.append(interval_around(terms))
        strict.append(interval_around(terms, 1 - 0.05 / 2))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(intervals[-1], abs=EXACT)
        assert (row["strict_low"], row["strict_high"]) == pytest.approx(strict[-1], abs=EXACT)
        if "first stage" in row["claim"]:
            assert row["margin"] == pytest.approx(min(0.02, stacked(values, "none").mean() / 4), abs=EXACT)
        direction = claimed_directions()[row["claim"]]
        assert row["verdict_against"] == verdict(intervals[-1:], intervals[-1:], direction, row["margin"])
    assert set(rows["verdict"]) == {verdict(intervals, strict, direction, row["margin"])}


def claims_about_classifiers() -> list[Claim]:
    task = Classification().name
    return [claim for name in registrations() for claim in analysis_of(name).claims if claim.task == task]


def test_all_claims_are_among_those() -> None:
    claims = [claim for claim in claims_about_classifiers() if claim.against == "all"]
    assert {claim.statistic for claim in claims} == {statistic for statistic, _ in DECIDED_BY}


def test_the_comparison_is_made_of_tables_and_arrays(report: Path) -> None:
    statistics = []
    for name in MEASURED:
        analysis = analysis_of(name)
        statistics += analysis.statistics(analysis.restore(read_stored(report, analysis.format)))[0]
    again = compare("HOGA", statistics, claims_about_classifiers())
    written = table(report, "comparison")
    measured = written[written["analysis"] != "accuracy"].fillna({"layer": ""}).reset_index(drop=True)
    pd.testing.assert_frame_equal(measured, again.table, check_dtype=False, rtol=0, atol=EXACT)
    size = ["accuracy_difference", "parameters_ratio", "macs_ratio"]
    claims = table(report, "claims").drop(columns=size)
    pd.testing.assert_frame_equal(claims, again.claims.drop(columns=size), check_dtype=False, rtol=0, atol=EXACT)


def test_accuracy_and_size_beside_the_claims(report: Path) -> None:
    predictions, rows = arrays(report, "evaluation_predictions"), table(report, "accuracy")

    def right(variant: str, run: str) -> np.ndarray:
        key = f"{variant}/{run}"
        return (predictions[f"{key}/labels"] == predictions[f"{key}/predicted"]).astype(float)

    for row in rows.to_dict("records"):
        assert row["top1"] == pytest.approx(right(row["model"], row["run"]).mean(), abs=EXACT)
        assert row["images"] == IMAGES
    means = rows.groupby("model")[["top1", "parameters", "macs"]].mean()
    for claim in table(report, "claims").to_dict("records"):
        ours, theirs = means.loc["HOGA"], means.loc[claim["against"]]
        assert claim["accuracy_difference"] == pytest.approx(ours["top1"] - theirs["top1"], abs=EXACT)
        assert claim["parameters_ratio"] == pytest.approx(ours["parameters"] / theirs["parameters"], abs=EXACT)
        assert claim["macs_ratio"] == pytest.approx(ours["macs"] / theirs["macs"], abs=EXACT)
    comparison = table(report, "comparison")
    for row in comparison[comparison["analysis"] == "accuracy"].to_dict("records"):
        terms = [stacked(right, "HOGA"), -stacked(right, str(row["against"]))]
        assert row["value"] == pytest.approx(terms[0].mean() + terms[1].mean(), abs=EXACT)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(interval_around(terms), abs=EXACT)


def test_selectivity_by_layer(report: Path) -> None:
    units = table(report, "selectivity")
    for row in table(report, "selectivity_summary").to_dict("records"):
        of_layer = units[(units[["model", "run", "layer"]] == [row["model"], row["run"], row["layer"]]).all(axis=1)]
        alive = of_layer["selectivity"].dropna()
        assert (row["units"], row["dead"]) == (len(of_layer), of_layer["dead"].sum())
        assert [row["mean"], row["median"]] == pytest.approx([alive.mean(), alive.median()], abs=EXACT)
        blocks = selectivity_blocks(report, row["layer"])(row["model"], row["run"])
        assert row["mean_corrected"] == pytest.approx(blocks.mean(), abs=EXACT)
        half = 2.2621571627409915 * np.sqrt(blocks.var(ddof=1) / len(blocks))  # Student's t of 9 degrees, 0.975
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((blocks.mean() - half, blocks.mean() + half), abs=EXACT)


def test_maps_by_metric(report: Path) -> None:
    images = table(report, "saliency_images")
    rows = table(report, "saliency_metrics")
    for row in rows[(rows["subset"] == "all") & rows["model"].isin(VARIANTS)].fillna({"layer": ""}).to_dict("records"):
        own = images[(images["model"] == row["model"]) & (images["method"] == row["method"])]
        values = np.stack([own[own["run"] == run][row["metric"]].to_numpy(float) for run in RUNS])
        values = values[:, ~np.isnan(values).any(axis=0)]
        assert (row["images"], row["mean"]) == pytest.approx((values.shape[1], values.mean()), abs=EXACT)
        shares = row["metric"] not in ("offset_x", "offset_y", "insertion", "deletion")
        limits = np.clip(interval_around([values]), 0, 1) if shares else interval_around([values])
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(limits), abs=EXACT)


def test_embeddings_by_metric(report: Path) -> None:
    samples = arrays(report, "embedding_samples")
    quality = table(report, "embedding_quality")
    checked = 0
    for row in quality[quality["run"].isin(RUNS)].to_dict("records"):
        key = f"{row['model']}/{row['run']}/{row['layer']}/0/{row['space']}/{row['metric']}"
        if key in samples:
            assert row["value"] == pytest.approx(samples[key].mean(), abs=EXACT)
            checked += 1
    assert checked >= 3 * len(VARIANTS) * len(RUNS)


def test_surroundings_by_kind(report: Path) -> None:
    images = table(report, "context_images")
    for row in table(report, "context").to_dict("records"):
        own = images[(images["model"] == row["model"]) & (images["kind"] == row["kind"])]
        column = "correct" if "accuracy" in row["metric"] else "score"
        values = own.pivot(index="run", columns="image", values=column).astype(float)
        if row["metric"].endswith("_drop"):
            control = images[(images["model"] == row["model"]) & (images["kind"] == row["control"])]
            values = control.pivot(index="run", columns="image", values=column).astype(float)[values.columns] - values
        assert row["value"] == pytest.approx(values.to_numpy().mean(), abs=1e-6)  # scores are written in float32
        assert (row["images"], row["runs"]) == (values.shape[1], values.shape[0])
        low, high = interval_around([values.to_numpy()])
        limits = (low, high) if row["control"] == row["control"] else (max(low, 0), min(high, 1))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(limits, abs=1e-6)


def test_units_that_are_off(report: Path) -> None:
    kept, units, rows = arrays(report, "ablation"), table(report, "ablation_units"), table(report, "ablation")
    for variant in VARIANTS:
        for run in RUNS:
            own = units[(units["model"] == variant) & (units["run"] == run)]
            np.testing.assert_allclose(own["drop"], (own["lost"] - own["gained"]) / IMAGES, rtol=0, atol=EXACT)
            orders = int(json.loads((report / "run.json").read_text())["settings"]["ablation"][0]["orders"])
            curve = kept[f"{variant}/{run}/layer3/random"].mean(axis=0) / orders
            area = ((curve[1:] + curve[:-1]) / 2).mean()
            row = rows[(rows["model"] == variant) & (rows["run"] == run) & (rows["measure"] == "area_random")]
            assert row["value"].item() == pytest.approx(area, abs=EXACT)


def test_similarity_of_layers(report: Path) -> None:
    hsic = arrays(report, "similarity_hsic")["hsic"].sum(axis=0)
    places = [(variant, run, layer) for variant in VARIANTS for run in RUNS for layer in LAYERS]
    assert hsic.shape == (len(places), len(places))
    for row in table(report, "similarity").astype({"against_run": str}).to_dict("records"):
        one = places.index((row["model"], row["run"], row["layer"]))
        other = places.index((row["against"], row["against_run"], row["against_layer"]))
        assert row["cka"] == pytest.approx(hsic[one, other] / np.sqrt(hsic[one, one] * hsic[other, other]), abs=EXACT)
