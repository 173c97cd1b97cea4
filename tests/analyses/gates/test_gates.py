"""Gates: which there are, and their statistics against naive ones on stored values."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from autola_analysis.analyses.gates.find import Gate, find_gates
from autola_analysis.analyses.gates.measure import measure_gates
from autola_analysis.analyses.gates.observer import GateActivity, GateObserver
from autola_analysis.analyses.gates.result import GATES, GateResult, class_variation_of
from autola_analysis.analyses.observation import Reading
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import DataError, LayerError
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tap import tap
from tests.inference.networks import Tiny
from tests.inference.state import state_of

PLAIN = Reading(Settings(device="cpu", fold=False, quiet=True))


def data(sizes: tuple[int, ...] = (9, 4, 0, 6)) -> TensorDataset:
    labels = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
    images = torch.randn(len(labels), 3, 16, 16) * 3
    dataset = TensorDataset(images, labels)
    dataset.classes = list("abcd")
    return dataset


def network(attention: str) -> nn.Module:
    model = create_model("resnet20", attention, 4, width=16)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=2)
    return model.eval()


@pytest.mark.parametrize(
    ("attention", "names"),
    [
        ("se", ["gate"]),
        ("cbam", ["channel_gate", "spatial_gate"]),
        (
            "hoga",
            ["ops.1.gate", "ops.2.gate", "ops.3.channel_gate", "ops.3.spatial_gate", "ops.5.gate", "ops.6.gate",
             "ops.8.gate", "ops.9.gate", "se_a.gate", "se_b.gate"],
        ),
    ],
)  # fmt: skip
def test_every_gate_of_every_attention_module_is_found(attention: str, names: list[str]) -> None:
    gates = find_gates(network(attention))
    assert {gate.module for gate in gates} == {f"layer{s}.{b}.attention" for s in (1, 2, 3) for b in range(3)}
    assert [gate.name for gate in gates if gate.module == "layer2.1.attention"] == names


def test_a_module_may_name_its_gates_itself() -> None:
    class Hard(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.squash = nn.Hardsigmoid()
            self.unused = nn.Sigmoid()

        def forward(self, x: Tensor) -> Tensor:
            return x * self.squash(x.mean((2, 3)))[:, :, None, None]

        def gates(self) -> list[str]:
            return ["squash"]

    gates = find_gates(create_model("resnet20", Hard, 4))
    assert len(gates) == 9
    assert (gates[0].module, gates[0].name) == ("layer1.0.attention", "squash")
    assert gates[0].layer == "layer1.0.attention.squash"


def test_a_network_without_gates_is_refused() -> None:
    with pytest.raises(LayerError, match="has no gates"):
        find_gates(Tiny(4))
    with pytest.raises(LayerError, match="none of the networks has attention gates"):
        measure_gates(Tiny(4), data(), reading=PLAIN)


def test_of_several_networks_those_with_gates_are_measured_in_order() -> None:
    results = measure_gates([network("se"), Tiny(4), network("cbam")], data(), reading=PLAIN)
    assert [result.model for result in results] == ["model 1", "model 3"]


@pytest.mark.parametrize("attention", ["se", "cbam", "hoga"])
@pytest.mark.parametrize("batch_size", [5, 64])
def test_statistics_equal_naive_ones_on_the_stored_values(attention: str, batch_size: int) -> None:
    model, dataset = network(attention), data()
    result = measure_gates(model, dataset, reading=replace(PLAIN, batch_size=batch_size))
    assert result.gates.columns.tolist() == GATES.names
    labels = dataset.tensors[1].numpy()
    gates = find_gates(model)
    stored: dict[str, list[Tensor]] = {gate.layer: [] for gate in gates}
    with torch.no_grad(), tap(model, list(stored)) as values:
        for images in dataset.tensors[0].split(batch_size):
            model(images)
            for layer in stored:
                stored[layer].append(values[layer])
    for gate in gates:
        value = torch.cat(stored[gate.layer]).double().numpy()
        flat = value.reshape(*value.shape[:2], -1)
        rows = result.gates.query("module == @gate.module and gate == @gate.name")
        assert len(rows) == value.shape[1]
        np.testing.assert_allclose(rows["mean"], flat.mean((0, 2)), atol=1e-6)
        np.testing.assert_allclose(rows["std"], flat.std((0, 2)), atol=2e-4)
        np.testing.assert_allclose(rows["saturated_low"], (flat < 0.05).mean((0, 2)), atol=1e-6)
        np.testing.assert_allclose(rows["saturated_high"], (flat > 0.95).mean((0, 2)), atol=1e-6)
        per_class = np.stack([flat[labels == label].mean((0, 2)) for label in (0, 1, 3)])
        np.testing.assert_allclose(rows["class_variation"], per_class.std(0), atol=1e-6)
        of_images = [flat[labels == label].mean(2) for label in (0, 1, 3)]
        noise = 2 / 3 * np.mean([each.var(0, ddof=1) / len(each) for each in of_images], axis=0)
        np.testing.assert_allclose(rows["class_variation_noise"], np.sqrt(noise), atol=1e-5)
        excess = np.sqrt((per_class.std(0) ** 2 - noise).clip(0))
        np.testing.assert_allclose(rows["class_variation_excess"], excess, atol=1e-3)  # a root near 0
        means = result.class_means[f"{gate.module}/{gate.name}"]
        np.testing.assert_allclose(means[[0, 1, 3]], per_class, atol=1e-6)
        assert np.isnan(means[2]).all()
        if value.ndim == 4 and value.shape[1] == 1:
            np.testing.assert_allclose(result.spatial_maps[f"{gate.module}/{gate.name}"], value.mean((0, 1)), atol=1e-6)
    assert result.gates["saturated_high"].max() > 0 or attention == "hoga"


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_the_noise_is_what_classes_without_a_difference_vary_by(spread: float) -> None:
    generator = np.random.default_rng(0)
    sizes, units = np.array([5, 10, 40, 20]), 20_000  # units are draws
    labels = torch.from_numpy(np.repeat(np.arange(4), sizes))
    of_class = spread * generator.standard_normal((4, units))
    values = 0.5 + of_class[labels.numpy()] + 0.2 * generator.standard_normal((len(labels), units))
    mean = torch.from_numpy(values)
    observer = GateObserver([Gate("module", "gate", "module.gate")], 4)
    (layer,) = observer.layers
    nothing = torch.zeros_like(mean)
    batch = Batch(torch.zeros(len(labels), 3, 2, 2), labels, torch.arange(len(labels)))
    observer.update(batch, {layer: GateActivity(mean, nothing, nothing, nothing, None)}, nothing)
    found = class_variation_of(observer.sums[layer], observer)
    left = found["class_variation"] ** 2 - found["class_variation_noise"] ** 2
    error = 4 * left.std() / np.sqrt(units)
    assert left.mean() == pytest.approx((of_class.std(axis=0) ** 2).mean(), abs=error)
    np.testing.assert_allclose(found["class_variation_excess"], np.sqrt(left.clip(0)))


def test_the_noise_of_a_class_with_a_single_image_is_not_known() -> None:
    gates = measure_gates(network("se"), data((9, 1, 4)), reading=PLAIN).gates
    assert gates["class_variation"].notna().all()
    assert gates["class_variation_noise"].isna().all()
    assert gates["class_variation_excess"].isna().all()


def test_only_gates_of_positions_have_maps() -> None:
    result = measure_gates(network("cbam"), data(), reading=PLAIN)
    assert {key.split("/")[1] for key in result.spatial_maps} == {"spatial_gate"}
    assert result.spatial_maps["layer1.0.attention/spatial_gate"].shape == (16, 16)


def test_folding_changes_nothing_that_matters() -> None:
    model, dataset = create_model("resnet20", "hoga", 4), data()
    fast = measure_gates(model, dataset, reading=Reading(Settings(device="cpu", quiet=True)))
    plain = measure_gates(model, dataset, reading=PLAIN)
    assert fast.settings["batch_norms_folded"] > 0
    np.testing.assert_allclose(fast.gates["mean"], plain.gates["mean"], atol=1e-5)


def test_the_callers_network_is_as_before() -> None:
    model, dataset = network("cbam").train(), data()
    before = state_of(model)
    measure_gates(model, dataset, reading=PLAIN)
    assert state_of(model) == before


def test_labels_beyond_the_classes_are_refused() -> None:
    dataset = data()
    dataset.classes = ["a", "b"]
    with pytest.raises(DataError, match="labels must be 0 to 1; found 0 to 3"):
        measure_gates(network("se"), dataset, reading=PLAIN)


def test_a_result_survives_saving(tmp_path: Path) -> None:
    result = measure_gates(network("cbam"), data(), reading=PLAIN)
    result.save(tmp_path / "saved")
    loaded = GateResult.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.gates, result.gates)
    for mapping in ("class_means", "spatial_maps"):
        assert getattr(loaded, mapping).keys() == getattr(result, mapping).keys()
    assert (loaded.classes, loaded.accuracy) == (result.classes, result.accuracy)
    assert "spatial_gate" in result._repr_html_()
    with pytest.raises(DataError, match="holds no saved gates result"):
        GateResult.load(tmp_path)
