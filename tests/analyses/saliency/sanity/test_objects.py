"""The sanity check of single objects: the candidate and its region stay, the weights do not."""

import copy
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from scipy import stats

from autola_analysis.analyses.saliency.explain_objects import explain_objects
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.objects.question import ObjectQuestion
from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.sanity.objects import drawn, object_sanity
from autola_analysis.analyses.saliency.sanity.result import OTHER_IMAGES, OTHER_RUNS, SANITY, ComparedMaps
from autola_analysis.analyses.saliency.sanity.section import sanity_caption, sanity_methods
from autola_analysis.analyses.saliency.sanity.weights import cascade_of_detector, randomise
from autola_analysis.analyses.variants import Variant, preprocessing_for
from autola_analysis.core.errors import AutolaError
from autola_analysis.inference.candidates import Chosen
from autola_analysis.inference.object_gradients import object_gradients
from tests.analyses.objects import QUIET, Shapes, detector
from tests.inference.state import state_of

STEM = [f"backbone.body.{name}" for name in ("layer3", "layer2", "layer1", "bn1", "conv1")]
PARTS = {
    "ssd300": ["head", "backbone.extras", *STEM],
    "faster-rcnn": ["roi_heads", "backbone.fpn", "backbone.body.layer4", *STEM],
}
CPU = torch.device("cpu")


def question(*variants: Variant, **values: object) -> ObjectQuestion:
    options = SaliencyOptions(**{"methods": ["gradient"], "sanity": 2, "sanity_draws": 1, **values})
    return ObjectQuestion.of(variants, Shapes(3), options)


@pytest.mark.parametrize("kind", ["ssd300", "faster-rcnn"])
def test_parts_are_those_that_a_candidate_s_score_passes_through_from_the_head_down(kind: str) -> None:
    assert cascade_of_detector(detector(kind).model) == PARTS[kind]


def spearman(first: torch.Tensor, second: torch.Tensor) -> float:
    one, other = (each.abs().amax(0).flatten() for each in (first, second))
    return float(stats.spearmanr(one, other).statistic)


def test_every_stage_explains_the_candidate_of_the_trained_network() -> None:
    variant = detector()
    for module in variant.model.head.regression_head.module_list:  # other weights move boxes, and would choose others
        torch.nn.init.normal_(module.weight, std=0.2)
    before = state_of(variant.model)
    asked = question(variant, sanity_draws=2, seed=3)
    found = object_sanity(asked, [variant], CPU)
    assert state_of(variant.model) == before
    sample, geometry = drawn(asked), preprocessing_for(variant, Shapes(3))
    assert geometry is not None
    for column, index in enumerate(sorted(sample.asked)):
        pixels = geometry.geometry(Shapes(3).image(index))[None] / 255
        objects = sample.in_pixels(index, variant, (pixels.shape[2], pixels.shape[3]))
        trained = explain_objects(variant, pixels, "gradient", target="object", objects=[objects])
        held = [Chosen(torch.tensor([trained.objects["candidate"][0]]), torch.from_numpy(objects.labels + 1))]
        for draw in range(2):
            other = copy.deepcopy(variant.model)
            for place, part in enumerate(PARTS["ssd300"]):
                randomise(other.get_submodule(part), 3 + draw * len(PARTS["ssd300"]) + place)
                map_ = object_gradients(other, pixels, held, image=True).image[0]
                expected = spearman(trained.maps["gradient", None][0], map_)
                values = found.correlations[ComparedMaps("model", "1", "gradient", "", part)]
                assert values[draw, column] == pytest.approx(expected, abs=1e-4)


def test_maps_of_images_of_several_sizes_are_compared_and_other_runs_too() -> None:
    """Faster R-CNN gets images as they are stored, whose sizes differ."""
    variant = detector("faster-rcnn")
    other = replace(detector("faster-rcnn", seed=1), run="2")
    asked = question(variant, other, sanity=3)
    assert len({tuple(size) for size in Shapes(3).sizes[sorted(drawn(asked).asked)]}) == 2
    found = object_sanity(asked, [variant, other], CPU)
    assert found.table["randomised_to"].tolist() == PARTS["faster-rcnn"]
    assert found.table["images"].tolist() == [3] * 8
    assert found.baselines["baseline"].tolist() == [OTHER_IMAGES, OTHER_RUNS]
    assert found.baselines["rank_correlation"].between(-1, 1).all()


def test_one_object_of_each_image_is_drawn_by_seed() -> None:
    asked = question(detector(), sanity=3)
    sample = drawn(asked)
    assert [len(each.classes) for each in sample.asked.values()] == [1, 1, 1]
    for index, own in sample.asked.items():
        assert own.boxes[0].tolist() in asked.asked[index].boxes.tolist()
    orders = {tuple(drawn(question(detector(), sanity=1, seed=seed)).asked) for seed in range(8)}
    assert len(orders) > 1


@pytest.mark.parametrize("target", ["object", "detection"])
def test_a_measurement_holds_the_check_and_is_saved_and_loaded(target: str, tmp_path: Path) -> None:
    options = {"methods": ["gradient"], "sanity": 2, "sanity_draws": 1, "target": target, "threshold": 0.0, "most": 2}
    found = measure_saliency(detector(), Shapes(3), reading=QUIET, **options)
    assert found.sanity is not None
    assert found.sanity.table.columns.tolist() == SANITY.names
    assert found.sanity.table["images"].tolist() == [2] * len(PARTS["ssd300"])
    assert any("rests on 1 draws of random weights and 2 images" in warning for warning in found.warnings)
    caption, words = sanity_caption(found.sanity, "shapes"), sanity_methods(found.sanity)
    assert "1 draw of random weights and 2 images, an object of each" in caption
    assert "the candidate and the region that it is read from stay the same" in words
    found.save(tmp_path)
    loaded = ObjectSaliencyResult.load(tmp_path)
    assert loaded.sanity is not None
    pd.testing.assert_frame_equal(loaded.sanity.table, found.sanity.table)


def test_where_nothing_is_detected_there_is_nothing_to_check() -> None:
    options = {"methods": ["gradient"], "sanity": 2, "target": "detection", "threshold": 1.0}
    found = measure_saliency(detector(), Shapes(2), reading=QUIET, **options)
    assert found.sanity is None
    assert "there is no object to check against random weights." in found.warnings


def test_a_network_that_fails_is_as_before() -> None:
    variant = detector()
    before = state_of(variant.model)
    asked = replace(question(variant), options=SaliencyOptions(methods=["odam"], layers=["backbone.nowhere"], sanity=2))
    with pytest.raises(AutolaError, match="nowhere"):
        object_sanity(asked, [variant], CPU)
    assert state_of(variant.model) == before
