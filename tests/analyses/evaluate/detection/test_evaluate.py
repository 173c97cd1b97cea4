"""Detectors evaluated: planted ones whose precision is known, several runs, saving, other detectors' files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.analyses.evaluate.analysis import Evaluate, EvaluationResults
from autola_analysis.analyses.evaluate.detection.result import DetectionResult
from autola_analysis.analyses.evaluate.detection.rows import (
    detection_lines,
    detection_statistics,
    numbers_of,
    rows_over_runs,
)
from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.object_classes import classes_of_labels
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.similarity.measure import measure_similarity
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import AutolaError, DataError, OptionError
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.data import ClutteredDigits
from autola_analysis.report.sheet import Sheet
from tests.analyses.evaluate.detection.planted import READING, FindsColours, Rectangles

AP_OF_ONE_PIXEL = 0.7
"""A 10-pixel box that is off by one has an IoU of 9/11 = 0.82: right at the seven thresholds 0.50 to 0.80"""


def test_a_detector_that_finds_everything_has_a_precision_of_one_and_one_that_is_a_pixel_off_less() -> None:
    models = [Variant(FindsColours(), "exact"), Variant(FindsColours(1.0), "off")]
    exact, off = evaluate(models, Rectangles(), reading=READING)
    assert isinstance(exact, DetectionResult)
    assert (
        exact.metrics.set_index("metric")["value"].loc[["ap", "ap50", "ap75", "ap_small", "ar100"]].tolist() == [1] * 5
    )
    values = off.metrics.set_index("metric")["value"]
    assert values.loc[["ap", "ap50", "ap75"]].tolist() == pytest.approx([AP_OF_ONE_PIXEL, 1, 1])
    assert np.isnan(values["ap_large"])
    assert off.metrics["objects"].tolist()[:4] == [10, 10, 10, 10]
    assert off.per_class["objects"].tolist() == [7, 3]
    assert off.per_class["ap"].tolist() == pytest.approx([AP_OF_ONE_PIXEL] * 2)
    assert off.found.boxes[0].tolist() == pytest.approx([1, 2, 11, 9])  # image 0, in pixels of the stored image


def test_evaluating_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """COCO's own library writes its progress and its table to the terminal."""
    file = results_file(tmp_path / "theirs.json")
    evaluate(FindsColours(), Rectangles(), detections=[f"theirs={file}"], reading=READING)
    assert capfd.readouterr().out == ""


def test_batches_decide_nothing_and_the_model_is_as_before() -> None:
    model = FindsColours(1.0).train()
    one = evaluate(model, Rectangles(), reading=READING)
    other = evaluate(model, Rectangles(), reading=Reading(READING.settings, batch_size=5))
    for name, array in one.found.arrays().items():
        np.testing.assert_array_equal(other.found.arrays()[name], array)
    assert one.found.images.tolist() == [0, 1, 1, 2, 3, 3, 4, 5, 5, 6]  # whatever the order of the batches
    assert model.training
    assert model.off.grad is None


def test_a_sample_of_the_images_is_looked_at() -> None:
    result = evaluate(FindsColours(1.0), Rectangles(), limit=4, reading=READING)
    assert result.settings["images"] == 4
    assert len(set(result.found.images.tolist())) == 4


def results_file(path: Path, off: float = 0.0, images: int = 7) -> Path:
    source = Rectangles()
    entries = [
        {"image_id": int(source.image_ids[i]), "category_id": source.category_ids[label], "score": 0.5,
         "bbox": [box[0] + off, box[1], box[2] - box[0], box[3] - box[1]]}
        for i in range(images)
        for box, label in zip(source.objects(i).boxes.tolist(), source.objects(i).labels.tolist(), strict=True)
    ]  # fmt: skip
    path.write_text(json.dumps(entries))
    return path


def test_another_detectors_file_stands_beside_ours_and_gives_the_same_numbers(tmp_path: Path) -> None:
    file = results_file(tmp_path / "theirs.json", off=1)
    ours, theirs = evaluate(FindsColours(1.0), Rectangles(), detections=[f"theirs={file}"], reading=READING)
    assert (theirs.model, theirs.settings["file"]) == ("theirs", "theirs.json")
    pd.testing.assert_frame_equal(ours.metrics.drop(columns="model"), theirs.metrics.drop(columns="model"))
    (ap, *_) = detection_statistics([ours, theirs])
    difference = ap.differences("model", "theirs")["ap"]
    assert (difference.value, *difference.interval) == (0, 0, 0)


