"""The analysis of embeddings: which runs are drawn, what a report keeps, what is compared, shown and printed."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.analyses.alone import measure_alone
from autola_analysis.analyses.analysis import Subject
from autola_analysis.analyses.embedding import REGISTRATION
from autola_analysis.analyses.embedding.analysis import EmbeddingAnalysis, EmbeddingResults
from autola_analysis.analyses.embedding.embed import embed, embed_all
from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.shown import POINTS, shown_points
from autola_analysis.analyses.embedding.words import chosen_images, embedding_methods
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError, LayerError, OptionError, UnknownNameError
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.core.tables import has_table
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.claims import decide
from autola_analysis.statistics.difference import Statistic
from tests.analyses.embedding.points import blobs
from tests.inference.networks import Tiny
from tests.statistics.studies import about

DIGITS = ClutteredDigits("test", 24)
READING = Reading(Settings(device="cpu", quiet=True))
OPTIONS = EmbeddingOptions(layer="layer1,layer2", method="pca", seed=3, seeds=2)
ANALYSIS = EmbeddingAnalysis()
SEPARATION = ("knn_accuracy", "silhouette", "linear_probe_accuracy")


def networks() -> list[Variant]:
    torch.manual_seed(0)
    return [Variant(Tiny(), "SE"), Variant(Tiny(), "SE", "2"), Variant(Tiny(), "HOGA", "5"), Variant(Tiny(), "HOGA")]


@pytest.fixture(scope="module")
def results() -> EmbeddingResults:
    return measure_alone(ANALYSIS, networks(), DIGITS, OPTIONS, READING)


@pytest.fixture(scope="module")
def report(results: EmbeddingResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    write_stored(directory, ANALYSIS.format, ANALYSIS.store(results))
    return directory


def reopened(report: Path) -> EmbeddingResults:
    return ANALYSIS.restore(read_stored(report, ANALYSIS.format))


def test_the_first_run_of_each_network_is_drawn_per_seed_and_the_others_are_rated(results: EmbeddingResults) -> None:
    found = [(each.model, each.run, each.layer, each.seed, each.drawn) for each in results.embeddings]
    drawn = [("1", layer, seed, True) for layer in ("layer1", "layer2") for seed in (3, 4)]
    rated = [(layer, 3, False) for layer in ("layer1", "layer2")]
    assert found == [
        *(("SE", *each) for each in drawn),
        *(("SE", "2", *each) for each in rated),
        *(("HOGA", "5", *each[1:]) for each in drawn),
        *(("HOGA", "1", *each) for each in rated),
    ]
    for each in results.embeddings:
        assert set(each.quality["space"]) == ({"features", "plane"} if each.drawn else {"features"})
        assert each.samples.keys() == {
            (row.space, row.metric) for row in each.quality.itertuples() if row.metric != "kl_divergence"
        }


def test_features_of_every_network_are_rated_as_alone(results: EmbeddingResults) -> None:
    for features in results.features:
        alone = embed(features, method="pca", seed=3, device="cpu", quiet=True)
        (rated, *_) = [
            each
            for each in results.embeddings
            if (each.model, each.run, each.layer) == (features.model, features.run, features.layer)
        ]
        for metric in SEPARATION:
            np.testing.assert_array_equal(rated.samples["features", metric], alone.samples["features", metric])


def test_a_report_holds_all_that_was_measured(results: EmbeddingResults, report: Path) -> None:
    found = reopened(report)
    assert found.features == ()
    assert has_table(report, "embedding_seeds")
    for one, other in zip(found.embeddings, results.embeddings, strict=True):
        for name in ("model", "run", "layer", "params", "ids", "classes", "accuracy", "warnings"):
            assert getattr(one, name) == getattr(other, name), name
        np.testing.assert_array_equal(one.coords, other.coords)
        np.testing.assert_array_equal(one.labels, other.labels)
        pd.testing.assert_frame_equal(one.quality, other.quality, check_dtype=False, check_exact=True)
        pd.testing.assert_frame_equal(one.sweep, other.sweep, check_dtype=False, check_exact=True)
        for name in ("samples", "influence"):
            found_values, values = getattr(one, name), getattr(other, name)
            assert found_values.keys() == values.keys()
            for key in values:
                np.testing.assert_array_equal(found_values[key], values[key])


def test_arrays_of_a_report_are_found_by_network_run_layer_and_seed(results: EmbeddingResults, report: Path) -> None:
    with np.load(report / "arrays" / "embeddings.npz") as arrays:
        np.testing.assert_array_equal(arrays["SE/1/layer2/4"], results.embeddings[3].coords)
        assert arrays["ids"].tolist() == list(DIGITS.ids)


def test_variants_are_compared_by_accuracy_and_silhouette_over_runs_and_images(
    results: EmbeddingResults, report: Path
) -> None:
    statistics, notes = ANALYSIS.statistics(results)
    assert notes == []
    named = {(each.layer, each.name): each for each in statistics if isinstance(each, Statistic)}
    assert list(named) == [(layer, metric) for layer in ("layer1", "layer2") for metric in SEPARATION]
    knn = named["layer2", "knn_accuracy"]
    assert {name: values.shape for name, values in knn.values.items()} == {"SE": (2, 24), "HOGA": (2, 24)}
    means = {(each.model, each.layer): [] for each in results.embeddings}
    for each in results.embeddings:
        if each.seed == 3:
            means[each.model, each.layer].append(each.quality["value"].iloc[0])
    expected = np.mean(means["HOGA", "layer2"]) - np.mean(means["SE", "layer2"])
    assert knn.difference("HOGA", "SE").value == pytest.approx(expected)
    again, _ = ANALYSIS.statistics(reopened(report))
    for one, other in zip(again, statistics, strict=True):
        assert one.differences("HOGA", "SE") == other.differences("HOGA", "SE")


def test_the_claim_is_about_the_last_stage(results: EmbeddingResults) -> None:
    statistics = [each for each in ANALYSIS.statistics(results)[0] if isinstance(each, Statistic)]
    claims, left_out = decide(about(ANALYSIS.claims), statistics, "HOGA", ["SE"], ["layer1", "layer2"])
    assert left_out == []
    (row,) = claims.to_dict("records")
    assert (row["claim"], row["layer"], row["margin"]) == ("more discriminative features", "layer2", 0.01)


def test_other_images_in_one_network_are_said() -> None:
    one, other = embed_all([blobs(40, model="a"), blobs(30, model="b")], method="pca", device="cpu", quiet=True)
    _, (note,) = ANALYSIS.statistics(EmbeddingResults(embeddings=[one, other]))
    assert "only shared images are compared" in note


def test_the_section_is_drawn_from_the_report(report: Path, tmp_path: Path) -> None:
    (section,) = ANALYSIS.sections(reopened(report), Sheet(tmp_path, "digits, test split", options=OPTIONS))
    assert {path.name for path in (tmp_path / "figures").glob("*.pdf")} == {"embedding.pdf", "knn_accuracy.pdf"}
    assert list(section.figures) == ["knn_accuracy"]
    assert "of the 10 nearest neighbours" in section.figures["knn_accuracy"]
    assert "HOGA" in section.body
    assert set(re.findall(r"@(\w+)", section.methods)) - {"efron1993"} <= section.references.keys()
    assert len(section.tables) == 4
    by_k = section.tables["Accuracy of the k nearest neighbours, with 95% intervals"]
    assert by_k.columns.tolist() == ["model", "run", "layer", "space", "seed", "k = 1", "k = 5", "k = 10"]
    assert "(digits, test split); a dot per training run" in section.figures["knn_accuracy"]
    caption = (tmp_path / "figures" / "embedding.caption.txt").read_text()
    assert "Principal components of the features (spatial means of layer1, layer2) of 24 images" in caption
    assert "The training runs shown are 1 of SE, 5 of HOGA." in caption
    assert "Procrustes" not in caption
    aligned = OPTIONS.model_copy(update={"align": True})
    ANALYSIS.sections(reopened(report), Sheet(tmp_path, "digits", options=aligned))
    assert "Procrustes" in (tmp_path / "figures" / "embedding.caption.txt").read_text()


def test_the_script_of_the_panels_comes_before_the_plots_that_call_it(report: Path, tmp_path: Path) -> None:
    (section,) = ANALYSIS.sections(reopened(report), Sheet(tmp_path, "digits"))
    assert "autola.select = " in section.scripts[0]
    assert not any("autola.select = " in script for script in section.scripts[1:])
    assert "autola.select(" in section.scripts[-1]


def test_a_line_per_embedding_without_the_plane_where_it_is_not_drawn(results: EmbeddingResults) -> None:
    lines = ANALYSIS.lines(results)
    assert lines.header[:5] == ["model", "layer", "embedding", "top-1", "kNN, 95% interval"]
    assert [row[:3:2] for row in lines.rows[:5]] == [
        ["SE", "seed 3"],
        ["SE", "seed 4"],
        ["SE", "seed 3"],
        ["SE", "seed 4"],
        ["SE run 2", "seed 3"],
    ]
    assert all(len(row) == len(lines.header) for row in lines.rows)
    assert all(lines.rows[0][6:10])
    assert lines.rows[4][7:] == ["", "", "", ""]
    probe = results.embeddings[4].samples["features", "linear_probe_accuracy"].mean()
    assert lines.rows[4][6] == f"{100 * probe:.2f} %"
    knn = results.embeddings[4].quality.iloc[0]
    value, low, high = (100 * knn[key] for key in ("value", "ci_low", "ci_high"))
    assert lines.rows[4][4] == f"{value:.2f} % [{low:.2f}, {high:.2f}]"


def test_settings_say_how_features_and_positions_came_about(results: EmbeddingResults) -> None:
    settings = ANALYSIS.settings(results)
    assert [each["layer"] for each in settings["features"]] == ["layer1", "layer2"] * 4
    assert settings["features"][0]["precision"] == "float32"
    assert [each["seed"] for each in settings["embeddings"]][:5] == [3, 4, 3, 4, 3]


def test_the_images_of_the_panels_are_mentioned() -> None:
    many = embed(blobs(POINTS + 50), method="pca", device="cpu", quiet=True)
    names = ANALYSIS.mentioned(EmbeddingResults(embeddings=[many]))
    assert len(names) == POINTS
    assert names[0] == many.ids[shown_points(POINTS + 50)[0]]


def test_layers_are_refused_before_the_pass() -> None:
    subject = Subject(networks(), DIGITS)
    with pytest.raises(UnknownNameError, match=r"SE: .*no layer 'layer9'"):
        ANALYSIS.check(EmbeddingOptions(layer="layer9"), subject)
    with pytest.raises(LayerError, match="the list of layers is empty"):
        ANALYSIS.check(EmbeddingOptions(layer=[]), subject)


def test_too_few_images_are_refused_before_the_pass_and_have_features_all_the_same() -> None:
    few = ClutteredDigits("test", 9)
    with pytest.raises(DataError, match="an embedding needs at least 10 images; 9 images would be looked at; raise"):
        ANALYSIS.check(OPTIONS, Subject(networks(), few))
    assert len(extract_features(networks()[0], few, layer="layer1")) == 9


def test_captions_say_how_images_were_chosen() -> None:
    assert chosen_images("digits", 40, EmbeddingOptions(limit=40, seed=3)) == (
        "digits; drawn at random, every class in proportion, seed 3"
    )
    assert chosen_images("digits", 30, EmbeddingOptions(limit=40)) == "digits"  # there are no more
    assert chosen_images("digits", 30, EmbeddingOptions(limit="all")) == "digits"
    assert chosen_images("digits", 30, None) == "digits"


def test_the_methods_say_what_was_rated_and_how_the_divergence_was_summed() -> None:
    whole = embedding_methods([embed(blobs(40), method="pca", device="cpu", quiet=True)])
    assert "linear probe" in whole
    assert "KL divergence" not in whole
    bare = embedding_methods([embed(blobs(40), probe=False, device="cpu", quiet=True)])
    assert "linear probe" not in bare
    assert "the KL divergence is summed exactly and is not comparable between networks" in bare
    without_labels = embedding_methods([embed(blobs(40).values, method="pca", device="cpu", quiet=True)])
    assert "of 40 images were laid out in the plane" in without_labels


def test_steps_count_embeddings_of_first_runs_per_layer_and_seed() -> None:
    subject = Subject(networks(), DIGITS)
    (step,) = ANALYSIS.steps(OPTIONS.model_copy(update={"method": "fft"}), subject, 1.0)
    assert step.what == "8 embeddings of 24 images"  # two networks, two layers, two seeds
    assert step.seconds == pytest.approx(8 * 24 * 4e-3)
    assert ANALYSIS.steps(OPTIONS, subject, 1.0) == []


def test_2000_images_are_the_default_everywhere_and_all_takes_all() -> None:
    assert REGISTRATION.options_class()().limit == 2000
    assert EmbeddingOptions(limit="all").limit == "all"
    assert EmbeddingOptions(limit="300").limit == 300
    with pytest.raises(OptionError, match="limit"):
        EmbeddingOptions(limit=0)
    drawn = measure_alone(ANALYSIS, networks()[:1], DIGITS, EmbeddingOptions(method="pca", limit=12), READING)
    assert len(drawn.embeddings[0].ids) == 12
    assert set(drawn.embeddings[0].ids) < set(DIGITS.ids)
