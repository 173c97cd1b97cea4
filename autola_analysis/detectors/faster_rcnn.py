"""Faster R-CNN with a feature pyramid around a ResNet, as mmdetection or as torchvision has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from autola_analysis.backbones.resnet import ResNet
from autola_analysis.core.errors import OptionError
from autola_analysis.detectors.anchors import RATIOS, ClippedCoder, ExactAnchors, LowQualityMatcher
from autola_analysis.detectors.regions import AlignedPooling, ForegroundPredictor, ProposalNetwork, RegionHeads
from autola_analysis.detectors.registry import DETECTORS, Detector, Trunk

Style = Literal["mmdet2", "torchvision"]
STRIDES = (4, 8, 16, 32, 64)
"""Of the levels of the pyramid, in pixels"""
POOLED = 7
"""Side of what is pooled of a proposal"""
IMAGENET_MEAN, IMAGENET_DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Pyramid(nn.Module):
    """A trunk and the feature pyramid over all its stages.

    Args:
        body: The trunk.
        channels: Of every level.
    """

    def __init__(self, body: ResNet, channels: int) -> None:
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(list(body.stage_channels), channels, LastLevelMaxPool())
        self.out_channels = channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the levels, ``{"layer1": (B, channels, H / 4, W / 4), ..., "pool": ...}``."""
        return self.fpn(self.body.stages(x))


@dataclass(frozen=True)
class Sizes:
    """Numbers of `faster_rcnn` that its parts share."""

    channels: int
    hidden: int
    anchor_scale: float
    finest: float
    samples: int


def faster_rcnn(
    trunk: Trunk,
    classes: int,
    *,
    style: Style = "mmdet2",
    channels: int = 256,
    hidden: int = 1024,
    anchor_scale: float = 8,
    finest: float = 56,
    samples: int = 512,
    short_side: int = 800,
    long_side: int = 1333,
    bn_eps: float = 1e-5,
) -> GeneralizedRCNN:
    """Build Faster R-CNN around all four stages of a ResNet.

    Images are ``(3, H, W)`` in 0 to 1, of any sizes, and are brought to `short_side` by torchvision's bilinear resize,
    which leaves those alone that have it. Detections have the keys ``boxes`` (pixels of the image as it was given),
    ``labels`` (1 to the number of classes), ``scores``, ``candidates`` (index of the proposal) and ``proposals`` (the
    region that was read, in pixels of the network's input). Output 0 is the background.

    Args:
        trunk: Builds the backbone.
        classes: Classes without the background.
        style: "mmdet2" has mmdetection 2's and 3's anchors, pooling, losses and initialisation, "torchvision" those of
            torchvision's `fasterrcnn_resnet50_fpn`.
        channels: Of the pyramid.
        hidden: Features of a proposal.
        anchor_scale: Side of the square anchor of a level in strides.
        finest: Proposals whose side is below twice this are read from the finest level, in pixels.
        samples: Proposals of an image that a training step looks at.
        short_side: Of the network's input, in pixels.
        long_side: Most pixels of the longer side.
        bn_eps: Added to the variances of the backbone's batch norms; 0 in torchvision's published COCO file.

    Raises:
        OptionError: If `style` is not known.

    References:
        Ren et al., "Faster R-CNN", NeurIPS 2015; Lin et al., "Feature Pyramid Networks for Object Detection", CVPR
        2017; Chen et al., "MMDetection", arXiv:1906.07155.
    """
    if style not in ("mmdet2", "torchvision"):
        raise OptionError(f"style is 'mmdet2' or 'torchvision'; found {style!r}.")
    pyramid = Pyramid(trunk(), channels)
    for module in pyramid.body.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = bn_eps
    sizes = Sizes(channels, hidden, anchor_scale, finest, samples)
    transform = GeneralizedRCNNTransform(short_side, long_side, IMAGENET_MEAN, IMAGENET_DEVIATION)
    parts = _as_mmdetection if style == "mmdet2" else _as_torchvision
    model = GeneralizedRCNN(pyramid, *parts(sizes, classes + 1), transform)
    if style == "mmdet2":
        for module in (*pyramid.fpn.modules(), *model.roi_heads.box_head.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # made with a bias
    return model


def _as_mmdetection(sizes: Sizes, outputs: int) -> tuple[RegionProposalNetwork, RegionHeads]:
    anchors = ExactAnchors(STRIDES, sizes.anchor_scale)
    proposals = _proposals(ProposalNetwork, sizes, anchors, in_training=1000)
    proposals.min_size = 0.0
    proposals.proposal_matcher = LowQualityMatcher(0.7, 0.3, allow_low_quality_matches=True)
    proposals.box_coder = ClippedCoder(proposals.box_coder.weights)
    pooling = AlignedPooling(_stages(), STRIDES[:-1], sizes.finest, POOLED)
    predictor = ForegroundPredictor(sizes.hidden, outputs)
    regions = _region_heads(sizes, pooling, predictor, beta=0.0, least_side=0.0)
    regions.box_coder = ClippedCoder(regions.box_coder.weights)
    return proposals, regions


def _as_torchvision(sizes: Sizes, outputs: int) -> tuple[RegionProposalNetwork, RegionHeads]:
    anchors = AnchorGenerator(tuple((stride * sizes.anchor_scale,) for stride in STRIDES), (RATIOS,) * len(STRIDES))
    proposals = _proposals(RegionProposalNetwork, sizes, anchors, in_training=2000)
    pooling = MultiScaleRoIAlign(_stages(), POOLED, sampling_ratio=2, canonical_scale=4 * sizes.finest)
    predictor = FastRCNNPredictor(sizes.hidden, outputs)
    return proposals, _region_heads(sizes, pooling, predictor, beta=1 / 9, least_side=0.01)


def _proposals(
    kind: type[RegionProposalNetwork], sizes: Sizes, anchors: AnchorGenerator, in_training: int
) -> RegionProposalNetwork:
    return kind(
        anchors,
        RPNHead(sizes.channels, len(RATIOS)),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 2000, "testing": 1000},
        post_nms_top_n={"training": in_training, "testing": 1000},
        nms_thresh=0.7,
    )


def _region_heads(
    sizes: Sizes, pooling: MultiScaleRoIAlign, predictor: FastRCNNPredictor, beta: float, least_side: float
) -> RegionHeads:
    return RegionHeads(
        beta=beta,
        least_side=least_side,
        box_roi_pool=pooling,
        box_head=TwoMLPHead(sizes.channels * POOLED**2, sizes.hidden),
        box_predictor=predictor,
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=sizes.samples,
        positive_fraction=0.25,
        bbox_reg_weights=(10.0, 10.0, 5.0, 5.0),
        score_thresh=0.05,
        nms_thresh=0.5,
        detections_per_img=100,
    )


def _stages() -> list[str]:
    return [f"layer{stage}" for stage in range(1, len(STRIDES))]


DETECTORS.register("faster-rcnn")(
    Detector(
        faster_rcnn,
        classes=80,
        description="Faster R-CNN with a feature pyramid, as mmdetection and torchvision build it: boxes.",
    )
)