def test_detections_in_images_that_are_not_looked_at_are_counted(tmp_path: Path) -> None:
    file = results_file(tmp_path / "theirs.json")
    _, theirs = evaluate(FindsColours(), Rectangles(5), detections=[f"theirs={file}"], reading=READING)
    assert "theirs: 3 of its detections are in images that were not looked at." in theirs.warnings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "holds no list of detections; COCO's format of results is a list of image_id, category_id, bbox"),
        ("[", "cannot be used: "),
        ("[1]", "detection 0 of .* is no object with fields"),
        ('[{"image_id": 100, "category_id": 3, "bbox": [1, 1, 2, 2]}]', "detection 0 of .* has no score"),
        ('[{"image_id": "a", "category_id": 3, "bbox": [1, 1, 2, 2], "score": 1}]', "has the image_id 'a'"),
        ('[{"image_id": 100, "category_id": 4, "bbox": [1, 1, 2, 2], "score": 1}]', "has the unknown category_id 4"),
        ('[{"image_id": 100, "category_id": 3, "bbox": [1, 1, -2, 2], "score": 1}]', r"has the bbox \[1, 1, -2, 2\]"),
        ('[{"image_id": 100, "category_id": 3, "bbox": [1, 1, 2], "score": 1}]', r"has the bbox \[1, 1, 2\]"),
        ('[{"image_id": 100, "category_id": 3, "bbox": [1, 1, 2, 2], "score": "1"}]', "has the score '1'"),
        ('[{"image_id": 9, "category_id": 3, "bbox": [1, 1, 2, 2], "score": 1}]',
         r"holds detections of other images \(image_id 9, say\) than rectangles"),
    ],
)  # fmt: skip
def test_files_that_hold_no_detections_in_these_images_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(DataError, match=message):
        evaluate(FindsColours(), Rectangles(), detections=[f"bad={tmp_path / 'bad.json'}"], reading=READING)


class Unread(Rectangles):
    """Rectangles whose images nobody may read: what is refused is refused before."""

    def image(self, index: int) -> None:
        raise AssertionError("the pass has begun")


class Empty(Unread):
    def objects(self, index: int):
        every = super().objects(index)
        return type(every)(*(each[:0] for each in (every.boxes, every.labels, every.areas, every.crowd, every.ids)))


