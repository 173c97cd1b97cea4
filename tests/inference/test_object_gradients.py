"""Gradients of single candidates: equal to autograd through the whole ordinary forward, the model untouched."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autola_analysis.core.errors import DataError
from autola_analysis.detectors import create_detector
from autola_analysis.inference.candidates import Candidates, Chosen, candidates_before_suppression
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.object_gradients import object_gradients
from tests.detectors.helpers import SMALL, TINY, TINY_SSD, torchvisions_faster_rcnn
from tests.inference.state import state_of

LAYER = "backbone.body.layer3"
KINDS = ["ssd300", "ssd300 all", "faster-rcnn", "faster-rcnn torchvision"]
MOST = 3


def detector(kind: str) -> nn.Module:
    """A tiny detector in float64 whose batch norms have statistics and whose head tells classes apart."""
    torch.manual_seed(0)
    name, _, style = kind.partition(" ")
    options: dict[str, Any] = {**TINY_SSD} if name == "ssd300" else {**TINY, **SMALL}
    if style:
        options["norm" if name == "ssd300" else "style"] = style
    model = create_detector(name, classes=3, **options).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    if name != "ssd300":
        nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=2)
    return model


def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def strongest(number: int, candidates: Candidates) -> Chosen:
    """The strongest detections, one less in the second image."""
    most = MOST - number
    return Chosen(candidates.detected[:most], candidates.labels[:most])


def ordinary(model: nn.Module, wanted: Callable[[int, dict[str, Tensor]], list[tuple[int, int]]]) -> list[tuple]:
    """Return (logit, background, gradient at the layer, gradient at the images) of candidates of a whole forward."""
    is_ssd = hasattr(model, "head")
    reader = model.head.classification_head if is_ssd else model.roi_heads.box_predictor
    kept: dict[str, Any] = {}
    handles = [
        reader.register_forward_hook(lambda _, __, output: kept.update(logits=output if is_ssd else output[0])),
        model.get_submodule(LAYER).register_forward_hook(lambda _, __, output: kept.update(layer=output)),
    ]
    if not is_ssd:
        keep = lambda _, __, output: kept.update(counts=[len(each) for each in output[0]])  # noqa: E731
        handles.append(model.rpn.register_forward_hook(keep))
    leaf = images().requires_grad_()
    detections = model([*leaf])
    for handle in handles:
        handle.remove()
    found = []
    for image, each in enumerate(detections):
        first = 0 if is_ssd else sum(kept["counts"][:image])
        for candidate, label in wanted(image, each):
            row = kept["logits"][image, candidate] if is_ssd else kept["logits"][first + candidate]
            found_there = torch.autograd.grad(row[label], [kept["layer"], leaf], retain_graph=True)
            found.append((row[label].detach(), row[0].detach(), found_there[0][image], found_there[1][image]))
    return found


def of_strongest(image: int, detections: dict[str, Tensor]) -> list[tuple[int, int]]:
    most = MOST - image
    return list(zip(detections["candidates"][:most].tolist(), detections["labels"][:most].tolist(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_score_and_gradient_are_those_of_the_ordinary_forward_at_the_same_candidate(kind: str) -> None:
    model = detector(kind)
    expected = ordinary(model, of_strongest)
    before = state_of(model)
    found = object_gradients(model, images(), strongest, [LAYER], image=True)
    assert state_of(model) == before
    assert found.owners.tolist() == [0] * MOST + [1] * (MOST - 1)
    assert len(expected) == len(found.scores)
    for place, (logit, _, layer, image) in enumerate(expected):
        torch.testing.assert_close(found.scores[place], logit, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.layers[LAYER][place], layer, rtol=1e-9, atol=1e-9 * float(layer.abs().max()))
        assert found.image is not None
        torch.testing.assert_close(found.image[place], image, rtol=1e-9, atol=1e-9 * float(image.abs().max()))


@pytest.mark.parametrize("kind", ["ssd300", "faster-rcnn"])
def test_the_margin_is_over_the_background(kind: str) -> None:
    model = detector(kind)
    expected = ordinary(model, of_strongest)
    found = object_gradients(model, images(), strongest, [LAYER], margin=True)
    margins = torch.stack([logit - background for logit, background, *_ in expected])
    torch.testing.assert_close(found.scores, margins, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["ssd300", "faster-rcnn"])
def test_objects_together_are_objects_alone_and_guided_maps_too(kind: str) -> None:
    model = detector(kind)
    together = object_gradients(model, images(), strongest, [LAYER], guided=True)
    for place in range(MOST):

        def one(number: int, candidates: Candidates, place: int = place) -> Chosen:
            kept = slice(place, place + 1) if number == 0 else slice(0)
            return Chosen(candidates.detected[kept], candidates.labels[kept])

        alone = object_gradients(model, images(), one, [LAYER], guided=True)
        torch.testing.assert_close(alone.layers[LAYER][0], together.layers[LAYER][place], rtol=1e-9, atol=1e-12)
        assert alone.guided is not None
        assert together.guided is not None
        torch.testing.assert_close(alone.guided[0], together.guided[place], rtol=1e-9, atol=1e-12)
    assert together.relus > 5


def test_a_given_box_is_read_in_place_of_the_proposals() -> None:
    model = detector("faster-rcnn")

    def own(number: int, candidates: Candidates) -> Chosen:
        assert candidates.regions is not None
        return Chosen(torch.tensor([-1]), candidates.labels[:1], candidates.regions[candidates.detected[:1]])

    def proposed(number: int, candidates: Candidates) -> Chosen:
        return Chosen(candidates.detected[:1], candidates.labels[:1])

    given, usual = (object_gradients(model, images(), choose, [LAYER]) for choose in (own, proposed))
    torch.testing.assert_close(given.scores, usual.scores, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(given.layers[LAYER], usual.layers[LAYER], rtol=1e-9, atol=1e-12)


def test_where_nothing_is_chosen_there_is_no_gradient() -> None:
    nothing = torch.empty(0, dtype=torch.int64)
    found = object_gradients(detector("ssd300"), images(), lambda *_: Chosen(nothing, nothing), [LAYER])
    assert (len(found.scores), len(found.owners)) == (0, 0)


def test_a_failing_choice_leaves_the_model_as_it_was() -> None:
    model = detector("ssd300").train()
    before = state_of(model)

    def fail(number: int, candidates: Candidates) -> Chosen:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        object_gradients(model, images(), fail, [LAYER], guided=True)
    assert state_of(model) == before


def test_the_score_of_a_joint_is_read_from_its_heat_map() -> None:
    torch.manual_seed(0)
    model = create_detector("pose", classes=4, channels=8, **TINY).double().eval()
    kept: dict[str, Tensor] = {}
    layer = "backbone.layer3"
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, output: kept.update(layer=output))
    score = model(images())[:, 2, 5, 7].sum()
    handle.remove()
    (expected,) = torch.autograd.grad(score, kept["layer"])
    found = gradients(model, images(), lambda maps: maps[:, 2, 5, 7], [layer])
    torch.testing.assert_close(found.layers[layer], expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


def test_detectors_of_others_are_refused() -> None:
    with pytest.raises(DataError, match=r"candidates are known of .* this package, and FasterRCNN is none"):
        object_gradients(torchvisions_faster_rcnn(0), images().float(), strongest, [])


@pytest.mark.parametrize("kind", ["faster-rcnn", "faster-rcnn torchvision"])
def test_the_level_of_a_region_follows_from_its_size(kind: str) -> None:
    model = detector(kind)
    pool = model.roi_heads.box_roi_pool
    pool.finest, pool.canonical_scale = 10, 40  # the same for both styles: an area of 20 x 20 is read from level 1
    sides = [10.0, 14, 28, 60]
    boxes = torch.tensor([[2.0, 2, 2 + side, 2 + side] for side in sides], dtype=torch.float64)
    chosen = Chosen(torch.full((4,), -1), torch.ones(4, dtype=torch.int64), boxes)
    found = object_gradients(model, images()[:1], [chosen], [LAYER])
    assert found.levels is not None
    assert found.levels.tolist() == [0, 1, 2, 3]  # the network looks at images half as large again


@pytest.mark.parametrize("kind", KINDS)
def test_a_held_choice_does_not_depend_on_what_the_network_proposes_now(kind: str) -> None:
    model = detector(kind)
    first = object_gradients(model, images(), strongest, [LAYER])
    proposing = model.rpn.head if hasattr(model, "rpn") else model.head.regression_head
    for parameter in proposing.parameters():
        nn.init.normal_(parameter)
    again = object_gradients(model, images(), first.chosen, [LAYER])
    torch.testing.assert_close(again.scores, first.scores, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(again.layers[LAYER], first.layers[LAYER])
    assert again.candidates == ()


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_before_suppression_are_those_that_detections_come_from(kind: str) -> None:
    model, seen = detector(kind), list[Candidates]()

    def look(_: int, candidates: Candidates) -> Chosen:
        seen.append(candidates)
        return strongest(0, candidates)

    object_gradients(model, images(), look, [LAYER])
    for expected, found in zip(seen, candidates_before_suppression(model, images()), strict=True):
        torch.testing.assert_close(found.boxes, expected.boxes)
        torch.testing.assert_close(found.probabilities, expected.probabilities)
        assert (len(expected.detected) > 0, len(found.detected)) == (True, 0)
