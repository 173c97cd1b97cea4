"""Faster R-CNN: torchvision's own network gives the same, and the parts of mmdetection follow their formulas."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.ops import roi_align

from autola_analysis.core.errors import OptionError
from autola_analysis.detectors import create_detector
from autola_analysis.detectors.regions import AlignedPooling, ForegroundPredictor
from tests.detectors.helpers import CLASSES, SMALL, TINY, random_boxes, torchvisions_faster_rcnn


def ours(theirs: FasterRCNN) -> nn.Module:
    options = {**SMALL, "style": "torchvision"}
    model = create_detector("faster-rcnn", "resnet18", classes=CLASSES, **options)
    state = theirs.state_dict()
    counters = {name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.load_state_dict({**state, **counters})
    model.rpn._post_nms_top_n["testing"] = 200
    return model


def test_the_network_in_torchvisions_style_is_torchvisions() -> None:
    theirs = torchvisions_faster_rcnn(0).eval()
    model = ours(theirs).eval()
    images = [torch.rand(3, 100, 150), torch.rand(3, 140, 90)]
    with torch.no_grad():
        expected, found = theirs(images), model(images)
        inputs, _ = model.transform(images)
        maps = model.backbone(inputs.tensors)
        raw, their_raw = (
            model.rpn.head(list(maps.values())),
            theirs.rpn.head(list(theirs.backbone(inputs.tensors).values())),
        )
        proposals, _ = model.rpn(inputs, maps)
        their_proposals, _ = theirs.rpn(inputs, theirs.backbone(inputs.tensors))
    for one, other in zip(raw, their_raw, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(proposals, their_proposals, atol=1e-4, rtol=0)
    for one, other in zip(found, expected, strict=True):
        assert len(one["boxes"]) > 10
        assert len(one["labels"].unique()) > 1
        assert torch.equal(one["labels"], other["labels"])
        torch.testing.assert_close(one["boxes"], other["boxes"], atol=1e-4, rtol=0)
        torch.testing.assert_close(one["scores"], other["scores"], atol=1e-6, rtol=0)


def test_losses_in_torchvisions_style_are_torchvisions() -> None:
    theirs = torchvisions_faster_rcnn(1)
    model = ours(theirs).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    generator = torch.Generator().manual_seed(3)
    images = [torch.rand(3, 100, 150, generator=generator), torch.rand(3, 140, 90, generator=generator)]
    targets = [
        {"boxes": random_boxes(count, 90, generator, least=20), "labels": torch.arange(count) % CLASSES + 1}
        for count in (3, 5)
    ]
    torch.manual_seed(5)  # both draw their samples from here
    expected = theirs.train()(images, targets)
    torch.manual_seed(5)
    found = model(images, targets)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert value > 0
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = create_detector("faster-rcnn", classes=CLASSES, **TINY, **SMALL)
        with torch.no_grad():
            model.roi_heads.box_predictor.cls_score.weight.normal_(std=0.05)
            model.roi_heads.box_predictor.bbox_pred.weight.normal_(std=0.05)
    return model


def test_detections_decode_from_the_proposals_that_they_name(tiny: nn.Module) -> None:
    images = [torch.rand(3, 96, 96), torch.rand(3, 192, 240)]
    model = tiny.eval()
    with torch.no_grad():
        found = model(images)
        inputs, _ = model.transform(images)
        maps = model.backbone(inputs.tensors)
        proposals, _ = model.rpn(inputs, maps)
        logits, deltas = model.roi_heads.read(maps, proposals, inputs.image_sizes)
    counts = [len(each) for each in proposals]
    for index, each in enumerate(found):
        rows, labels = each["candidates"], each["labels"]
        assert len(rows) > 5
        torch.testing.assert_close(each["proposals"], proposals[index][rows])
        probabilities = logits.softmax(1).split(counts)[index]
        torch.testing.assert_close(each["scores"], probabilities[rows, labels])
        boxes = model.roi_heads.box_coder.decode(deltas.split(counts)[index], [proposals[index]])[rows, labels]
        height, width = inputs.image_sizes[index]
        boxes = boxes.clamp(torch.zeros(4), torch.tensor([width, height, width, height]).float())
        torch.testing.assert_close(each["boxes"], boxes * (1 if index == 0 else 2), atol=1e-3, rtol=1e-5)


def test_mmdetections_losses_follow_the_formula(tiny: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, CLASSES + 1, generator=generator)
    deltas = torch.randn(6, 4 * (CLASSES + 1), generator=generator)
    labels, wanted = torch.tensor([0, 2, 0, 4, 1, 0]), torch.randn(6, 4, generator=generator)
    losses = tiny.roi_heads.losses(logits, deltas, labels, wanted)
    entropy = -sum(float(logits[i].log_softmax(0)[label]) for i, label in enumerate(labels)) / 6
    distance = (
        sum(float((deltas[i, 4 * c : 4 * c + 4] - wanted[i]).abs().sum()) for i, c in ((1, 2), (3, 4), (4, 1))) / 6
    )
    assert float(losses["loss_classifier"]) == pytest.approx(entropy, rel=1e-5)
    assert float(losses["loss_box_reg"]) == pytest.approx(distance, rel=1e-5)

    objectness, codes = torch.randn(5, 1, generator=generator), torch.randn(5, 4, generator=generator)
    anchors = torch.randn(5, 4, generator=generator)
    kinds = torch.tensor([1.0, -1, 0, 0, 1])  # -1 is left out; all others are sampled
    objects, boxes = tiny.rpn.compute_loss(objectness, codes, [kinds], [anchors])
    logistic = [float(torch.nn.functional.softplus(objectness[i, 0] * (1 - 2 * kinds[i]))) for i in (0, 2, 3, 4)]
    assert float(objects) == pytest.approx(sum(logistic) / 4, rel=1e-5)
    assert float(boxes) == pytest.approx(float((codes - anchors).abs()[[0, 4]].sum()) / 4, rel=1e-5)


def test_a_training_step_reaches_every_weight(tiny: nn.Module) -> None:
    targets = [{"boxes": torch.tensor([[10.0, 10, 60, 70]]), "labels": torch.tensor([2])}] * 2
    tiny.train()
    losses = tiny([torch.rand(3, 96, 96)] * 2, targets)
    sum(losses.values()).backward()
    assert [name for name, each in tiny.named_parameters() if each.grad is None] == []
    tiny.zero_grad()


def test_pooling_reads_the_level_of_the_proposals_side() -> None:
    pooling = AlignedPooling(["layer1", "layer2", "layer3", "layer4"], (4, 8, 16, 32), 56, 7)
    sides = torch.tensor([10.0, 111, 112, 223, 224, 448, 900])
    boxes = torch.stack([torch.zeros(7), torch.zeros(7), sides, sides], 1)
    assert pooling.levels(boxes).tolist() == [0, 0, 1, 1, 2, 3, 3]
    maps = {
        name: torch.rand(1, 2, 1024 // stride, 1024 // stride)
        for name, stride in zip(pooling.featmap_names, pooling.strides, strict=True)
    }
    pooled = pooling(maps, [boxes], [(1024, 1024)])
    for row, level in ((1, 0), (2, 1), (6, 3)):
        name, stride = pooling.featmap_names[level], pooling.strides[level]
        expected = roi_align(maps[name], [boxes[row : row + 1]], 7, 1 / stride, -1, aligned=True)
        torch.testing.assert_close(pooled[row : row + 1], expected)


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(OptionError, match="style is 'mmdet2' or 'torchvision'; found 'caffe'"):
        create_detector("faster-rcnn", classes=2, style="caffe", **TINY)


def test_mmdetections_head_moves_no_box_for_the_background() -> None:
    predictor = ForegroundPredictor(3, CLASSES + 1)
    features = torch.rand(2, 3)
    logits, deltas = predictor(features)
    assert logits.shape == (2, CLASSES + 1)
    assert not deltas[:, :4].any()
    torch.testing.assert_close(deltas[:, 4:], predictor.bbox_pred(features))
