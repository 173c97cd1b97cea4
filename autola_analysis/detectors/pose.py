"""SimpleBaseline: a ResNet, three transposed convolutions, a heat map for every joint."""

from __future__ import annotations

from torch import Tensor, nn

from autola_analysis.backbones.resnet import ResNet
from autola_analysis.core.errors import OptionError
from autola_analysis.detectors.registry import DETECTORS, KEYPOINTS, Detector, Trunk

INITIAL_DEVIATION = 0.001
"""Standard deviation of the first weights of the transposed convolutions and the last layer"""


class SimpleBaseline(nn.Module):
    """Heat maps of joints from crops of one person.

    Attributes:
        task: What its outputs mean, for what runs it.
        joints: Heat maps.
        input_size: Height and width of the crops that it is made for, in pixels.

    Args:
        backbone: A ResNet, whose last stage is read.
        joints: Heat maps.
        channels: Of every transposed convolution.
        deconvs: Number of transposed convolutions; each doubles the resolution.
        input_size: Height and width of the crops.
    """

    task = KEYPOINTS

    def __init__(
        self, backbone: ResNet, joints: int, channels: int, deconvs: int, input_size: tuple[int, int] = (256, 192)
    ) -> None:
        super().__init__()
        self.joints, self.input_size = joints, input_size
        self.backbone = backbone
        self.deconvs = nn.Sequential()
        inputs = backbone.stage_channels[-1]
        for _ in range(deconvs):
            self.deconvs.append(nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1, bias=False))
            self.deconvs.append(nn.BatchNorm2d(channels))
            self.deconvs.append(nn.ReLU(inplace=True))
            inputs = channels
        self.final = nn.Conv2d(inputs, joints, 1)
        for module in (*self.deconvs, self.final):
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
        nn.init.zeros_(self.final.bias)  # type: ignore[arg-type]  # made with a bias

    def forward(self, x: Tensor) -> Tensor:
        """Return heat maps ``(B, joints, H / 4, W / 4)`` of normalised crops ``(B, 3, H, W)``."""
        stage = list(self.backbone.stages(x).values())[-1]
        return self.final(self.deconvs(stage))


def simple_baseline(
    trunk: Trunk, joints: int, *, channels: int = 256, deconvs: int = 3, height: int = 256, width: int = 192
) -> SimpleBaseline:
    """Build SimpleBaseline around all stages of a ResNet.

    Args:
        trunk: Builds the backbone.
        joints: Heat maps; 17 in COCO, 16 in MPII.
        channels: Of every transposed convolution.
        deconvs: Number of transposed convolutions.
        height: Of the crops that it takes, in pixels; no layer depends on it, and no file of others records it.
        width: Of the crops.

    Raises:
        OptionError: If a side of the crops is not a multiple of 32, so that cells would not divide it evenly.

    References:
        Xiao, Wu and Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018.
    """
    if height < 32 or width < 32 or height % 32 or width % 32:
        raise OptionError(f"crops of people have sides that are multiples of 32; found {height} x {width}.")
    return SimpleBaseline(trunk(), joints, channels, deconvs, (height, width))


DETECTORS.register("pose")(
    Detector(
        simple_baseline,
        classes=17,
        task=SimpleBaseline.task,
        description="SimpleBaseline: joints of people that boxes cut out.",
    )
)
