"""Networks evaluated: tables, several runs of a variant, heads that the labels do not fit, saving."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.analyses.analysis import Observed, Subject
from autola_analysis.analyses.evaluate.analysis import Evaluate, EvaluationResults
from autola_analysis.analyses.evaluate.compared import evaluation_statistics
from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.evaluate.options import EvaluationOptions
from autola_analysis.analyses.evaluate.quality import estimate
from autola_analysis.analyses.evaluate.result import EvaluationResult
from autola_analysis.analyses.evaluate.rows import rows_over_runs
from autola_analysis.analyses.evaluate.section import classes_side_by_side, evaluation_section, most_frequent_confusions
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.data import ClutteredDigits
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import mean_interval
from tests.analyses.evaluate.networks import READING, Reads, drawn, evaluated, images_of

CLASSES = list("abcdefg")


def runs_of(name: str, count: int, sharpness: float = 1.5) -> list[EvaluationResult]:
    """Runs of a variant on the same images."""
    _, labels = drawn(60, 7)
    results = []
    for run in range(count):
        logits = torch.randn(60, 7, generator=torch.Generator().manual_seed(run + len(name)))
        logits[torch.arange(60), labels] += sharpness
        results.append(evaluated(logits, labels, CLASSES, name, str(run + 1)))
    return results


def assert_equal(ours: EvaluationResult, theirs: EvaluationResult) -> None:
    pd.testing.assert_frame_equal(ours.metrics, theirs.metrics)
    pd.testing.assert_frame_equal(ours.per_class, theirs.per_class)
    for name, array in theirs.predictions.arrays().items():
        np.testing.assert_array_equal(ours.predictions.arrays()[name], array)
    for name in ("model", "run", "classes", "outputs", "settings", "warnings", "accuracy", "measured"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("name", ["None", "nan", "a/b"])
def test_a_result_survives_saving(tmp_path: Path, name: str) -> None:
    result = evaluated(*drawn(30, 7), CLASSES, name, "None")
    result.save(tmp_path / "saved")
    assert_equal(EvaluationResult.load(tmp_path / "saved"), result)
    assert "top1" in result._repr_html_()
    with pytest.raises(DataError, match="holds no saved evaluate result"):
        EvaluationResult.load(tmp_path)


def test_results_of_a_report_survive_saving(tmp_path: Path) -> None:
    results = [*runs_of("None", 3), *runs_of("SE", 2), evaluated(*drawn(9, 4), list("ab") + CLASSES[2:4], "x")]
    analysis = Evaluate()
    kept = analysis.store(EvaluationResults(results))
    write_stored(tmp_path, analysis.format, kept)
    restored = analysis.restore(read_stored(tmp_path, analysis.format))
    for ours, theirs in zip(restored.networks, results, strict=True):
        assert_equal(ours, theirs)
    with np.load(tmp_path / "arrays/evaluation_confusion.npz") as arrays:
        np.testing.assert_array_equal(arrays["None/2/confusion"], results[1].confusion)
        assert arrays["None/2/confusion"].dtype == np.int64


def test_from_three_runs_on_a_variant_has_rows_of_its_own() -> None:
    results = [*runs_of("None", 3), *runs_of("SE", 2)]
    tables = EvaluationResult.together(results, rows_over_runs(results)).tables
    rows = tables["evaluation"].query("run == ''").set_index("metric")
    assert set(rows["model"]) == {"None"}
    top1 = np.stack([each.correct for each in results[:3]]).astype(float)
    assert rows.loc["top1", "value"] == top1.mean()
    assert tuple(rows.loc["top1", ["value", "ci_low", "ci_high"]]) == estimate(top1)
    nll = np.stack([each.predictions.nll for each in results[:3]]).astype(float)
    assert tuple(rows.loc["nll", ["ci_low", "ci_high"]]) == mean_interval(nll)
    classes = tables["evaluation_classes"].query("run == ''").set_index("class")
    of_class = top1[:, results[0].predictions.labels == 2]
    assert classes.loc["c", "top1"] == of_class.mean()
    assert classes.loc["c", "images"] == of_class.shape[1]
    predicted = np.concatenate([each.predictions.predicted for each in results[:3]])
    assert classes.loc["c", "precision"] == of_class.sum() / (predicted == 2).sum()
    assert classes["predicted"].isna().all()


def test_a_class_without_images_has_no_accuracy() -> None:
    logits, labels = drawn(40, 4)
    labels[labels == 2] = 1
    result = evaluated(logits, labels, "abcd")
    row = result.per_class.set_index("class").loc["c"]
    assert row["images"] == 0
    assert np.isnan([row["top1"], row["ci_low"], row["ci_high"]]).all()
    assert row["precision"] == 0
    assert "1 of 4 classes have no image, hence no accuracy." in result.warnings
    assert classes_side_by_side([result])["class"].tolist() == ["a", "b", "d"]


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    logits, labels = drawn(40, 4)
    logits[:, 2] = -100
    row = evaluated(logits, labels, "abcd").per_class.set_index("class").loc["c"]
    assert (row["predicted"], row["top1"]) == (0, 0)
    assert np.isnan(row["precision"])


def test_labels_of_another_head_are_not_measured(tmp_path: Path) -> None:
    logits, labels = drawn(30, 3)
    logits = torch.cat([logits, torch.zeros(30, 3)], dim=1)
    result = evaluated(logits, labels, "abc")
    assert not result.measured
    assert result.correct is None
    assert result.accuracy.top1 is None
    assert result.metrics["metric"].tolist() == ["top1", "top5", "nll", "ece"]
    assert result.metrics[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    predicted = logits.argmax(1)
    assert result.per_class["predicted"].tolist() == torch.bincount(predicted, minlength=6).tolist()
    assert result.per_class["class"].tolist() == [f"class {number}" for number in range(6)]
    assert result.per_class[["images", "top1", "precision"]].isna().all(axis=None)
    assert result.confusion.shape == (3, 6)
    assert result.confusion[1, 4] == ((labels == 1) & (predicted == 4)).sum()
    (warning,) = result.warnings
    assert "accuracy is not measured" in warning
    assert "the head has 6 outputs, the data 3 classes" in warning
    assert evaluation_statistics([result]) == []
    section = evaluation_section([result], Sheet(tmp_path, "some data"))
    assert (section.figures, section.methods) == ({}, "")
    assert Evaluate().lines(EvaluationResults([result])).rows == [["model", "30", "not measured", "", "", ""]]
    result.save(tmp_path / "saved")
    assert_equal(EvaluationResult.load(tmp_path / "saved"), result)


def test_outputs_with_other_names_are_not_measured() -> None:
    logits, labels = drawn(30, 3)
    variant = Variant(Reads(3), classes=("cat", "dog", "bird"))
    result = evaluate(variant, images_of(logits, labels, ["bird", "cat", "dog"]), reading=READING)
    assert not result.measured
    assert result.outputs == ("cat", "dog", "bird")
    assert result.per_class["class"].tolist() == ["cat", "dog", "bird"]
    assert "the head has 3 outputs with names or an order of their own" in result.warnings[0]


def test_a_network_without_a_head_is_left_out() -> None:
    data = images_of(*drawn(10, 3), "abc")
    headless = Variant(Reads(3), "headless", has_head=False)
    analysis, options = Evaluate(), EvaluationOptions()
    with pytest.raises(OptionError, match="none of the networks has a head"):
        evaluate(headless, data, reading=READING)
    (result,) = evaluate([Variant(Reads(3), "whole"), headless], data, reading=READING)
    assert result.model == "whole"
    nothing = analysis.measure(options, Subject([headless], data), Observed({"evaluate": []}), READING)
    assert analysis.warnings(nothing) == ["headless is left out: it has no head, hence no predictions."]


def test_statistics_are_values_per_run_and_image() -> None:
    results = [*runs_of("None", 3), *runs_of("SE", 1)]
    (nll,) = evaluation_statistics(results)  # every comparison has accuracy, from the pass
    assert (nll.analysis, nll.layer, nll.name) == ("evaluate", "", "nll")
    assert nll.paired
    assert nll.values["None"].shape == (3, 60)
    np.testing.assert_array_equal(nll.values["SE"], [results[3].predictions.nll])
    np.testing.assert_array_equal(nll.values["None"][1], results[1].predictions.nll)
    other = evaluated(*drawn(50, 7, seed=4), CLASSES, "HOGA")
    assert not evaluation_statistics([*results, other])[0].paired


def test_runs_on_other_images_are_no_runs_of_one_variant() -> None:
    others = evaluated(*drawn(60, 7, seed=5), CLASSES, "None", "2")
    with pytest.raises(OptionError, match="runs of None were evaluated on different images"):
        evaluation_statistics([*runs_of("None", 1), others])


def test_the_most_frequent_confusions_come_first() -> None:
    labels = torch.tensor([0] * 6 + [1] * 4 + [2] * 2)
    predicted = torch.tensor([0, 0, 0, 1, 1, 2, 1, 0, 2, 2, 2, 2])
    logits = torch.nn.functional.one_hot(predicted, 3).float()
    results = [evaluated(logits, labels, "abc", "m")]
    table = most_frequent_confusions(results, 2)
    assert table.values.tolist() == [["m", 1, "a", "b", 2, 2 / 6], ["m", 1, "b", "c", 2, 2 / 4]]
    assert len(most_frequent_confusions(results, 9)) == 4  # pairs that do not occur are no confusions


def test_the_section_holds_figures_tables_and_citations(tmp_path: Path) -> None:
    section = evaluation_section([*runs_of("None", 3), *runs_of("SE", 1)], Sheet(tmp_path, "some data"))
    assert section.title == "How well the networks classify"
    assert list(section.figures) == ["class_accuracy", "confusion"]
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {"class_accuracy.png", "confusion.png"}
    assert section.tables["Accuracy and calibration"]["run"].tolist() == ["1", "2", "3", "all", "1"]
    assert section.tables["Top-1 accuracy by class"].columns.tolist() == ["class", "None", "SE"]
    assert {"guo2017", "wilson1927"} == set(section.references)
    assert all(f"[@{key}]" in section.methods for key in section.references)
    assert "over runs and images" in section.methods


def test_a_source_of_images_is_limited_and_evaluated() -> None:
    model = create_model("resnet20", "none", 10, width=8)
    result = evaluate(model, ClutteredDigits("test", 60), reading=READING, limit=20)
    assert len(result.predictions.labels) == 20
    assert result.per_class["images"].tolist() == [2] * 10
    assert result.outputs == result.classes
