"""Similarity of networks: the numbers of the pass, and what it refuses and leaves as it was."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.similarity import measure, observer
from autola_analysis.analyses.similarity.measure import measure_similarity
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError, LayerError, OptionError, UnknownNameError
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tap import tap
from tests.analyses.similarity.naive import naive_cka
from tests.inference.networks import InPlaceAfterwards, Tiny
from tests.inference.state import state_of

IMAGES = 24
PLAIN = Settings(device="cpu", fold=False, quiet=True)
READING = Reading(PLAIN)


@pytest.fixture
def networks() -> list[nn.Module]:
    return [Tiny().eval() for _ in range(2)]


@pytest.fixture
def data() -> TensorDataset:
    return TensorDataset(torch.randn(IMAGES, 3, 8, 8), torch.arange(IMAGES) % 10)


def features(network: nn.Module, data: TensorDataset, pool: str) -> dict[str, np.ndarray]:
    with torch.inference_mode(), tap(network, ["layer1", "layer2"]) as taps:
        network(data.tensors[0])
    return {layer: (maps.mean((2, 3)) if pool == "mean" else maps.flatten(1)).numpy() for layer, maps in taps.items()}


@pytest.mark.parametrize("pool", ["mean", "flatten"])
def test_every_layer_is_compared_with_every_other_of_all_networks(
    networks: list[nn.Module], data: TensorDataset, pool: str
) -> None:
    result = measure_similarity(networks, data, pool=pool, reading=READING)
    found = {("model 1", "model 2")[n]: features(network, data, pool) for n, network in enumerate(networks)}
    assert len(result.layers) == 6
    for row in result.layers.to_dict("records"):
        one, other = found[row["model"]][row["layer"]], found[row["against"]][row["against_layer"]]
        assert row["cka"] == pytest.approx(naive_cka(one, other), rel=1e-4)  # features are float32
    assert result.settings["images"] == IMAGES


def test_the_batch_size_of_the_pass_changes_nothing(networks: list[nn.Module], data: TensorDataset) -> None:
    whole, parts = (
        measure_similarity(networks, data, minibatch=8, reading=Reading(PLAIN, batch_size=size)) for size in (24, 5)
    )
    np.testing.assert_allclose(parts.cka, whole.cka, atol=1e-5)
    assert whole.settings["minibatches"] == 3


def test_a_single_network_is_compared_with_itself_layer_by_layer(data: TensorDataset) -> None:
    result = measure_similarity(Tiny().eval(), data, reading=READING)
    assert result.layers[["layer", "against_layer"]].to_numpy().tolist() == [["layer1", "layer2"]]
    assert not len(result.baseline)


def test_what_overwrites_a_layer_in_place_does_not_reach_its_features(data: TensorDataset) -> None:
    torch.manual_seed(1)
    kept = Tiny().eval()
    overwritten = InPlaceAfterwards().eval()
    overwritten.load_state_dict(kept.state_dict())
    result = measure_similarity([kept, overwritten], data, layers=["layer1"], pool="flatten", reading=READING)
    assert result.cka[0, 1] == pytest.approx(1, abs=1e-6)


def test_networks_and_random_state_are_as_before(networks: list[nn.Module], data: TensorDataset) -> None:
    before = [state_of(network) for network in networks]
    measure_similarity(networks, data, reading=READING)
    with pytest.raises(LayerError):
        measure_similarity(networks, data, layers=["layer1", "nothing"][:1] * 2, reading=READING)
    assert [state_of(network) for network in networks] == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": []}, LayerError, "the list of layers is empty"),
        ({"layers": ["layer9"]}, UnknownNameError, "model 1: the network has no layer 'layer9'"),
        ({"minibatch": 3}, OptionError, "minibatch is a number from 4 on; found 3"),
        ({"pool": "max"}, OptionError, "pool is one of mean, flatten; found 'max'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    networks: list[nn.Module], data: TensorDataset, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        measure_similarity(networks, data, reading=READING, **options)


def test_three_images_are_too_few(networks: list[nn.Module]) -> None:
    few = TensorDataset(torch.randn(3, 3, 8, 8), torch.arange(3))
    with pytest.raises(DataError, match="needs at least 4 images; found 3"):
        measure_similarity(networks, few, reading=READING)
    with pytest.raises(DataError, match="needs at least 4 images; found 3"):
        measure_similarity(networks, ClutteredDigits("test", 3), reading=READING)


def test_a_layer_that_cannot_be_pooled_is_named(data: TensorDataset) -> None:
    class Odd(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Flatten(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.tokens(x)
            return super().forward(x)

    with pytest.raises(LayerError, match=r"layer 'tokens' puts out shape \(\d+, 3, 64\); features need"):
        measure_similarity(Odd().eval(), data, layers=["tokens"], reading=READING)
    result = measure_similarity(Odd().eval(), data, layers=["tokens", "layer1"], pool="flatten", reading=READING)
    assert np.isfinite(result.cka).all()


def test_features_that_are_not_finite_are_refused(data: TensorDataset) -> None:
    class Unread(Tiny):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.layer1(x / 0)
            return self.fc(x.mean((2, 3)).repeat(1, 3)[:, :8])

    with pytest.raises(DataError, match="features in layer1 of model are not finite"):
        measure_similarity(Unread().eval(), data, layers=["layer1"], reading=READING)


def test_features_that_memory_does_not_hold_are_refused_in_the_first_batch(
    networks: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ClutteredDigits("test", 40)
    values = 6 * 32 * 32 + 8 * 16 * 16
    needed = 2 * values * (40 * 4 + 10 * 16)
    reading = Reading(PLAIN, batch_size=8)
    monkeypatch.setattr(observer, "free_memory", lambda device: needed - 1)
    decoded: list[int] = []
    image = source.image
    monkeypatch.setattr(source, "image", lambda index: (decoded.append(index), image(index))[1])
    variants = [Variant(each, str(n), preprocessing=source.preprocessing) for n, each in enumerate(networks)]
    with pytest.raises(OptionError, match=r"features of 40 images with 8,192 values each take 0.0 GiB for 2 networks"):
        measure_similarity(variants, source, pool="flatten", minibatch=10, reading=reading)
    assert len(decoded) < len(source)
    monkeypatch.setattr(observer, "free_memory", lambda device: needed)
    assert len(measure_similarity(variants, source, pool="flatten", minibatch=10, reading=reading).layers) == 6


def test_of_several_processes_the_first_alone_compares(
    networks: list[nn.Module], data: TensorDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "current", lambda: type("Second", (), {"first": False}))
    monkeypatch.setattr(measure, "hsic_by_fold", lambda *_: pytest.fail("another process compared"))
    assert len(measure_similarity(networks, data, reading=READING).hsic) == 0
