"""Values of maps at points: against torch's own sampling, and by hand."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.inference.point_samples import point_samples


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 99))
def test_samples_are_torchs_bilinear_ones(height: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(3, height, width, generator=generator)
    points = torch.rand(5, 2, generator=generator, dtype=torch.float64)
    expected = F.grid_sample(
        maps[None].double(), 2 * points[None, None] - 1, padding_mode="border", align_corners=False
    )[0, :, 0].T
    np.testing.assert_allclose(point_samples(maps, points).numpy(), expected.numpy(), atol=1e-6)


def test_the_centre_of_a_cell_has_its_value_and_between_two_their_mean() -> None:
    maps = torch.tensor([[[1.0, 3, 9, 27]]])
    points = torch.tensor([[3 / 8, 0.5], [0.5, 0.1], [0.0, 0.9], [1.0, 0.5]])
    assert point_samples(maps, points)[:, 0].tolist() == [3, 6, 1, 27]
