"""Selectivity of detectors by objects: against naive computations, and what must not matter."""

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.analyses.background_boxes import with_background
from autola_analysis.analyses.group_folds import group_folds
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Reading, observe
from autola_analysis.analyses.selectivity.analysis import Selectivity
from autola_analysis.analyses.selectivity.caveats import item_caveats
from autola_analysis.analyses.selectivity.labelings import Labelings, permuted_labels, permuted_within
from autola_analysis.analyses.selectivity.measure import SelectivityWatcher, measure_selectivity, selectivity_result
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.analyses.selectivity.section import selectivity_caption, selectivity_methods
from autola_analysis.core.errors import AutolaError, LayerError, OptionError
from autola_analysis.core.objects import Objects
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.inference.tap import tap
from tests.analyses.objects import QUIET, Shapes, Whole, detector
from tests.analyses.selectivity.naive import naive_means, naive_selectivity
from tests.inference.state import state_of

LAYERS = [f"backbone.body.layer{stage}" for stage in (1, 2, 3)]


def naive_activity(source: Shapes, layer: str, items: ObjectItems | None = None) -> np.ndarray:
    """Return the mean of a layer over every object in float64; SSD sees squares of 64."""
    model = detector().model
    items = items or ObjectItems.of(source)
    found = []
    for index, box in zip(items.images.tolist(), items.boxes, strict=True):
        pixels = np.asarray(source.image(index).resize((64, 64), 2))
        with torch.no_grad(), tap(model, [layer]) as activations:
            model(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255)
        maps = activations[layer][0].numpy().astype(np.float64)
        cells = maps.shape[-1]
        edges = np.arange(cells + 1) / cells
        across, down = (
            np.clip(np.minimum(box[2 + axis], edges[1:]) - np.maximum(box[axis], edges[:-1]), 0, None)
            for axis in (0, 1)
        )
        weights = np.outer(down, across)
        found.append((maps * weights).sum((1, 2)) / weights.sum())
    return np.array(found)


def test_every_number_equals_the_naive_computation_on_stored_maps() -> None:
    source, layer = Shapes(), LAYERS[2]
    result = measure_selectivity(detector(), source, layers=[layer], folds=5, permutations=2, seed=3, reading=QUIET)
    items = ObjectItems.of(source)
    activity = naive_activity(source, layer)
    np.testing.assert_allclose(result.units["selectivity"], naive_selectivity(activity, items.labels), atol=1e-6)
    row = result.summary.iloc[0]
    folds = group_folds(items.labels, items.images, 5, 3)
    plain, corrected, without = naive_means(activity, items.labels, folds, range(5))
    assert row["mean"] == pytest.approx(plain, abs=1e-6)
    assert row["mean_corrected"] == pytest.approx(corrected, abs=1e-5)
    np.testing.assert_allclose(result.fold_means[layer], without, atol=1e-6)
    for column, drawn in (
        ("null_mean", permuted_within(items.labels, items.sizes, 2, 3)),
        ("null_free", permuted_labels(items.labels, 2, 3)),
    ):
        expected = np.mean([np.nanmean(naive_selectivity(activity, labels)) for labels in drawn])
        assert row[column] == pytest.approx(expected, abs=1e-6)
    assert len(set(items.sizes.tolist())) > 1
    assert row["null_mean"] != row["null_free"]
    assert row["ci_low"] < row["mean_corrected"] < row["ci_high"]
    sides = items.boxes[:, 2:] - items.boxes[:, :2]
    cells = round(64 / 4 / 2)  # stride 8
    assert row["subcell"] == (sides * cells < 1).any(axis=1).sum() > 0
    assert (row["items"], set(result.units["items"])) == ("objects", {"objects"})
    assert result.settings["objects_per_class"] == {"red": 20, "green": 20, "blue": 20}
    assert result.settings["images"] == 30


def naive_selectivity_by_images(source: Shapes, layer: str, activity: np.ndarray) -> np.ndarray:
    """Return the index where a class's mean is that over the images that hold it; the spatial mean is of squares."""
    means = np.array(
        [
            np.mean([activity[index] for index in range(len(source)) if label in source.objects(index).labels], axis=0)
            for label in range(len(source.classes))
        ]
    )
    best = means.max(0)
    rest = (means.sum(0) - best) / (len(means) - 1)
    return (best - rest) / (best + rest)


