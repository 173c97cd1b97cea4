"""Detectors explained on the same objects: what is asked, in which order, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autola_analysis.analyses.analysis import Subject
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.analysis import Saliency
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.objects.compared import object_lines, object_statistics
from autola_analysis.analyses.saliency.objects.question import found_objects
from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult, object_metric_table
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import AutolaError, BadImageError
from autola_analysis.core.objects import Objects
from autola_analysis.data.listed_objects import ListedObjects
from autola_analysis.inference.run import Settings
from tests.analyses.evaluate.detection.planted import FindsColours
from tests.analyses.saliency.objects.planted import LAYER, Squares, planted
from tests.inference.state import state_of

READING = Reading(Settings(device="cpu", quiet=True), batch_size=2)
ASKED = {"methods": ["grad-cam", "gradient"], "layers": [LAYER], "reading": READING}


@pytest.fixture(scope="module")
def both() -> ObjectSaliencyResult:
    """Two networks of which the second numbers its classes the other way round, on four images."""
    return measure_saliency([planted(), planted(flip=True)], Squares(), **ASKED)


def of_model(result: ObjectSaliencyResult, name: str) -> pd.DataFrame:
    return result.objects[result.objects["model"] == name].reset_index(drop=True)


def test_networks_explain_the_same_objects_whatever_their_labels(both: ObjectSaliencyResult) -> None:
    one, other = of_model(both, "planted"), of_model(both, "flipped")
    own = ("model", "score", "probability", "rank")  # detections of equal scores stand in the order of labels
    same = [name for name in one if name not in own]
    pd.testing.assert_frame_equal(one[same], other[same])
    assert one["class"].unique().tolist() == ["red", "blue"]
    assert one.drop_duplicates(["image", "object"])["annotation"].tolist() == [0, 1, 0, 1, 2] * 2


def test_the_second_network_explains_what_the_first_one_detects() -> None:
    result = measure_saliency([planted(), planted(flip=True)], Squares(), target="detection", **ASKED)
    one, other = of_model(result, "planted"), of_model(result, "flipped")
    own = one["method"].isin(["grad-cam", "gradient"])
    assert one[own]["candidate_iou"].isna().all()
    assert other[own]["candidate_iou"].tolist() == pytest.approx([1.0] * own.sum())
    # The second red square is told of by red, and what lies three cells right of it by it: a blue one that is not there
    assert one[own].groupby("image", sort=False)["object"].nunique().tolist() == [2, 4, 2, 4]
    assert one[own & one["annotation"].isna()]["class"].unique().tolist() == ["blue"]
    columns = ["image", "object", "class", "x1", "y1", "x2", "y2", "energy_box", "odi"]
    pd.testing.assert_frame_equal(one[columns], other[columns], atol=1e-4)


def test_detections_of_a_large_stored_image_find_its_objects() -> None:
    result = measure_saliency(planted(), Squares(1, large=3), target="detection", **ASKED)
    own = result.objects[result.objects["method"] == "gradient"]
    assert own[["class", "annotation"]].to_numpy().tolist() == [["red", 0], ["blue", 1]]
    assert own["energy_other"].tolist() == [0, 1]


def test_a_detection_finds_the_object_of_its_class_that_it_overlaps_most_and_no_crowd() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 10], [40, 40, 50, 50]])
    wanted = Objects(boxes, np.array([0, 1, 2, 3]), np.ones(4), np.array([False, False, True, False]), np.arange(4))
    asked = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [46, 46, 56, 56]])
    assert found_objects(asked, np.array([0, 1, 2, 3]), wanted).tolist() == [0, 1, -1, -1]
    assert found_objects(np.empty((0, 4)), np.empty(0, np.int64), wanted).tolist() == []


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_do_not_matter_and_networks_stay_as_they_are(both: ObjectSaliencyResult, batch_size: int) -> None:
    networks = [planted(), planted(flip=True)]
    before = [state_of(each.model) for each in networks]
    reading = replace(READING, batch_size=batch_size)
    again = measure_saliency(networks, Squares(), **{**ASKED, "reading": reading})
    pd.testing.assert_frame_equal(both.objects, again.objects)
    assert [state_of(each.model) for each in networks] == before


def test_means_are_over_images_each_the_mean_of_its_objects(both: ObjectSaliencyResult) -> None:
    rows = both.objects[(both.objects["model"] == "planted") & (both.objects["method"] == "grad-cam")]
    expected = np.mean([rows[rows["image"] == name]["energy_box"].mean() for name in rows["image"].unique()])
    found = both.metrics.query("model == 'planted' and method == 'grad-cam' and metric == 'energy_box'")
    assert found["mean"].tolist() == pytest.approx([expected] * 2)
    assert (found["subset"].tolist(), found["images"].tolist()) == (["all", "all-detected"], [4, 4])
    assert (found["ci_low"] <= expected).all()
    pd.testing.assert_frame_equal(object_metric_table(both.objects, 0), both.metrics)


def test_objects_that_one_network_misses_are_no_part_of_the_comparison(both: ObjectSaliencyResult) -> None:
    missed = both.objects.copy()
    missed.loc[(missed["model"] == "flipped") & (missed["class"] == "blue"), "detected"] = False
    result = replace(both, objects=missed)
    statistics, about = object_statistics(result)
    (energy,) = [each for each in statistics if each.name == "grad-cam energy_other"]
    red = missed[(missed["class"] == "red") & (missed["method"] == "grad-cam") & (missed["model"] == "planted")]
    expected = red.groupby("image", sort=False)["energy_other"].mean().tolist()
    assert energy.values["planted"].tolist() == [pytest.approx(expected)]
    assert energy.layer == LAYER
    table = object_metric_table(missed, 0).set_index(["model", "method", "metric", "subset"])["mean"]
    assert table["planted", "grad-cam", "energy_other", "all-detected"] == pytest.approx(np.mean(expected))
    assert table["planted", "grad-cam", "energy_other", "all"] != pytest.approx(np.mean(expected))
    assert list(about) == ["maps of detectors are compared on the objects that every network detects."]


def test_a_row_says_how_its_candidate_was_chosen_and_what_became_of_it(both: ObjectSaliencyResult) -> None:
    rows = of_model(both, "planted")
    own = rows[(rows["method"] == "gradient") & (rows["image"] == "square 1")]
    corners = (own[["x1", "y1"]].to_numpy() / 8).round().astype(int)
    assert (own["candidate"] // 2).tolist() == (8 * corners[:, 1] + corners[:, 0]).tolist()  # two boxes in every cell
    assert own["assigned"].tolist() == ["overlapping"] * 3
    assert own["level"].tolist() == [0] * 3
    assert sorted(own["rank"]) == sorted({int(rank) for rank in own["rank"]})  # three of the image's detections
    chance = of_model(both, "chance")
    assert chance[["candidate", "rank", "level"]].isna().all(axis=None)
    assert chance["assigned"].unique().tolist() == [""]


def test_insertion_and_the_sanity_check_cost_steps_of_their_own() -> None:
    asked = SaliencyOptions(methods=["odam"], faithfulness=True, sanity=2, sanity_draws=3)
    maps, insertion, sanity = Saliency().steps(asked, Subject([planted()], Squares()), 0.5)
    forwards = 10 * 3 * 32 + 4 * 3  # ten objects with three maps each in four images
    assert (insertion.what, insertion.seconds) == (
        f"insertion and deletion of 10 objects, 3 maps each, {forwards:,} forwards",
        forwards * 0.5,
    )
    assert sanity.what == "the sanity check, 9 randomisations"
    assert maps.what.startswith("maps of the objects of 4 images")


def test_at_most_so_many_objects_of_an_image_are_explained_the_same_ones_by_the_same_seed() -> None:
    few, again = (measure_saliency(planted(), Squares(), most=2, **ASKED) for _ in range(2))
    assert few.objects.groupby("image")["object"].max().max() == 1
    pd.testing.assert_frame_equal(few.objects, again.objects)


def test_the_margin_is_the_logit_less_that_of_the_background() -> None:
    logit, margin = (measure_saliency(planted(), Squares(1), score=score, **ASKED) for score in ("logit", "margin"))
    pd.testing.assert_frame_equal(logit.objects, margin.objects)  # the background's logit is zero


def test_a_result_is_restored_as_it_was_stored(both: ObjectSaliencyResult, tmp_path: Path) -> None:
    both.save(tmp_path)
    loaded = ObjectSaliencyResult.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.objects, both.objects)
    pd.testing.assert_frame_equal(loaded.metrics, both.metrics)
    assert (loaded.settings, loaded.warnings, len(loaded.pictures)) == (both.settings, both.warnings, 10)
    for one, other in zip(loaded.pictures, both.pictures, strict=True):
        assert (one.image, one.label, one.pixels.tolist()) == (other.image, other.label, other.pixels.tolist())
        for a, b in zip(one.panels, other.panels, strict=True):
            assert (a.map == b.map).all()
            assert a.box == pytest.approx(b.box)


def test_the_terminal_shows_a_line_per_map(both: ObjectSaliencyResult) -> None:
    lines = object_lines(both)
    first = dict(zip(lines.header, lines.rows[0], strict=True))
    assert (first["model"], first["map"], first["images"], first["objects"]) == (
        "planted",
        f"grad-cam {LAYER}",
        "4",
        "10",
    )
    assert [row[:2] for row in lines.rows[-2:]] == [["chance", "uniform"], ["chance", "centred-gaussian"]]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "street.png"
    Squares().image(1).save(path)
    return path


def test_a_photograph_needs_no_annotation(photo: Path) -> None:
    result = measure_saliency(planted(), ListedObjects([photo]), **ASKED)
    assert result.objects["class"].value_counts().to_dict() == {"red": 4, "blue": 4}  # 4 detections, 2 maps each
    assert result.objects["annotation"].isna().all()
    assert result.objects[["energy_box", "odi"]].isna().all(axis=None)
    assert result.metrics["metric"].unique().tolist() == ["energy_predicted"]
    assert not result.objects["model"].eq("chance").any()
    assert object_lines(result).header == ["model", "map", "images", "objects", "energy_predicted"]


def test_where_nothing_is_detected_that_is_said(photo: Path) -> None:
    result = measure_saliency(planted(), ListedObjects([photo]), threshold=1, **ASKED)
    assert (len(result.objects), len(result.metrics), len(result.pictures)) == (0, 0, 0)
    assert result.warnings == (
        "planted detects nothing with a probability above 1 in any image (the strongest detection has 1.00; give "
        "--threshold less).",
    )


def test_sizes_are_those_of_the_image_as_it_is_shown(tmp_path: Path) -> None:
    turned = Image.new("RGB", (30, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGB", (30, 20)).save(tmp_path / "plain.jpg")
    (tmp_path / "text.jpg").write_text("no image")
    source = ListedObjects([tmp_path / name for name in ("turned.jpg", "plain.jpg", "text.jpg")])
    assert source.sizes.tolist() == [[20, 30], [30, 20], [0, 0]]
    assert [source.image(index).size for index in (0, 1)] == [(20, 30), (30, 20)]
    with pytest.raises(BadImageError, match=r"text\.jpg cannot be read as an image"):
        Saliency().check(SaliencyOptions(), Subject([planted()], source))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": "receptive-field"}, "--grid is for classifiers, and planted is a detector"),
        ({"boxes": {}}, "--boxes is for classifiers"),
        ({"target": 3}, "the target of detectors is object, detection, given-box; found 3"),
        ({"target": "given-box"}, "planted reads its default boxes alone"),
        ({"methods": ["captum:Saliency"]}, "captum:Saliency explains the outputs of classifiers"),
        ({"methods": ["odam", "hires-cam"]}, "methods are one or more names, each once"),
        ({"layers": ["backbone.body.layer7"]}, r"no layer 'backbone\.body\.layer7'"),
        ({"shown": [9]}, "shown names image 9, and there are 4"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_the_pass(options: dict[str, object], message: str) -> None:
    with pytest.raises(AutolaError, match=message):
        measure_saliency(planted(), Squares(), reading=READING, **options)


def test_networks_of_other_classes_are_not_compared_on_photographs(photo: Path) -> None:
    source = ListedObjects([photo])
    with pytest.raises(AutolaError, match="planted and flipped name their classes differently"):
        measure_saliency([planted(), planted(flip=True)], source, reading=READING)
    with pytest.raises(AutolaError, match="needs annotated objects, which image files have not"):
        measure_saliency(planted(), source, reading=READING, target="object")
    with pytest.raises(AutolaError, match="other does not say which candidates its detections come from"):
        measure_saliency(Variant(FindsColours(), "other"), source, reading=READING)
