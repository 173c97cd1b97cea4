"""Heat maps and decoders of joints: the numbers of the papers' formulas."""

import math

import numpy as np
import pytest
import scipy.signal
import torch

from autola_analysis.detectors.heat_maps import encode_joints, heat_map_loss
from autola_analysis.detectors.joint_decoding import JOINT_DECODINGS, JointDecoding

SIZE = (64, 48)
BARE = JointDecoding(second_order=True, smooth=False, whole_shift=True)


def random_joints(count: int, seed: int = 0) -> torch.Tensor:
    """Joints well inside 192 x 256 pixels, ``(count, 1, 2)``."""
    generator = torch.Generator().manual_seed(seed)
    return 40 + torch.rand(count, 1, 2, generator=generator).double() * torch.tensor([110.0, 170.0])


def maps_of(joints: torch.Tensor) -> torch.Tensor:
    return encode_joints(joints, torch.ones(joints.shape[:2], dtype=torch.bool), SIZE)[0]


def test_quantised_targets_are_squares_around_the_nearest_cell() -> None:
    joints = torch.tensor([[[41.9, 81.9]]])  # cells 10.475 and 20.475, nearest 10 and 20
    maps, counts = encode_joints(joints, torch.tensor([[True]]), SIZE, exact=False)
    assert counts.all()
    assert maps[0, 0, 20, 10] == 1
    assert maps[0, 0, 20, 11].item() == pytest.approx(math.exp(-1 / 8))
    assert maps[0, 0, 26, 4].item() == pytest.approx(math.exp(-72 / 8))
    assert (maps > 0).sum() == 13 * 13
    assert not maps[0, 0, 27].any()
    later, _ = encode_joints(torch.tensor([[[42.0, 81.9]]]), torch.tensor([[True]]), SIZE, exact=False)
    assert later[0, 0, 20, 11] == 1


def test_exact_targets_are_gaussians_around_the_joint() -> None:
    maps, _ = encode_joints(torch.tensor([[[41.0, 82.0]]]), torch.tensor([[True]]), SIZE)
    expected = math.exp(-((12 - 10.25) ** 2 + (20 - 20.5) ** 2) / 8)
    assert maps[0, 0, 20, 12].item() == pytest.approx(expected)


def test_joints_count_that_are_labelled_and_reach_into_the_map() -> None:
    joints = torch.tensor([[[41.0, 82], [41, 82], [-26, 0], [-34, 0], [213, 0], [214, 0], [0, 278]]])
    labelled = torch.tensor([[True, False, True, True, True, True, True]])
    maps, counts = encode_joints(joints, labelled, SIZE)
    assert counts[0].tolist() == [True, False, True, False, True, False, False]
    assert maps.flatten(2).any(2).tolist() == counts.tolist()


def test_the_loss_is_the_mean_over_joints_of_half_the_mean_square() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, targets = torch.rand(2, 3, 4, 5, generator=generator), torch.rand(2, 3, 4, 5, generator=generator)
    counts = torch.tensor([[True, False, True], [True, True, False]])
    by_joint = [
        0.5 * np.mean([((maps[b, j] - targets[b, j]).numpy() * bool(counts[b, j])) ** 2 for b in range(2)])
        for j in range(3)
    ]
    assert heat_map_loss(maps, targets, counts).item() == pytest.approx(np.mean(by_joint), rel=1e-6)


@pytest.mark.parametrize(
    ("decoding", "noise", "expected"),
    [
        (JOINT_DECODINGS["quarter"], 0.0, 0.124),
        (JOINT_DECODINGS["quarter"], 0.01, 0.128),
        (JOINT_DECODINGS["quarter"], 0.03, 0.160),
        (BARE, 0.0, 0.0),
        (BARE, 0.01, 0.028),
        (BARE, 0.03, 0.082),
        (JOINT_DECODINGS["subpixel"], 0.0, 0.0),
    ],
)
def test_mean_error_per_axis_in_cells(decoding: JointDecoding, noise: float, expected: float) -> None:
    joints = random_joints(1500)
    maps = maps_of(joints)
    maps = maps + noise * torch.randn(maps.shape, generator=torch.Generator().manual_seed(1)).double()
    found, _ = decoding.joints(maps)
    assert float((found - joints / 4).abs().mean()) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("whole_shift", [True, False])
