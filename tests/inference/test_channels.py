"""Maps are (B, C, H, W) to whoever reads a layer, also where a network puts its channels last."""

from contextlib import nullcontext

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.cam import grad_cam, upsample
from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.inference.channels import ChannelAxis, channel_axis, recognised_axis
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tap import tap

IMAGES = torch.randn(12, 3, 24, 24, generator=torch.Generator().manual_seed(1))


class Turned(nn.Module):
    """Moves the channels to the end, behind which nobody says where they are."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).relu()


class ChannelsLast(nn.Module):
    """A network whose only stage puts out (B, H, W, C); its twin puts out (B, C, H, W)."""

    def __init__(self, channels: int = 10, twin: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, channels, 4, stride=4)
        self.layer1 = nn.ReLU() if twin else Turned()
        self.fc = nn.Linear(channels, 4)
        self.positions = (2, 3) if twin else (1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer1(self.conv(x)).mean(self.positions))


def reading(axis: ChannelAxis | None) -> Reading:
    return Reading(Settings(device="cpu", quiet=True, channel_axis=axis))


def test_a_layer_that_looks_channels_last_is_refused_unless_the_axis_is_given() -> None:
    model, data = ChannelsLast().eval(), TensorDataset(IMAGES, torch.arange(12) % 4)
    sentence = r"layer 'layer1' puts out shape \(6, 6, 10\) per image, .* like \(H, W, C\).*--channel-axis last"
    with pytest.raises(LayerError, match=sentence):
        measure_selectivity(model, data, reading=reading(None))
    with pytest.raises(LayerError, match=sentence):
        explain(model, IMAGES, "grad-cam")
    found = measure_selectivity(model, data, reading=reading("last")).units
    expected = measure_selectivity(ChannelsLast(twin=True).eval(), data, reading=reading(None)).units
    assert len(found) == 10
    np.testing.assert_allclose(found["selectivity"], expected["selectivity"], atol=1e-6)
    assert len(measure_selectivity(model, data, reading=reading("first")).units) == 6


@pytest.mark.parametrize("methods", ["grad-cam", "layer-cam", "captum:LayerGradientXActivation"])
def test_maps_are_those_of_the_twin_with_its_channels_in_front(methods: str) -> None:
    found = explain(ChannelsLast().eval(), IMAGES, methods, channel_axis="last")
    expected = explain(ChannelsLast(twin=True).eval(), IMAGES, methods)
    torch.testing.assert_close(found.maps[methods, "layer1"], expected.maps[methods, "layer1"])


def test_the_axis_that_is_given_is_for_maps_that_may_have_it_alone() -> None:
    twin = ChannelsLast(twin=True).eval()  # (10, 6, 6): 10 rows of 6 columns would be no map of a square image
    with channel_axis("last"), tap(twin, ["layer1"]) as kept:
        twin(IMAGES)
    assert kept["layer1"].shape == (12, 10, 6, 6)
    for axis, shape in (("last", (12, 6, 6, 6)), (None, (12, 6, 6, 6))):
        square = ChannelsLast(channels=6).eval()
        with channel_axis(axis), tap(square, ["layer1"]) as kept:
            square(IMAGES)
        assert kept["layer1"].shape == shape
        plain = square.layer1(square.conv(IMAGES))
        assert torch.equal(kept["layer1"], plain.movedim(-1, 1) if axis else plain)


@pytest.mark.parametrize(
    ("size", "channels", "refused"),
    [((24, 32), 10, True), ((24, 32), 8, True), ((32, 24), 3, True), ((30, 24), 4, True)],
)
def test_maps_of_images_that_are_no_squares_are_told_apart(size: tuple[int, int], channels: int, refused: bool) -> None:
    images = torch.rand(2, 3, *size)
    twin, model = ChannelsLast(channels, twin=True), ChannelsLast(channels)
    with tap(twin, ["layer1"]) as kept:
        twin(images)
    assert kept["layer1"].shape[1] == channels
    with pytest.raises(LayerError, match="looks like") if refused else nullcontext(), tap(model, ["layer1"]):
        model(images)


def test_one_row_of_channels_is_no_map() -> None:
    strips = nn.Sequential(nn.Conv2d(3, 6, 4, stride=4), nn.AdaptiveAvgPool2d((6, 1)))
    with tap(strips, ["1"]) as kept:
        strips(IMAGES)
    assert kept["1"].shape == (12, 6, 6, 1)


def test_an_axis_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="one of first, last; found '3'"), channel_axis("3"):
        pass


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    swin = torchvision.models.SwinTransformer([4, 4], 8, [1, 1], [1, 2], [2, 2], num_classes=3)
    setting = torchvision.models.convnext.CNBlockConfig
    convnext = torchvision.models.ConvNeXt([setting(8, 16, 1), setting(16, None, 1)], num_classes=3)
    sizes = {"img_size": 32, "embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 2}
    timm_swin = timm.models.SwinTransformer(patch_size=4, num_classes=3, **sizes)
    timm_convnext = timm.models.ConvNeXt(depths=(1,) * 4, dims=(8,) * 4, num_classes=3, conv_mlp=False)
    mambaout = timm.create_model("mambaout_femto", depths=(1,) * 4, dims=(8, 8, 16, 16))
    return {
        "swin": swin.eval(),
        "convnext": convnext.eval(),
        "timm swin": timm_swin.eval(),
        "timm convnext": timm_convnext.eval(),
        "timm mambaout": mambaout.eval(),
    }


@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("swin", "features.0", 8),
        ("swin", "features.0.0", 8),
        ("swin", "features.1", 8),
        ("swin", "features.3.0", 16),
        ("swin", "norm", 16),
        ("swin", "permute", 16),
        ("convnext", "features.1", 8),
        ("convnext", "features.1.0.block", 8),
        ("convnext", "features.1.0.block.1", 8),
        ("convnext", "features.1.0.block.3", 32),
        ("convnext", "features.1.0.block.4", 32),
        ("convnext", "features.1.0.block.6", 8),
        ("timm swin", "patch_embed.proj", 8),
        ("timm swin", "patch_embed", 8),
        ("timm swin", "layers.0", 8),
        ("timm swin", "layers.1.blocks.0", 16),
        ("timm convnext", "stages.0", 8),
        ("timm convnext", "stages.0.blocks.0.norm", 8),
        ("timm convnext", "stages.0.blocks.0.mlp", 8),
        ("timm convnext", "stages.0.blocks.0.mlp.act", 32),
        ("timm convnext", "stages.0.blocks.0.conv_dw", 8),
        ("timm mambaout", "stages.2", 16),
    ],
)
@pytest.mark.parametrize("side", [32, 64])
def test_the_channels_of_known_families_are_found(
    networks: dict[str, nn.Module], name: str, layer: str, channels: int, side: int
) -> None:
    if (name, side) == ("timm swin", 64):
        side = 32  # it takes no other
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    model = networks[name]
    with torch.no_grad(), tap(model, [layer]) as kept:
        model(images)
    assert kept[layer].shape[1] == channels


def test_grad_cam_of_a_swin_is_that_of_its_permuted_maps(networks: dict[str, nn.Module]) -> None:
    model, images = networks["swin"], torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    found = explain(model, images, "grad-cam", "features.3", target=1)
    maps = model.features(images).detach().requires_grad_()  # (B, H, W, C)
    logits = model.head(model.flatten(model.avgpool(model.permute(model.norm(maps)))))
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), maps)
    expected = upsample(grad_cam(maps.permute(0, 3, 1, 2), gradient.permute(0, 3, 1, 2)), (64, 64))
    torch.testing.assert_close(found.maps["grad-cam", "features.3"], expected.detach())
    reshaped = explain(model, images, "grad-cam", "features.3", 1, reshape=lambda x: x.permute(0, 3, 1, 2))
    torch.testing.assert_close(reshaped.maps["grad-cam", "features.3"], found.maps["grad-cam", "features.3"])


def test_nothing_is_recognised_in_networks_that_say_nothing() -> None:
    assert recognised_axis(torchvision.models.resnet18(), "layer1") is None
    assert recognised_axis(ChannelsLast(), "layer1") is None
