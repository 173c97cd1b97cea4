"""Insertion and deletion of single objects, against a detector whose answer is worked out cell by cell."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.ops import box_iou

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.faithfulness import SCALED, scaled_area
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.objects.assembly import unscaled_warnings
from autola_analysis.analyses.saliency.objects.compared import object_statistics
from autola_analysis.analyses.saliency.objects.faithfulness import (
    ObjectFaithfulness,
    PerturbedImage,
    ready_to_read,
    surety,
)
from autola_analysis.analyses.saliency.objects.localise import BOX_ONLY
from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult
from autola_analysis.analyses.saliency.objects.section import object_methods, section_tables
from autola_analysis.analyses.saliency.perturbation import blurred
from autola_analysis.inference.candidates import Candidates
from autola_analysis.inference.run import Settings
from tests.analyses.objects import QUIET, Shapes, detector
from tests.analyses.saliency.objects.planted import AWAY, BLUE, CELL, LAYER, RED, SIDE, Squares, planted
from tests.inference.state import state_of

READING = Reading(Settings(device="cpu", quiet=True), batch_size=2)
SCENE = Squares(2)


def image(index: int) -> np.ndarray:
    return np.asarray(SCENE.image(index)).transpose(2, 0, 1) / 255


def naive_surety(pixels: np.ndarray, box: np.ndarray, label: int) -> float:
    """Of the planted detector, whose candidates are its cells: all three logits are known."""
    red = [[pixels[0, CELL * y : CELL * (y + 1), CELL * x : CELL * (x + 1)].mean() for x in range(8)] for y in range(8)]
    best = 0.0
    for y in range(8):
        for x in range(8):
            moved = red[y][x - AWAY] if x >= AWAY else 0.0
            odds = [1.0, np.exp(20 * red[y][x] - 10), np.exp(20 * moved - 10)]
            across = max(0.0, min(box[2], CELL * (x + 1)) - max(box[0], CELL * x))
            down = max(0.0, min(box[3], CELL * (y + 1)) - max(box[1], CELL * y))
            union = CELL**2 + (box[2] - box[0]) * (box[3] - box[1]) - across * down
            best = max(best, across * down / union * odds[1 + label] / sum(odds))
    return best


def naive_curve(inside: np.ndarray, outside: np.ndarray, map_: np.ndarray, box: np.ndarray, label: int) -> list[float]:
    """16 portions of an eighth of the box's area, pixel by pixel."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    order = np.argsort(-map_.flatten(), kind="stable")
    curve = []
    for step in range(17):
        pixels = outside.copy()
        for pixel in order[: round(min(2 * area, SIDE**2) * step / 16)]:
            pixels[:, pixel // SIDE, pixel % SIDE] = inside[:, pixel // SIDE, pixel % SIDE]
        curve.append(naive_surety(pixels, box, label))
    return curve


def measured(maps: np.ndarray, box: np.ndarray, label: int, index: int = 0, batch: int = 64) -> ObjectFaithfulness:
    pixels = torch.from_numpy(image(index)).float()
    with ready_to_read(planted().model, pixels[None]) as ready:
        return PerturbedImage(ready, pixels, batch).faithfulness(maps, box, label + 1, seed=0)


@pytest.mark.parametrize(
    ("box", "label", "batch"), [([9.0, 8, 17, 16], RED, 5), ([32.0, 8, 40, 16], BLUE, 64), ([0.0, 0, 64, 64], RED, 64)]
)
def test_curves_equal_a_naive_computation_whatever_the_batch(box: list[float], label: int, batch: int) -> None:
    """The last box is the whole image, which has no more than its own area to move."""
    maps = np.random.default_rng(0).random((2, SIDE, SIDE))
    maps[:, 4:20, 4:48] += 1
    found = measured(maps, np.array(box), label, batch=batch)
    full = image(0)
    soft = blurred(torch.from_numpy(full)[None])[0].numpy()
    mean = np.broadcast_to(full.mean((1, 2), keepdims=True), full.shape)
    for row, map_ in enumerate(maps):
        entering, leaving = (naive_curve(*pair, map_, np.array(box), label) for pair in ((full, soft), (mean, full)))
        np.testing.assert_allclose(found.insertion_curve[row], entering, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.deletion_curve[row], leaving, rtol=1e-4, atol=1e-6)
        assert found.emptied[row] == pytest.approx(naive_surety(mean, np.array(box), label), rel=1e-4)


def test_areas_are_scaled_between_the_blurred_or_emptied_image_and_the_full_one() -> None:
    found = ObjectFaithfulness(np.array([[0.1, 0.5, 0.5]]), np.array([[0.9, 0.3, 0.3]]), np.array([0.1]))
    assert found.insertion == pytest.approx([(0.4 - 0.1) / 0.8])
    assert found.deletion == pytest.approx([(0.45 - 0.1) / 0.8])


def marked(x: int, y: int) -> np.ndarray:
    """A map of one cell, of whose pixels the upper ones rank first."""
    map_ = np.zeros((SIDE, SIDE))
    map_[CELL * y : CELL * (y + 1), CELL * x : CELL * (x + 1)] = np.linspace(2, 1, CELL)[:, None]
    return map_


def test_a_map_of_what_the_detector_uses_beats_its_inverse_and_for_a_blue_square_also_the_object_itself() -> None:
    """What tells of the blue square is the red one to its left: precise localisation would be wrong."""
    red, blue = SCENE.objects(0).boxes
    own = marked(1, 1)
    good, inverse = measured(np.stack([own, own.max() - own]), red, RED).insertion
    assert good > inverse + 0.3
    of_blue = measured(np.stack([own, marked(1 + AWAY, 1)]), blue, BLUE)
    assert of_blue.insertion[0] > of_blue.insertion[1] + 0.3
    assert of_blue.deletion[0] < of_blue.deletion[1] - 0.3


def test_without_a_candidate_an_object_is_not_found() -> None:
    nothing = Candidates(torch.empty(0, 3, 4), torch.empty(0, 3), *[torch.empty(0, dtype=torch.int64)] * 3)
    assert surety(nothing, torch.tensor([0.0, 0, 8, 8]), 1) == 0


def test_the_detector_is_as_before_also_after_an_exception() -> None:
    model = planted().model.train()
    before = state_of(model)
    pixels = torch.from_numpy(image(0)).float()
    with ready_to_read(model, pixels[None]) as ready:
        PerturbedImage(ready, pixels).faithfulness(marked(1, 1)[None], SCENE.objects(0).boxes[0], 1, seed=0)
    assert state_of(model) == before
    with pytest.raises(IndexError), ready_to_read(model, pixels[None]) as ready:
        PerturbedImage(ready, pixels).faithfulness(marked(1, 1)[None], SCENE.objects(0).boxes[0], 7, seed=0)
    assert state_of(model) == before


@pytest.fixture(scope="module")
def result() -> ObjectSaliencyResult:
    asked = {"methods": ["odam", "gradient"], "layers": [LAYER], "faithfulness": True, "reading": READING}
    return measure_saliency([planted(), planted(flip=True)], SCENE, **asked)


def test_every_map_of_a_network_is_measured_and_those_of_the_predicted_box(result: ObjectSaliencyResult) -> None:
    networks = result.objects[result.objects["model"] != "chance"]
    assert networks["insertion"].notna().all()
    assert result.objects[result.objects["model"] == "chance"]["insertion"].isna().all()
    by_class = networks[networks["model"] == "planted"].groupby(["class", "method"])["insertion"].mean()
    assert by_class["blue", "odam"] > by_class["blue", BOX_ONLY[0]] + 0.3  # the box of a blue square tells nothing
    one, other = (networks[networks["model"] == name] for name in ("planted", "flipped"))
    np.testing.assert_allclose(one[[*SCALED]], other[[*SCALED]], atol=1e-5)  # the same, whatever the labels
    assert {"insertion", "deletion"} <= set(result.metrics["metric"])
    assert "odam insertion" in [each.name for each in object_statistics(result)[0]]


def test_the_areas_are_those_of_the_curves_that_are_kept(result: ObjectSaliencyResult, tmp_path: Path) -> None:
    result.save(tmp_path)
    loaded = ObjectSaliencyResult.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.objects, result.objects)
    curves = {name: loaded.curves[f"planted/1/odam/{LAYER}/{name}"] for name in ("insertion", "deletion", "emptied")}
    rows = result.objects[(result.objects["model"] == "planted") & (result.objects["method"] == "odam")]
    full = curves["deletion"][:, 0]
    np.testing.assert_allclose(scaled_area(curves["insertion"], curves["insertion"][:, 0], full), rows["insertion"])
    np.testing.assert_allclose(scaled_area(curves["deletion"], curves["emptied"], full), rows["deletion"])