def test_the_bias_of_mirroring_in_pixels(whole_shift: bool) -> None:
    decoding = JointDecoding(second_order=True, smooth=False, whole_shift=whole_shift)
    joints = random_joints(300)
    pair = torch.cat([joints, random_joints(300, seed=1)], 1)
    mirrored = torch.stack([191 - pair[..., 0], pair[..., 1]], -1)[:, [1, 0]]
    mean = decoding.averaged(maps_of(pair), maps_of(mirrored), [(0, 1)])
    found, _ = decoding.joints(mean)
    bias = (4 * found - pair).mean((0, 1))
    assert float(bias[0]) == pytest.approx(0.5 if whole_shift else 0.0, abs=0.03)
    assert float(bias[1]) == pytest.approx(0, abs=0.01)


def naive_second_order(heat: np.ndarray, x: int, y: int) -> np.ndarray:
    """DARK's step, written with numpy's solver."""
    log = np.log(np.maximum(heat, 1e-10))
    gradient = np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]]) / 2
    mixed = (log[y + 1, x + 1] - log[y + 1, x - 1] - log[y - 1, x + 1] + log[y - 1, x - 1]) / 4
    curve_x = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
    curve_y = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
    return -np.linalg.solve([[curve_x, mixed], [mixed, curve_y]], gradient)


def test_the_second_order_solves_the_two_equations() -> None:
    """A slanted peak, whose axes do not lie along rows and columns."""
    rows, columns = np.mgrid[:20, :20].astype(float)
    u, v = columns - 9.3, rows - 8.6
    heat = np.exp(-(u**2 + 1.2 * u * v + v**2) / 8) + 0.01 * np.cos(columns)
    found, _ = BARE.joints(torch.from_numpy(heat)[None, None])
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    np.testing.assert_allclose(found[0, 0].numpy(), np.add([x, y], naive_second_order(heat, x, y)), rtol=1e-9)


@pytest.mark.parametrize(("height", "width", "side", "sigma"), [(32, 24, 3, 0.8), (64, 48, 11, 2.0), (96, 72, 11, 2.0)])
def test_the_filter_is_that_of_darks_configurations(height: int, width: int, side: int, sigma: float) -> None:
    rows, columns = np.mgrid[:height, :width].astype(float)
    heat = np.exp(-((columns - 11.3) ** 2 + (rows - 14.8) ** 2) / 8) + 0.02 * np.cos(2 * columns + rows)
    distances = np.arange(side) - side // 2
    kernel = np.exp(-np.add.outer(distances**2, distances**2) / (2 * sigma**2))
    filtered = scipy.signal.convolve2d(heat, kernel / kernel.sum(), mode="same")
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    expected = np.add([x, y], naive_second_order(filtered, x, y))
    found, _ = JOINT_DECODINGS["dark"].joints(torch.from_numpy(heat)[None, None])
    np.testing.assert_allclose(found[0, 0].numpy(), expected, rtol=1e-9)


def test_the_filter_of_a_small_map_leaves_a_joint_at_the_higher_of_two_peaks() -> None:
    """A network that hesitates between a left and a right joint, six cells apart."""
    rows, columns = torch.arange(32.0)[:, None], torch.arange(24.0)
    left, right = ((-((columns - x) ** 2 + (rows - 15) ** 2) / 8).exp() for x in (8, 14))
    found, _ = JOINT_DECODINGS["subpixel"].joints((0.5 * left + 0.45 * right)[None, None])
    assert float(found[0, 0, 0]) == pytest.approx(8, abs=0.5)


@pytest.mark.parametrize("decoding", [*JOINT_DECODINGS.values(), BARE])
def test_maxima_at_the_border_stay_and_empty_maps_are_at_the_origin(decoding: JointDecoding) -> None:
    maps = torch.zeros(1, 3, 10, 12)
    maps[0, 0, 0, 11], maps[0, 1, 5, 1], maps[0, 2] = 0.7, 0.2, -1.0
    joints, scores = decoding.joints(maps)
    assert joints.tolist() == [[[11, 0], [1, 5], [0, 0]]]
    torch.testing.assert_close(scores, torch.tensor([[0.7, 0.2, -1.0]]))


@pytest.mark.parametrize(
    ("column", "quarter", "second_order"), [(1, 0, 0), (2, 0.25, 0.5), (9, 0.25, 0.5), (10, 0.25, 0)]
)
def test_a_step_is_taken_where_all_its_cells_are_inside(column: int, quarter: float, second_order: float) -> None:
    """The peak lies half a cell to the right; a map has 12 columns."""
    rows, columns = torch.arange(10.0)[:, None], torch.arange(12.0)
    maps = (-((columns - column - 0.499) ** 2 + (rows - 5) ** 2) / 8).exp()[None, None]
    for decoding, step in ((JOINT_DECODINGS["quarter"], quarter), (BARE, second_order)):
        joints, _ = decoding.joints(maps)
        torch.testing.assert_close(joints[0, 0], torch.tensor([column + step, 5.0]), atol=2e-3, rtol=0)