def test_by_images_a_class_mean_is_that_of_the_images_that_hold_the_class() -> None:
    source, layer, model = Shapes(), LAYERS[1], detector().model
    activity = []
    for index in range(len(source)):
        pixels = np.asarray(source.image(index).resize((64, 64), 2)).copy()
        with torch.no_grad(), tap(model, [layer]) as activations:
            model(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
        activity.append(activations[layer][0].numpy().astype(np.float64).mean((1, 2)))
    result = measure_selectivity(detector(), source, layers=["layer2"], by="images", folds=5, reading=QUIET)
    expected = naive_selectivity_by_images(source, layer, np.array(activity))
    np.testing.assert_allclose(result.units["selectivity"], expected, atol=1e-6)
    held = [(index, label) for index in range(30) for label in np.unique(source.objects(index).labels)]
    pairs, labels = np.array(held).T
    folds = group_folds(labels, pairs, 5, 0)
    plain, corrected, without = naive_means(np.array(activity)[pairs], labels, folds, range(5))
    row = result.summary.iloc[0]
    assert (row["layer"], row["mean"], row["mean_corrected"]) == (
        layer,
        pytest.approx(plain, abs=1e-6),
        pytest.approx(corrected, abs=1e-5),
    )
    np.testing.assert_allclose(result.fold_means[layer], without, atol=1e-6)
    assert (row["items"], row["subcell"], np.isnan(row["null_free"])) == ("images", 0, True)
    assert row["null_mean"] > 0
    assert result.settings["images_per_class"] == {
        name: int((labels == label).sum()) for label, name in enumerate(source.classes)
    }
    assert Selectivity().statistics([result])[0][0].name == "corrected_mean_selectivity"
    assert "on 30 images that hold 3 classes, 60 pairs of an image and a class (shapes)" in selectivity_caption(
        [result], "shapes"
    )
    assert "over the images that hold an object of the class" in selectivity_methods([result])


def test_background_is_one_more_class_of_boxes() -> None:
    source, layer = Shapes(), LAYERS[2]
    objects = ObjectItems.of(source)
    items = with_background(objects, source, seed=4)
    result = measure_selectivity(detector(), source, layers=[layer], background=True, folds=5, seed=4, reading=QUIET)
    activity = naive_activity(source, layer, items)
    np.testing.assert_allclose(result.units["selectivity"], naive_selectivity(activity, items.labels), atol=1e-6)
    assert result.classes == (*source.classes, "background")
    beside = items.labels == 3
    assert result.settings["objects_per_class"] == {"red": 20, "green": 20, "blue": 20, "background": beside.sum()}
    assert "background" in set(result.units["preferred_class"])
    expected = np.mean(
        [np.nanmean(naive_selectivity(activity, drawn)) for drawn in permuted_within(items.labels, items.sizes, 5, 4)]
    )
    assert result.summary["null_mean"][0] == pytest.approx(expected, abs=1e-6)
    caption = selectivity_caption([result], "shapes")
    assert f"on 60 objects of 3 classes and {beside.sum()} boxes of background in 30 images" in caption
    assert "are one more class." in selectivity_methods([result])


@pytest.mark.parametrize("kind", ["ssd300", "faster-rcnn"])
def test_boxes_of_whole_images_give_the_selectivity_of_images(kind: str) -> None:
    """The same network looks at the same images in both ways; Faster R-CNN is given a size that it does not pad."""
    variant, options = detector(kind), SelectivityOptions(permutations=2, layers=LAYERS)
    if kind == "faster-rcnn":
        variant.model.transform.fixed_size = (64, 64)
    (of_images,) = observe([variant], Whole(), SelectivityWatcher(options), QUIET)
    images = selectivity_result(of_images, options)
    objects = measure_selectivity(variant, Shapes(whole=True), options, QUIET)
    for layer in LAYERS:
        np.testing.assert_allclose(objects.class_means[layer], images.class_means[layer], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(objects.units["selectivity"], images.units["selectivity"], atol=1e-6)
    assert objects.units["preferred_class"].tolist() == images.units["preferred_class"].tolist()
    np.testing.assert_allclose(objects.summary["null_free"], images.summary["null_mean"], atol=1e-6)
    assert images.summary["null_free"].isna().all()


@pytest.mark.parametrize("kind", ["ssd300", "faster-rcnn"])
def test_neither_batches_nor_other_images_decide_anything_and_the_model_is_as_before(kind: str) -> None:
    variant = detector(kind)
    variant.model.train()
    before = state_of(variant.model)
    one = measure_selectivity(variant, Shapes(), reading=QUIET)
    other = measure_selectivity(variant, Shapes(), reading=Reading(QUIET.settings, batch_size=11))
    pd.testing.assert_frame_equal(one.summary, other.summary, rtol=1e-5)
    pd.testing.assert_frame_equal(one.units, other.units, rtol=1e-4, atol=1e-6)
    assert one.summary["layer"].tolist()[:3] == LAYERS
    assert state_of(variant.model) == before


def test_a_finished_pass_is_found_again_and_another_sample_of_objects_is_another_pass(tmp_path) -> None:
    def found(length: int) -> tuple[bool, SelectivityResult]:
        source, options = Shapes(length), SelectivityOptions(layers=LAYERS[2:])
        watcher, reading = SelectivityWatcher(options, ObjectItems.of(source)), Reading(QUIET.settings, cache=tmp_path)
        (seen,) = observe([detector()], source, watcher, reading)
        return seen.record is None, selectivity_result(seen, options)

    (first, fresh), (second, kept), (third, _) = found(30), found(30), found(33)
    assert (first, second, third) == (False, True, False)
    pd.testing.assert_frame_equal(fresh.summary, kept.summary, check_exact=True)


def test_labels_are_exchanged_within_sizes_and_folds_hold_whole_images() -> None:
    items = ObjectItems.of(Shapes(60))
    drawn = Labelings.of_objects(items, 3, permutations=4, folds=10, seed=0)
    for labels in drawn.permuted.numpy():
        for size in np.unique(items.sizes):
            inside = items.sizes == size
            assert sorted(labels[inside]) == sorted(items.labels[inside])
    assert all(sorted(labels) == sorted(items.labels) for labels in drawn.free.numpy())
    assert any(
        sorted(labels[items.sizes == 0]) != sorted(items.labels[items.sizes == 0]) for labels in drawn.free.numpy()
    )
    folds = drawn.folds.numpy()
    for image in np.unique(items.images):
        assert len(set(folds[items.images == image])) == 1
    for label in range(3):
        held = np.bincount(folds[items.labels == label], minlength=10)
        assert held.max() - held.min() <= 2


def test_a_class_of_two_images_is_never_in_one_fold() -> None:
    labels = np.array([0] * 40 + [1] * 5 + [1] * 5)
    groups = np.array([*range(40), *[7] * 5, *[23] * 5])
    for seed in range(20):
        folds = group_folds(labels, groups, 10, seed)
        assert len(set(folds[labels == 1])) == 2


def test_without_folds_that_leave_every_class_there_is_no_interval() -> None:
    items = ObjectItems.of(Shapes())
    drawn = Labelings.of_objects(items, 3, permutations=0, folds=1, seed=0)
    assert (drawn.folds, drawn.num_folds) == (None, 1)


def test_caveats_speak_of_objects() -> None:
    assert item_caveats({"a": 40, "b": 15, "c": 0, "d": 0}, "objects", {"c": 9}) == [
        "1 of 4 classes have no object and are left out: d.",
        "1 class of fewer than 10 objects, or of objects in one image alone, are left out: c with 9.",
        "1 of 2 classes have fewer than 20 objects (b has 15): class means of so few are noisy, class selectivity is "
        "biased upward, and the correction takes off only a part of it.",
        "classes are unbalanced: b has 15 objects, a 40; the mean of a small class is noisier, so that units prefer it "
        "by chance more often.",
    ]


class Unread(Shapes):
    def image(self, index: int) -> None:
        raise AssertionError("the pass has begun")


@pytest.mark.parametrize(
    ("length", "values", "message"),
    [
        (9, {}, r"shapes has 0 classes with 10 objects .* \(the most: red with 6\); give more images"),
        (30, {"auc": True}, "auc is measured on images with a label each"),
        (30, {"layers": ["layer9"]}, "the network has no layer 'layer9'"),
        (30, {"background": True, "by": "images"}, "background is about objects, and whole images are looked at"),
        (30, {"region": "mask", "by": "images"}, "region mask is about objects, and whole images are looked at"),
        (30, {"background": True, "region": "mask"}, "boxes of background have no mask"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_pass(length: int, values: dict, message: str) -> None:
    with pytest.raises(AutolaError, match=message):
        measure_selectivity(detector(), Unread(length), reading=QUIET, **values)


def test_layers_without_rectified_maps_are_refused_by_name() -> None:
    with pytest.raises(LayerError, match=r"layer 'backbone.body.conv1' of model has negative activity.*nearest layer"):
        measure_selectivity(detector(), Shapes(), layers=["backbone.body.conv1"], reading=QUIET)
    rectified = measure_selectivity(detector(), Shapes(), layers=["backbone.body.conv1"], rectify=True, reading=QUIET)
    assert rectified.summary["mean"].between(0, 1).all()
    with pytest.raises(LayerError, match=r"layer 'roi_heads.box_head' puts out shape .* objects need maps"):
        measure_selectivity(detector("faster-rcnn"), Shapes(), layers=["roi_heads.box_head"], reading=QUIET)


def test_results_are_saved_compared_and_described(tmp_path) -> None:
    variants = [detector(seed=0, name="a"), detector(seed=1, name="b")]
    results = measure_selectivity(variants, Shapes(), layers=LAYERS[1:], reading=QUIET)
    analysis = Selectivity()
    write_stored(tmp_path, analysis.format, analysis.store(results))
    again = analysis.restore(read_stored(tmp_path, SelectivityResult.FORMAT))
    pd.testing.assert_frame_equal(again[1].summary, results[1].summary)
    (first, *_), _ = analysis.statistics(again)
    assert (first.layer, first.paired, first.name) == (LAYERS[1], True, "corrected_mean_selectivity by objects")
    assert first.difference("b", "a").interval[0] < first.difference("b", "a").interval[1]
    lines = analysis.lines(again)
    assert lines.header[:2] == ["model", "layer"]
    assert len(lines.header) == len(lines.rows[0])
    caption = selectivity_caption(again, "shapes")
    assert "on 60 objects of 3 classes in 30 images (shapes), for a, b." in caption
    assert "over the annotated box of an object" in caption
    assert "among objects of like size" in caption
    methods = selectivity_methods(again)
    assert "10 folds of images with their objects, classes spread over them [@sechidis2011]" in methods


def test_options_that_need_images_are_refused() -> None:
    with pytest.raises(OptionError, match="finds objects, and the data have none"):
        measure_selectivity(detector(), Whole(), reading=QUIET)


def test_masks_that_fill_their_boxes_give_the_selectivity_of_boxes_and_an_empty_one_is_looked_at_by_its_box() -> None:
    class Masked(Shapes):
        def objects(self, index: int) -> Objects:
            found = super().objects(index)
            boxes = np.concatenate([np.floor(found.boxes[:, :2]), np.ceil(found.boxes[:, 2:])], axis=1)
            return Objects(boxes, found.labels, found.areas, found.crowd, found.ids)

        def object_mask(self, index: int, number: int) -> np.ndarray:
            width, height = self.sizes[index]
            x1, y1, x2, y2 = self.objects(index).boxes[number].astype(int)
            mask = np.zeros((height, width), dtype=bool)
            mask[y1:y2, x1:x2] = index % 2 == 0
            return mask

    boxes, masks = (
        measure_selectivity(detector("faster-rcnn"), Masked(), layers=LAYERS[1:], region=region, reading=QUIET)
        for region in ("box", "mask")
    )
    for layer in LAYERS[1:]:
        np.testing.assert_allclose(masks.class_means[layer], boxes.class_means[layer], rtol=1e-5, atol=1e-6)
    assert "over the mask of an object" in selectivity_methods([masks])
    with pytest.raises(OptionError, match="the data have no mask of object 1 of image 0; leave out --region mask"):
        measure_selectivity(detector(), Unread(), region="mask", reading=QUIET)