@pytest.mark.parametrize(
    ("model", "source", "values", "message"),
    [
        (FindsColours(classes=3), Unread(), {}, "tells 3 classes apart, and rectangles has 2"),
        (Variant(FindsColours(), "ours", classes=("red", "blue")), Unread(), {}, "ours knows no 'green'"),
        (FindsColours(), Unread(), {"detections": ["x"]}, "takes NAME=FILE.json"),
        (FindsColours(), Unread(), {"detections": ["a=/x.json", "a=/y.json"]}, "names a twice"),
        (Variant(FindsColours(), "a"), Unread(), {"detections": ["a=none.json"]}, "has the name of a checkpoint"),
        (FindsColours(), Unread(), {"detections": ["a=/nowhere.json"]}, "cannot read /nowhere.json"),
        (FindsColours(), Empty(), {}, "has no annotated object"),
        (FindsColours(), ClutteredDigits("test", 8), {}, "finds objects, and the data have none"),
        (create_model("resnet8", num_classes=10), Unread(), {}, "is no detector"),
        (create_model("resnet8", num_classes=10), ClutteredDigits("test", 8), {"detections": ["a=/x.json"]},
         "stands beside detectors"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_refused_before_the_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model, source, values, message: str
) -> None:
    (tmp_path / "none.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AutolaError, match=message):
        evaluate(model, source, reading=READING, **values)


def test_labels_mean_classes_by_name_then_in_order_then_as_category_ids() -> None:
    source = Rectangles()
    assert classes_of_labels(Variant(FindsColours()), source).tolist() == [0, 1]
    named = Variant(FindsColours(classes=3), classes=("green", "sky", "red"))
    assert classes_of_labels(named, source).tolist() == [1, -1, 0]
    largest = source.category_ids[-1]
    by_id = classes_of_labels(Variant(FindsColours(classes=largest)), source)
    assert [by_id[number - 1] for number in source.category_ids] == [0, 1]
    assert (by_id < 0).sum() == largest - 2


def test_ninety_labels_are_cocos_category_ids_only_where_the_categories_are_cocos() -> None:
    source, ninety = Rectangles(), Variant(FindsColours(classes=90), "theirs")
    with pytest.raises(OptionError, match=r"theirs tells 90 classes apart, and .* has 2; give data with the classes"):
        classes_of_labels(ninety, source)
    source.category_ids, source.classes = (3, 8), ("car", "truck")
    coco = classes_of_labels(ninety, source)
    assert (coco[2], coco[7], (coco < 0).sum()) == (0, 1, 88)


def test_an_analysis_that_does_not_look_at_detectors_says_so() -> None:
    with pytest.raises(OptionError, match="similarity does not look at networks for detection, such as model"):
        measure_similarity(FindsColours(), Unread(), reading=READING)


def several() -> list[DetectionResult]:
    """Three runs of a variant, and one of another."""
    models = [Variant(FindsColours(off), "a", str(run)) for run, off in enumerate((0.0, 1.0, 2.0), 1)]
    return list(evaluate([*models, Variant(FindsColours(3.0), "b")], Rectangles(), reading=READING))


def test_results_survive_saving_and_a_report(tmp_path: Path) -> None:
    results = EvaluationResults(detectors=several())
    results.detectors[1].save(tmp_path / "saved")
    loaded = DetectionResult.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.metrics, results.detectors[1].metrics)
    write_stored(tmp_path, Evaluate.format, Evaluate().store(results))
    again = Evaluate().restore(read_stored(tmp_path, Evaluate.format))
    assert len(again.detectors) == 4
    for ours, theirs in zip(results.detectors, again.detectors, strict=True):
        pd.testing.assert_frame_equal(ours.metrics, theirs.metrics)
        pd.testing.assert_frame_equal(ours.per_class, theirs.per_class)
        assert (ours.settings, ours.warnings, ours.classes) == (theirs.settings, theirs.warnings, theirs.classes)
        for part in ("found", "numbers"):
            for name, array in getattr(ours, part).arrays().items():
                np.testing.assert_array_equal(getattr(theirs, part).arrays()[name], array)
    assert "ap50" in loaded._repr_html_()


def test_a_variant_with_three_runs_has_rows_over_its_runs() -> None:
    results = several()
    ((metrics, per_class),) = rows_over_runs(results)
    assert set(metrics["model"]) == {"a"}
    assert set(metrics["run"]) == {""}
    alone = [each.metrics["value"][0] for each in results[:3]]
    assert metrics["value"][0] == pytest.approx(np.mean(alone))
    assert metrics["ci_high"][0] - metrics["ci_low"][0] > 0.3  # runs differ, and Student's t with 2 degrees is wide
    assert len(per_class) == 2


def test_the_command_prints_a_line_per_detector() -> None:
    lines = detection_lines(several())
    assert lines.rows[0][:3] == ["a run 1", "7", "10"]
    assert lines.rows[0][3].startswith("100.00 [")


def test_the_section_shows_all_variants(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (section,) = Evaluate().sections(EvaluationResults(detectors=several()), Sheet(tmp_path, "rectangles"))
    assert list(section.figures) == ["average_precision", "precision_recall", "class_precision"]
    assert all("a, b on 7 images with 10 objects (rectangles)" in caption for caption in section.figures.values())
    assert section.tables["Average precision and recall"]["run"].tolist() == ["1", "2", "3", "1", "all"]
    assert list(section.tables["Average precision by class"]) == ["class", "objects", "a", "b"]
    assert "[@lin2014]" in section.methods
    assert "lin2014" in section.references


def test_the_numbers_of_the_figures_are_those_of_the_result() -> None:
    results = several()
    from autola_analysis.analyses.evaluate.detection.figure import plot_precision_recall

    figure = plot_precision_recall(results)
    line = figure.axes[0].lines[1]
    np.testing.assert_allclose(line.get_ydata(), numbers_of(results)["b"][0].curves[0])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a (3 runs)", "b"]


def test_a_network_that_puts_out_something_else_is_refused() -> None:
    class Wrong(FindsColours):
        def forward(self, images, targets=None):
            return [{"boxes": torch.zeros(0, 4)} for _ in images]

    with pytest.raises(DataError, match="must put out a dict with boxes, labels, scores for every image; found list"):
        evaluate(Wrong(), Rectangles(), reading=READING)
