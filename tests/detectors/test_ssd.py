"""SSD: matching and loss against the formulas, decoding by candidate, the options."""

import math

import pytest
import torch
from torch import nn
from torchvision.ops import box_iou

from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_aside
from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.detectors import DetectorSpec, create_detector
from tests.detectors.helpers import TINY_SSD, naive_suppression, random_boxes


def tiny(**options: object) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_detector("ssd300", classes=3, **{**TINY_SSD, **options})


def raw(model: nn.Module, images: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    inputs, _ = model.transform(list(images))
    maps = list(model.backbone(inputs.tensors).values())
    return model.head(maps), model.anchor_generator(inputs, maps)[0]


def naive_loss(
    model: nn.Module, images: torch.Tensor, targets: list[dict[str, torch.Tensor]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Box loss and classification loss by the formula, box after box, in float64."""
    outputs, anchors = raw(model, images)
    anchors, box_losses, class_losses = anchors.double(), [], []
    for index, target in enumerate(targets):
        deltas, logits = outputs["bbox_regression"][index].double(), outputs["cls_logits"][index].double()
        overlaps = box_iou(target["boxes"], anchors.float())  # float32 as in the network: overlaps are often tied
        matched = {}
        for anchor in range(len(anchors)):
            best = int(overlaps[:, anchor].argmax()) if len(overlaps) else -1
            if best >= 0 and overlaps[best, anchor] > 0.5:
                matched[anchor] = best
        for object_ in range(len(overlaps)):
            matched[int(overlaps[object_].argmax())] = object_
        entropy = -logits.log_softmax(1)
        box_loss, class_loss = torch.zeros(()).double(), torch.zeros(()).double()
        for anchor, object_ in matched.items():
            x1, y1, x2, y2 = anchors[anchor]
            u1, v1, u2, v2 = target["boxes"][object_].double()
            wanted = [
                ((u1 + u2) - (x1 + x2)) / 2 / (0.1 * (x2 - x1)),
                ((v1 + v2) - (y1 + y2)) / 2 / (0.1 * (y2 - y1)),
                torch.log((u2 - u1) / (x2 - x1)) / 0.2,
                torch.log((v2 - v1) / (y2 - y1)) / 0.2,
            ]
            for value, goal in zip(deltas[anchor], wanted, strict=True):
                distance = (value - goal).abs()
                box_loss = box_loss + (0.5 * distance**2 if distance < 1 else distance - 0.5)
            class_loss = class_loss + entropy[anchor, target["labels"][object_]]
        negatives = sorted((entropy[a, 0].item() for a in range(len(anchors)) if a not in matched), reverse=True)
        class_loss = class_loss + sum(negatives[: 3 * len(matched)])
        box_losses.append(box_loss / max(len(matched), 1))
        class_losses.append(class_loss / max(len(matched), 1))
    return torch.stack(box_losses).mean(), torch.stack(class_losses).mean()


def test_the_loss_is_the_mean_over_images_of_each_images_own_mean() -> None:
    generator = torch.Generator().manual_seed(1)
    model = tiny().train()
    images = torch.rand(3, 3, 64, 64, generator=generator)
    targets = [
        {"boxes": random_boxes(count, 64, generator, least=8), "labels": torch.arange(count) % 3 + 1}
        for count in (2, 0, 5)
    ]
    losses = model(list(images), targets)
    box, classification = naive_loss(model, images, targets)
    assert losses["bbox_regression"].item() == pytest.approx(box.item(), rel=1e-5)
    assert losses["classification"].item() == pytest.approx(classification.item(), rel=1e-5)
    sum(losses.values()).backward()
    assert all(each.grad is not None for each in model.parameters())


def test_an_overlap_of_exactly_a_half_is_no_match() -> None:
    matcher = tiny().proposal_matcher
    half = torch.tensor([[0.9, 0.5, 0.5 + 2**-24, 0.4]])
    assert matcher(half).tolist() == [0, -1, 0, -1]


def test_images_without_objects_have_no_loss() -> None:
    model = tiny().train()
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = model([torch.rand(3, 64, 64), torch.rand(3, 64, 64)], [empty, empty])
    assert {name: each.item() for name, each in losses.items()} == {"bbox_regression": 0, "classification": 0}


def test_coding_and_decoding_are_inverse() -> None:
    generator = torch.Generator().manual_seed(2)
    coder = tiny().box_coder
    boxes, anchors = (random_boxes(50, 300, generator).double() for _ in range(2))
    torch.testing.assert_close(coder.decode_single(coder.encode_single(boxes, anchors), anchors), boxes)


def test_detections_decode_from_the_default_boxes_that_they_name() -> None:
    model = tiny().eval()
    images = torch.rand(2, 3, 40, 80)
    model.score_thresh = 0.26
    with torch.no_grad():
        detections = model(list(images))
        outputs, anchors = raw(model, images)
    for index, found in enumerate(detections):
        assert len(found["boxes"]) > 3
        rows = found["candidates"]
        decoded = model.box_coder.decode_single(outputs["bbox_regression"][index][rows], anchors[rows])
        torch.testing.assert_close(found["boxes"], decoded * torch.tensor([80, 40, 80, 40]) / 64, atol=1e-4, rtol=1e-5)
        probabilities = outputs["cls_logits"][index].softmax(1)
        torch.testing.assert_close(found["scores"], probabilities[rows, found["labels"]])
        for label in (1, 2, 3):
            own = torch.where(probabilities[:, label] > 0.26)[0]
            own = own[probabilities[own, label].argsort(descending=True)][:200]
            boxes = model.box_coder.decode_single(outputs["bbox_regression"][index].double(), anchors)[own]
            kept = own[naive_suppression(boxes, probabilities[own, label], 0.5)]
            assert set(rows[found["labels"] == label].tolist()) <= set(kept.tolist())
            if len(rows) < 200:
                assert rows[found["labels"] == label].tolist() == kept.tolist()


def test_a_batch_gives_what_single_images_give() -> None:
    model = tiny().eval()
    images = [torch.rand(3, 50, 70), torch.rand(3, 90, 60)]
    with torch.no_grad():
        together, alone = model(images), [model([each])[0] for each in images]
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one["candidates"], other["candidates"])
        torch.testing.assert_close(one["boxes"], other["boxes"], atol=1e-3, rtol=1e-4)


def test_batch_norm_in_the_head_is_an_option() -> None:
    counts = [
        sum(isinstance(each, nn.BatchNorm2d) for each in tiny(norm=norm).head.modules()) for norm in ("extras", "all")
    ]
    assert counts == [0, 8]


def test_a_spec_builds_the_same_detector_again_after_json() -> None:
    options = {name: value for name, value in TINY_SSD.items() if not name.startswith("backbone")}
    spec = DetectorSpec("ssd300", ModelSpec("resnet18", "se", 0, {"width": 8}, {"reduction": 4}), 3, options)
    again = DetectorSpec.from_dict(spec.to_dict())
    shapes = [{name: each.shape for name, each in build_aside(one.build).state_dict().items()} for one in (spec, again)]
    assert shapes[0] == shapes[1]
    assert sum("attention" in name for name in shapes[0]) > 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kind": "ssd"}, UnknownNameError, "unknown detector 'ssd'; the nearest known: ssd300"),
        ({"kind": "ssd300", "classes": 0}, OptionError, "at least one class or joint; found classes=0"),
        ({"kind": "ssd300", "steps": (8, 16)}, OptionError, "6 levels .* found 2, 6 and 7"),
        ({"kind": "ssd300", "norm": "heads"}, OptionError, "norm is 'extras' or 'all'; found 'heads'"),
        ({"kind": "pose", "side": 300}, OptionError, "cannot build pose with these options.*side"),
        ({"kind": "pose", "backbone_options": {"stages": 7}}, OptionError, "stages is a number from 1 to 4"),
    ],
)
def test_impossible_detectors_are_refused(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        create_detector(**{"backbone": "resnet18", "classes": 2, **arguments})


def test_the_boxes_grow_with_the_logarithm() -> None:
    decoded = tiny().box_coder.decode_single(torch.tensor([[10.0, 0, 5, 0]]), torch.tensor([[0.0, 0, 10, 10]]))
    width = 10 * math.e
    torch.testing.assert_close(decoded, torch.tensor([[15 - width / 2, 0, 15 + width / 2, 10]]))
