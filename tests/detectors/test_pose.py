"""SimpleBaseline: shapes and first weights."""

import torch

from autola_analysis.detectors import create_detector
from tests.detectors.helpers import TINY


def test_heat_maps_have_a_quarter_of_the_sides() -> None:
    model = create_detector("pose", classes=9, channels=8, **TINY).eval()
    with torch.no_grad():
        assert model(torch.rand(2, 3, 128, 96)).shape == (2, 9, 32, 24)


def test_first_weights_are_small_and_centred() -> None:
    torch.manual_seed(0)
    model = create_detector("pose", classes=5, channels=64, **TINY)
    for weight in (model.deconvs[3].weight.detach(), model.final.weight.detach()):
        assert abs(float(weight.mean())) < 2e-4
        assert 0.0008 < float(weight.std()) < 0.0012
    assert not model.final.bias.any()
