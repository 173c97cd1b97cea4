"""Single objects explained: which candidate stands for them, and maps by their formulas."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import grid_sample
from torchvision.ops import box_iou

from autola_analysis.analyses.saliency.cam import upsample
from autola_analysis.analyses.saliency.explain_objects import explain_objects
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.objects import Objects
from autola_analysis.inference.candidates import Candidates, Chosen
from autola_analysis.inference.object_gradients import object_gradients
from tests.inference.state import state_of
from tests.inference.test_object_gradients import LAYER, detector, images

LOW = 0.06
"""A probability that some detections of a random network exceed"""


def test_a_photograph_is_a_batch_of_one_and_classes_have_their_names() -> None:
    pixels = (images()[1].permute(1, 2, 0) * 255).round().byte()
    model = detector("ssd300").float()
    batch = pixels.permute(2, 0, 1)[None]
    of_batch = explain_objects(model, batch, "odam", threshold=LOW)
    assert len(of_batch.objects)
    assert of_batch.objects["class"].tolist() == [str(label) for label in of_batch.objects["label"]]
    named = Variant(model, classes=("red", "green"))
    for photograph in (Image.fromarray(pixels.numpy()), pixels.numpy()):
        found = explain_objects(named, photograph, "odam", threshold=LOW)
        names = ["red", "green", "2", "3", "4"]
        assert found.objects["class"].tolist() == [names[label] for label in found.objects["label"]]
        pd.testing.assert_frame_equal(found.objects.drop(columns="class"), of_batch.objects.drop(columns="class"))
        torch.testing.assert_close(found.maps, of_batch.maps)


def strongest(_: int, candidates: Candidates) -> Chosen:
    kept = candidates.scores > LOW
    return Chosen(candidates.detected[kept][:20], candidates.labels[kept][:20])


def objects(boxes: list[list[float]], labels: list[int]) -> Objects:
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    count = len(labels)
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    return Objects(corners, np.array(labels, dtype=np.int64), areas, np.zeros(count, np.bool_), np.arange(count))


ANNOTATED = [objects([[4, 6, 30, 40], [20, 20, 60, 62]], [1, 0]), objects([[1, 1, 3, 3]], [2])]


@pytest.mark.parametrize("kind", ["ssd300", "faster-rcnn"])
def test_there_is_a_map_of_every_detection_by_the_formulas_and_the_model_is_as_before(kind: str) -> None:
    model = detector(kind)
    before = state_of(model)
    found = explain_objects(model, images(), threshold=LOW, layers=LAYER)
    assert state_of(model) == before
    signals = object_gradients(model, images(), strongest, [LAYER], guided=True)
    assert len(found.objects) == len(signals.scores) > 2
    assert found.objects["score"].tolist() == pytest.approx(signals.scores.tolist())
    activation, gradient = signals.activations[LAYER], signals.layers[LAYER]
    for place in range(len(found.objects)):
        cam, odam = torch.zeros(2, *activation.shape[2:], dtype=torch.float64)
        for channel in range(activation.shape[1]):
            cam += gradient[place, channel].mean() * activation[place, channel]
            odam += gradient[place, channel] * activation[place, channel]
        for name, naive in (("grad-cam", cam), ("odam", odam)):
            expected = upsample(naive.relu()[None], (64, 64))[0].float()
            torch.testing.assert_close(found.maps[name, LAYER][place], expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found.maps["guided-backprop", None][place], signals.guided[place].float())
    assert found.objects["detected"].all()
    assert found.objects["assigned"].unique().tolist() == ["detection"]
    for _, rows in found.objects.groupby("image"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
    assert found.objects["candidate_iou"].isna().all()
    assert (found.objects["probability"] > LOW).all()


def test_what_pads_an_image_in_the_network_has_no_part_in_its_map() -> None:
    """Of 60 x 64 pixels the network makes 96 x 102, and pads them to 96 x 128: the last cells are beside the image."""
    model, flat = detector("faster-rcnn"), images()[:, :, :60]
    found = explain_objects(model, flat, "odam", LAYER, threshold=LOW)
    signals = object_gradients(model, flat, strongest, [LAYER])
    cams = (signals.activations[LAYER] * signals.layers[LAYER]).sum(1).relu()
    assert cams.shape[1:] == (6, 8)
    down = (torch.arange(60) + 0.5) / 60
    across = (torch.arange(64) + 0.5) / 64 * (102 / 128)
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1).double() * 2 - 1
    places = places.expand(len(cams), -1, -1, -1)
    expected = grid_sample(cams[:, None], places, padding_mode="border", align_corners=False)[:, 0]
    assert len(expected) > 2
    torch.testing.assert_close(found.maps["odam", LAYER], expected.float(), rtol=1e-4, atol=1e-6)


def of_object(candidates: Candidates, box: Tensor, label: int) -> int:
    """The rule, candidate by candidate."""
    overlaps = [float(box_iou(box[None], own[None])) for own in candidates.boxes[:, label]]
    near = [number for number, overlap in enumerate(overlaps) if overlap >= 0.5]
    if near:
        return max(near, key=lambda number: float(candidates.probabilities[number, label]))
    return max(range(len(overlaps)), key=lambda number: overlaps[number])


def test_an_object_is_explained_by_the_likeliest_candidate_that_overlaps_it_else_by_the_nearest() -> None:
    model = detector("ssd300")
    found = explain_objects(model, images(), "grad-cam", LAYER, "object", ANNOTATED)
    everything: list[Candidates] = []

    def look(_: int, candidates: Candidates) -> Chosen:
        everything.append(candidates)
        return Chosen(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))

    object_gradients(model, images(), look)
    expected = [
        of_object(candidates, torch.from_numpy(box), int(label) + 1)
        for candidates, annotated in zip(everything, ANNOTATED, strict=True)
        for box, label in zip(annotated.boxes, annotated.labels, strict=True)
    ]
    rows = found.objects
    assert rows["candidate"].tolist() == expected
    stops = np.cumsum([8 * 8 * 4, 4 * 4 * 6, 2 * 2 * 4, 4])
    assert rows["level"].tolist() == [int((stops <= candidate).sum()) for candidate in expected]
    assert len(set(rows["level"])) > 1
    assert (rows["image"].tolist(), rows["label"].tolist()) == ([0, 0, 1], [1, 0, 2])
    boxes = np.concatenate([each.boxes for each in ANNOTATED])
    own = torch.from_numpy(rows[["x1", "y1", "x2", "y2"]].to_numpy(float, copy=True))
    assert rows["candidate_iou"].tolist() == pytest.approx(box_iou(torch.from_numpy(boxes), own).diagonal().tolist())
    assert rows["candidate_iou"][2] < 0.5  # nothing is as small as the third object
    assert rows["assigned"].tolist() == ["overlapping" if iou >= 0.5 else "fallback" for iou in rows["candidate_iou"]]
    assert rows["assigned"].nunique() == 2
    assert rows["rank"].isna().tolist() == (~rows["detected"]).tolist()


def test_a_given_box_is_the_region_that_is_read() -> None:
    found = explain_objects(detector("faster-rcnn"), images(), "odam", LAYER, "given-box", ANNOTATED)
    assert found.objects["candidate"].tolist() == [-1] * 3
    assert found.objects["assigned"].tolist() == ["given"] * 3
    boxes = np.concatenate([each.boxes for each in ANNOTATED])
    np.testing.assert_allclose(found.objects[["x1", "y1", "x2", "y2"]].to_numpy(float), boxes)
    assert found.objects["candidate_iou"].tolist() == [1] * 3
    assert found.status["odam", LAYER] == ("ok",) * 3


def test_where_nothing_is_detected_there_is_no_map() -> None:
    found = explain_objects(detector("ssd300"), images(), threshold=1.0)
    assert found.objects.empty
    assert [tuple(each.shape) for each in found.maps.values()] == [(0, 64, 64), (0, 64, 64), (0, 3, 64, 64)]


def test_bytes_are_shares_of_255() -> None:
    model = detector("ssd300")
    pixels = (images() * 255).to(torch.uint8)
    one, other = (explain_objects(model, each, "grad-cam", threshold=LOW) for each in (pixels, pixels.double() / 255))
    pd.testing.assert_frame_equal(one.objects, other.objects)


def test_the_score_over_the_background_is_another_one() -> None:
    model = detector("ssd300")
    logit, margin = (explain_objects(model, images(), "odam", threshold=LOW, margin=each) for each in (False, True))
    assert (logit.objects["score"] != margin.objects["score"]).all()
    assert logit.objects["candidate"].tolist() == margin.objects["candidate"].tolist()


class Other(nn.Conv2d):
    """No detector."""


@pytest.mark.parametrize(
    ("kind", "values", "error", "message"),
    [
        ("ssd300", {"target": "object"}, OptionError, "the target 'object' needs the objects of every image"),
        ("ssd300", {"target": "given-box", "objects": ANNOTATED}, OptionError, "SSD reads its default boxes alone"),
        ("ssd300", {"objects": ANNOTATED}, OptionError, "leave the objects out"),
        ("ssd300", {"target": "box"}, OptionError, "one of detection, object, given-box; found 'box'"),
        ("ssd300", {"target": "object", "objects": ANNOTATED[:1]}, OptionError, "there are 2 images, and objects of 1"),
        ("other", {}, DataError, "candidates are known of the detectors of this package, and Other is none"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    kind: str, values: dict[str, object], error: type[Exception], message: str
) -> None:
    model = Other(3, 3, 1).double() if kind == "other" else detector(kind)
    with pytest.raises(error, match=message):
        explain_objects(model, images(), "guided-backprop", [], **values)


@pytest.mark.parametrize("wrong", [torch.zeros(3, 8, 8), torch.zeros(0, 3, 8, 8), [1]])
def test_images_that_are_no_batch_are_refused(wrong: object) -> None:
    with pytest.raises(DataError, match=r"images must be a tensor \(B, 3, H, W\)"):
        explain_objects(detector("ssd300"), wrong)


def test_an_object_is_found_where_a_detection_of_its_class_overlaps_it_whichever_candidate_stands_for_it() -> None:
    model = detector("ssd300")
    detected = explain_objects(model, images(), "odam", LAYER, threshold=LOW).objects
    assert detected["found"].all()
    first = detected[detected["image"] == 0].iloc[0]
    box, label = [float(first[side]) for side in ("x1", "y1", "x2", "y2")], int(first["label"])
    asked = [objects([box, box], [label, (label + 1) % 3]), objects([[0, 0, 1, 1]], [label])]
    everything: list[Candidates] = []

    def look(_: int, candidates: Candidates) -> Chosen:
        everything.append(candidates)
        return Chosen(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))

    object_gradients(model, images(), look)
    of_other = everything[0].labels == (label + 1) % 3 + 1
    others = everything[0].boxes[everything[0].detected[of_other], (label + 1) % 3 + 1]
    expected = bool((box_iou(torch.tensor([box], dtype=torch.float64), others) >= 0.5).any()) if len(others) else False
    found = explain_objects(model, images(), "odam", LAYER, "object", asked).objects
    assert found["found"].tolist() == [True, expected, False]


def test_support_and_the_strongest_detection_are_kept_and_a_part_is_a_part() -> None:
    model = detector("ssd300")
    found = explain_objects(model, images(), ["odam", "gradient"], LAYER, threshold=LOW)
    signals = object_gradients(model, images(), strongest, [LAYER])
    shares = [(gradient != 0).any(0).double().mean().item() for gradient in signals.layers[LAYER]]
    assert found.support[LAYER] == pytest.approx(shares)
    assert found.strongest == pytest.approx([float(each.scores[0]) for each in signals.candidates])
    part = found.part([2, 0])
    assert part.objects["candidate"].tolist() == found.objects["candidate"][[2, 0]].tolist()
    assert all((part.maps[key] == found.maps[key][[2, 0]]).all() for key in found.maps)
    assert part.support[LAYER] == pytest.approx([shares[2], shares[0]])
    assert part.status["odam", LAYER] == ("ok", "ok")
