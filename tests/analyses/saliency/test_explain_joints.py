"""Single joints explained: autograd through the whole network, a network whose evidence is known, the joint matrix."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from autola_analysis.analyses.saliency.cam import upsample
from autola_analysis.analyses.saliency.explain_joints import (
    JointExplanation,
    explain_joints,
    joint_matrix,
    joint_radii,
)
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.detectors import create_detector
from tests.detectors.helpers import TINY
from tests.inference.state import state_of

JOINTS = 3
LAYER = "backbone.layer3"


def pose() -> nn.Module:
    """A tiny pose network in float64 whose heat maps differ."""
    torch.manual_seed(0)
    model = create_detector("pose", classes=JOINTS, channels=8, **TINY).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in (*model.deconvs.parameters(), *model.final.parameters()):
        nn.init.normal_(parameter, std=0.3)
    return model


def crops() -> Tensor:
    return torch.randn(2, 3, 64, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


LABELLED = np.array([[[8.4, 20.2], [30, 41], [np.nan, np.nan]], [[0, 0], [46, 62], [200, 10]]])
"""Pixels; the last joint of the second crop lies outside, the one before it beyond the last cell's centre"""


def autograd(model: nn.Module, image: int, joint: int, row: int, column: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return value, activation, its gradient and the gradient at the image, from a whole ordinary forward."""
    kept = {}
    hook = model.get_submodule(LAYER).register_forward_hook(lambda _, __, output: kept.update(layer=output))
    pixels = crops().requires_grad_(True)
    value = model(pixels)[image, joint, row, column]
    hook.remove()
    at_layer, at_image = torch.autograd.grad(value, [kept["layer"], pixels])
    return value.detach(), kept["layer"][image].detach(), at_layer[image], at_image[image]


@pytest.mark.parametrize("target", ["label", "predicted"])
def test_maps_are_those_of_autograd_through_the_whole_network_at_the_cell_and_it_is_as_before(target: str) -> None:
    model = pose()
    before = state_of(model)
    given = LABELLED if target == "label" else None
    found = explain_joints(model, crops(), ["grad-cam", "odam", "gradient"], LAYER, given)
    assert state_of(model) == before
    heat = model(crops()).detach()
    assert found.joints[["image", "joint"]].to_numpy().tolist() == [[b, j] for b in range(2) for j in range(JOINTS)]
    for number, row in found.joints.iterrows():
        image, joint = int(row["image"]), int(row["joint"])
        peak = int(heat[image, joint].argmax())
        cell = [peak // heat.shape[3], peak % heat.shape[3]]
        if target == "label" and row["known"]:
            column, line = (round(each / 4) for each in LABELLED[image, joint])
            cell = [min(line, heat.shape[2] - 1), column]
        assert (row["x"], row["y"]) == (4 * cell[1], 4 * cell[0])
        value, activation, at_layer, at_image = autograd(model, image, joint, *cell)
        assert row["score"] == pytest.approx(value.item(), rel=1e-12)
        torch.testing.assert_close(found.maps["gradient", None][image, joint], at_image.float())
        cams = {"grad-cam": (at_layer.mean((1, 2))[:, None, None] * activation).sum(0),
                "odam": (at_layer * activation).sum(0)}  # fmt: skip
        for name, cam in cams.items():
            expected = upsample(cam.relu()[None], (64, 96))[0].float()
            torch.testing.assert_close(found.maps[name, LAYER][image, joint], expected, rtol=1e-4, atol=1e-6)
        share = (at_layer != 0).any(0).double().mean().item()
        assert found.support[LAYER][number] == pytest.approx(share)
    expected = [True, True, False, True, True, False] if target == "label" else [True] * 6
    assert found.joints["known"].tolist() == expected


def test_behind_the_last_stage_but_one_is_explained_unless_another_is_asked_for() -> None:
    assert [layer for _, layer in explain_joints(pose(), crops(), "odam").maps] == [LAYER]


HEAD, HAND, FOOT = range(3)
PLACES = np.array([[[20.0, 12.0], [20.0, 44.0], [44.0, 44.0]]])
"""Of the joints, in pixels of a crop of 64 by 64 whose head is red and whose foot is green; nothing shows a hand"""


class ReadsTheHead(nn.Module):
    """The map of the head is red, that of the foot green, and that of the hand is red moved down by four cells."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 2, 8, stride=8, bias=False), nn.ReLU())
        self.moved = nn.Conv2d(2, 3, (9, 1), padding=(4, 0), bias=False)
        with torch.no_grad():
            self.layer1[0].weight.zero_()
            for channel in range(2):
                self.layer1[0].weight[channel, channel] = 1 / 64
            self.moved.weight.zero_()[HEAD, 0, 4] = 1
            self.moved.weight[HAND, 0, 0] = 1
            self.moved.weight[FOOT, 1, 4] = 1

    def forward(self, x: Tensor) -> Tensor:
        return self.moved(self.layer1(x))


def person() -> Tensor:
    image = torch.zeros(1, 3, 64, 64)
    image[0, 0, 8:16, 16:24] = 1
    image[0, 1, 40:48, 40:48] = 1
    return image


def explained(methods: list[str]) -> JointExplanation:
    cells = 8 * np.floor(PLACES / 8)  # pixel 8 i is the centre of cell i
    return explain_joints(ReadsTheHead(), person(), methods, "layer1", cells)


@pytest.mark.parametrize("method", ["grad-cam", "odam", "gradient"])
def test_a_hand_that_reads_the_head_has_its_one_cell_off_the_diagonal(method: str) -> None:
    found = explained([method])
    assert found.joints["score"].tolist() == pytest.approx([1, 1, 1])
    matrix = joint_matrix(found, PLACES, np.full((1, 3), 8.0), method)
    expected = np.zeros((3, 3))
    expected[HEAD, HEAD] = expected[HAND, HEAD] = expected[FOOT, FOOT] = 1
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_the_matrix_is_the_mean_of_shares_over_images_in_which_both_joints_are_labelled() -> None:
    generator = np.random.default_rng(0)
    maps = torch.from_numpy(generator.random((4, 3, 10, 12)).astype(np.float32))
    maps[3, 0] = 0  # says nothing
    places = generator.uniform(0, 10, (4, 3, 2))
    places[1, 2] = places[2, 0] = np.nan
    radii = generator.uniform(2, 5, (4, 3))
    explanation = JointExplanation({("odam", "a"): maps}, pd.DataFrame(), {})
    found = joint_matrix(explanation, places, radii, "odam")
    for joint in range(3):
        for other in range(3):
            shares = []
            for image in range(4):
                sums = {}
                for each in range(3):
                    if np.isnan(places[image, each]).any():
                        continue
                    sums[each] = sum(
                        float(maps[image, joint, row, column])
                        for row in range(10)
                        for column in range(12)
                        if (column - places[image, each, 0]) ** 2 + (row - places[image, each, 1]) ** 2
                        <= radii[image, each] ** 2
                    )
                if joint in sums and other in sums and sum(sums.values()) > 0:
                    shares.append(sums[other] / sum(sums.values()))
            assert found[joint, other] == pytest.approx(np.mean(shares), rel=1e-9)


def test_the_radius_is_where_oks_is_one_half() -> None:
    area, sigma = 5000.0, 0.079
    ((radius,),) = joint_radii([area], [sigma])
    assert np.exp(-(radius**2) / (2 * area * (2 * sigma) ** 2)) == pytest.approx(0.5)  # cocoapi's computeOks
    assert joint_radii([area]).shape == (1, 17)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": "label"}, "the target 'label' needs the joints of every image"),
        ({"target": "peak"}, "one of label, predicted; found 'peak'"),
        ({"joints": np.zeros((2, 5, 2))}, r"heat maps for joints of shape \(2, 3, 2\); found joints \(2, 5, 2\)"),
    ],
)
def test_what_cannot_be_explained_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        explain_joints(pose(), crops(), "odam", **values)


def test_networks_without_heat_maps_are_refused() -> None:
    with pytest.raises(DataError, match=r"puts out heat maps \(B, J, h, w\)"):
        explain_joints(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten()), person(), "gradient", "0")


def test_a_matrix_of_maps_that_are_not_there_is_refused() -> None:
    found = explained(["odam"])
    with pytest.raises(OptionError, match="there are no maps of grad-cam; there are odam at layer1"):
        joint_matrix(found, PLACES, np.ones((1, 3)))
    with pytest.raises(OptionError, match="the maps are of 1 images with 3 joints"):
        joint_matrix(found, PLACES[:, :2], np.ones((1, 2)), "odam")