def test_a_paper_and_the_page_say_what_was_measured(result: ObjectSaliencyResult) -> None:
    words = object_methods(result, measured=True)
    assert "Insertion and deletion follow [@petsiuk2018]: pixels enter or leave in 16 steps up to 2 areas" in words
    tables = section_tables(result, measured=True)
    (own,) = [name for name in tables if name.startswith("What the networks use") and "all objects" in name]
    assert [column for column in tables[own] if column in SCALED] == [*SCALED]
    assert "[" in tables[own]["insertion"][0]  # the interval
    where = next(name for name in tables if name.startswith("Where the maps lie"))
    assert not {*SCALED} & set(tables[where])


def test_objects_without_a_scaled_area_are_counted() -> None:
    frame = pd.DataFrame({"insertion": [np.nan, 0.4], "deletion": [0.1, 0.2]})
    (warning,) = unscaled_warnings("SE", frame)
    assert warning == (
        "SE: 1 of 2 objects have no insertion, because IoU times probability rises by less than 0.2 from the blurred "
        "image to the full one."
    )


def test_faster_rcnn_is_measured_by_what_its_proposals_find() -> None:
    variant = detector("faster-rcnn")
    found = measure_saliency(variant, Shapes(1), methods=["odam"], faithfulness=True, reading=QUIET)
    full = found.curves["model/1/odam/backbone.body.layer4/deletion"][:, 0]
    objects, pixels = Shapes(1).objects(0), torch.from_numpy(np.array(Shapes(1).image(0))).permute(2, 0, 1) / 255
    model = variant.model
    with torch.no_grad():
        batch, _ = model.transform([pixels])
        maps = model.backbone(batch.tensors)
        proposals, _ = model.rpn(batch, maps, None)
        logits, deltas = model.roi_heads.read(maps, proposals, batch.image_sizes)
    (height, width), (tall, wide) = pixels.shape[1:], batch.image_sizes[0]
    boxes = model.roi_heads.box_coder.decode(deltas, proposals) * torch.tensor([width / wide, height / tall] * 2)
    expected = [
        max(
            float(box_iou(torch.from_numpy(box)[None].float(), own[None, label + 1]) * shares[label + 1])
            for own, shares in zip(boxes, logits.softmax(1), strict=True)
        )
        for box, label in zip(objects.boxes, objects.labels, strict=True)
    ]
    assert full.tolist() == pytest.approx(expected, rel=1e-3)
