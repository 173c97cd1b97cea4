"""Selectivity of networks: against naive computations on stored activations, and what must not matter."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses import observation
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.labelings import image_folds, permuted_labels
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.analyses.selectivity.signed import nearest_rectified_layer
from autola_analysis.analyses.selectivity.summary import corrected_interval
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.checkpoints import load_model
from autola_analysis.core.errors import DataError, LayerError, OptionError, UnknownNameError
from autola_analysis.core.files import sha256_of
from autola_analysis.data import ClutteredDigits, Preprocessing, limit, open_source
from autola_analysis.inference.run import PassRecord, Settings, run
from autola_analysis.inference.running import Job
from autola_analysis.inference.tap import tap
from tests.analyses.selectivity.naive import naive_blocks, naive_means, naive_selectivity
from tests.inference.networks import Fails, ReusedReLU, Tiny, expectation
from tests.inference.state import state_of

QUIET = Reading(Settings(device="cpu", quiet=True))
PLAIN = Reading(Settings(device="cpu", fold=False, quiet=True))


def class_sorted(sizes: tuple[int, ...] = (30, 12, 0, 25), seed: int = 0) -> TensorDataset:
    labels = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(len(labels), 3, 8, 8, generator=generator) + 0.3 * labels[:, None, None, None]
    data = TensorDataset(images, labels)
    data.classes = [f"class {label}" for label in range(len(sizes))]
    return data


def stored(model: torch.nn.Module, data: TensorDataset, layer: str) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad(), tap(model.eval(), [layer]) as activations:
        model(data.tensors[0])
    return activations[layer].numpy(), data.tensors[1].numpy()


@pytest.mark.parametrize("batch_size", [1, 7, 67])
def test_every_unit_equals_the_naive_computation_on_the_stored_activations(batch_size: int) -> None:
    data = class_sorted()
    model = Tiny()
    with torch.no_grad():
        model.layer2[1].weight[3] = 0  # a unit that never fires
        model.layer2[1].bias[3] = -1
    result = measure_selectivity(model, data, reading=replace(PLAIN, batch_size=batch_size))
    for layer in ("layer1", "layer2"):
        rows = result.units[result.units["layer"] == layer]
        np.testing.assert_allclose(rows["selectivity"], naive_selectivity(*stored(model, data, layer)), atol=2e-7)
    dead = result.units[result.units["dead"]]
    assert "layer2 3" in (dead["layer"] + " " + dead["unit"].astype(str)).tolist()
    assert dead["selectivity"].isna().all()
    assert set(dead["preferred_class"]) == {""}
    assert result.units.loc[~result.units["dead"], "selectivity"].notna().all()
    assert result.summary["dead"].sum() == len(dead)


def test_pooled_activations_give_the_naive_value_to_twelve_digits() -> None:
    """Without a spatial mean in float32 nothing but the order of float64 sums is left."""
    data = class_sorted()
    pooled = torch.nn.Sequential(Tiny().layer1, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.ReLU())
    with torch.no_grad():
        pooled[0][1].weight[2] = 0  # a unit that never fires
        pooled[0][1].bias[2] = -1
    result = measure_selectivity(pooled, data, layers=["3"], reading=replace(PLAIN, batch_size=13))
    assert result.units["dead"][2]
    np.testing.assert_allclose(
        result.units["selectivity"], naive_selectivity(*stored(pooled, data, "3")), rtol=0, atol=1e-12
    )


def test_the_null_equals_a_naive_permutation_of_the_whole_runs_labels() -> None:
    data = class_sorted((20, 20, 20, 20))
    model = Tiny()
    options = SelectivityOptions(layers=["layer2"], permutations=3, seed=5)
    result = measure_selectivity(model, data, options, replace(PLAIN, batch_size=20))
    activations, labels = stored(model, data, "layer2")
    permuted = permuted_labels(labels, 3, seed=5)
    expected = np.mean([np.nanmean(naive_selectivity(activations, row)) for row in permuted])
    assert result.summary["null_mean"].item() == pytest.approx(expected, abs=1e-7)
    assert result.summary["null_mean"].item() < 0.5 * result.summary["mean"].item()


def test_corrected_mean_and_interval_are_the_jackknife_over_image_folds() -> None:
    data = class_sorted((20, 15, 25))
    model = Tiny()
    result = measure_selectivity(model, data, layers=["layer2"], folds=5, reading=PLAIN)
    activations, labels = stored(model, data, "layer2")
    folds = image_folds(labels, 5, seed=0)
    plain, corrected, without = naive_means(activations, labels, folds, range(5))
    half = stats.t.ppf(0.975, 4) * np.std(naive_blocks(activations, labels, folds), ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(result.fold_means["layer2"], without, atol=1e-6)
    row = result.summary.iloc[0]
    assert row["mean"] == pytest.approx(plain, abs=1e-6)
    assert row["mean_corrected"] == pytest.approx(corrected, abs=1e-6)
    assert corrected < plain
    assert [row["ci_low"], row["ci_high"]] == pytest.approx([corrected - half, corrected + half], abs=1e-6)


def test_summary_describes_the_live_units() -> None:
    result = measure_selectivity(Tiny(), class_sorted(), reading=QUIET)
    for row in result.summary.to_dict("records"):
        values = result.units.loc[result.units["layer"] == row["layer"], "selectivity"].dropna()
        assert row["mean"] == pytest.approx(values.mean())
        assert [row["q25"], row["median"], row["q75"]] == pytest.approx(values.quantile([0.25, 0.5, 0.75]).tolist())
        assert row["units"] == len(result.class_means[row["layer"]])


def test_classes_without_images_are_reported_and_left_out() -> None:
    result = measure_selectivity(Tiny(), class_sorted(), reading=QUIET)
    assert any("1 of 4 classes have no image and are left out: class 2" in warning for warning in result.warnings)
    assert np.isnan(result.class_means["layer1"][:, 2]).all()
    assert "class 2" not in set(result.units["preferred_class"])


def test_a_class_with_one_image_leaves_the_interval_empty_and_says_so() -> None:
    result = measure_selectivity(Tiny(), class_sorted((5, 1)), reading=QUIET)
    assert result.summary[["mean_corrected", "ci_low"]].isna().all(axis=None)
    assert result.units["preferred_stability"].isna().all()
    assert len(result.fold_means["layer1"]) == 0
    assert any(
        "no corrected mean and no interval: a class with a single image" in warning for warning in result.warnings
    )
    assert result.summary["null_mean"].notna().all()


def test_a_shuffling_loader_has_neither_null_nor_interval_and_says_so() -> None:
    data = class_sorted((20, 15))
    ordered = measure_selectivity(Tiny(), data, reading=PLAIN)
    torch.manual_seed(0)
    model = Tiny()
    torch.manual_seed(0)
    ordered = measure_selectivity(model, data, reading=PLAIN)
    shuffled = measure_selectivity(model, DataLoader(data, batch_size=4, shuffle=True), reading=PLAIN)
    np.testing.assert_allclose(shuffled.units["selectivity"], ordered.units["selectivity"], atol=1e-6)
    assert shuffled.summary["null_mean"].isna().all()
    assert any("labels are not known before the pass" in warning for warning in shuffled.warnings)


def test_layers_with_negative_activity_are_refused_with_the_nearest_that_fits() -> None:
    model = Tiny()
    with pytest.raises(LayerError, match=r"'layer1.1' of model has negative .* behind a ReLU is 'layer1.2'.*--rectify"):
        measure_selectivity(model, class_sorted(), layers=["layer1.1"], reading=QUIET)
    # An in-place ReLU behind it would overwrite what the tap saw too late.
    rectified = measure_selectivity(model, class_sorted(), layers=["layer1.1"], rectify=True, reading=PLAIN)
    after = measure_selectivity(model, class_sorted(), layers=["layer1.2"], reading=PLAIN)
    np.testing.assert_allclose(rectified.units["selectivity"], after.units["selectivity"], atol=1e-7)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (["layer9"], UnknownNameError, "no layer 'layer9'; the nearest: layer"),
        (["relu"], LayerError, "'relu' runs more than once"),
    ],
)
def test_layers_that_cannot_be_read_are_refused(layers: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        measure_selectivity(ReusedReLU(), class_sorted(), layers=layers, reading=QUIET)


def test_labels_beyond_the_classes_and_impossible_options_are_refused() -> None:
    data = class_sorted()
    data.classes = ["a", "b"]
    with pytest.raises(DataError, match="labels must be 0 to 1; found"):
        measure_selectivity(Tiny(), DataLoader(data, shuffle=True), reading=QUIET)
    with pytest.raises(OptionError, match="folds is a number from 0 on; found -1"):
        SelectivityOptions(folds=-1)


@pytest.mark.parametrize("network", [Tiny, Fails])
def test_the_callers_network_and_process_are_as_before_also_after_an_exception(network: type[Tiny]) -> None:
    model = network().train()
    before = state_of(model)
    with expectation(network):
        measure_selectivity(model, class_sorted(), reading=QUIET)
    assert state_of(model) == before


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the names of the networks of every pass that is run."""
    ran: list[list[str]] = []

    def counted(jobs: Sequence[Job], *arguments: Any) -> PassRecord:
        ran.append([job.name for job in jobs])
        return run(jobs, *arguments)

    monkeypatch.setattr(observation, "run", counted)
    return ran


def test_several_networks_share_one_reading_and_get_what_each_gets_alone(passes: list[list[str]]) -> None:
    source = ClutteredDigits("test", 60)
    models = [create_model("resnet20", name, 10, width=8) for name in ("none", "hoga")]
    variants = [
        Variant(models[0], "none", preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5))),
        Variant(models[1], "HOGA"),
    ]
    together = measure_selectivity(variants, source, reading=QUIET)
    assert passes == [["none", "HOGA"]]
    for variant, result in zip(variants, together, strict=True):
        alone = measure_selectivity(variant, source, reading=QUIET)
        pd.testing.assert_frame_equal(alone.units, result.units)
        assert result.model == variant.name


def test_networks_with_another_geometry_get_a_pass_of_their_own(passes: list[list[str]]) -> None:
    source = ClutteredDigits("test", 20)
    variants = [
        Variant(Tiny(), "small", preprocessing=Preprocessing(resize=16, crop=16)),
        Variant(Tiny(), "large", preprocessing=Preprocessing(resize=32, crop=32)),
        Variant(Tiny(), "small too", preprocessing=Preprocessing(resize=16, crop=16)),
    ]
    results = measure_selectivity(variants, source, reading=QUIET)
    assert [result.model for result in results] == ["small", "large", "small too"]
    assert passes == [["small", "small too"], ["large"]]


def test_a_result_survives_saving(tmp_path: Path) -> None:
    model = Tiny()
    with torch.no_grad():
        model.layer2[1].weight[3] = 0
        model.layer2[1].bias[3] = -1
    result = measure_selectivity(model, class_sorted(), reading=QUIET)
    result.save(tmp_path / "saved")
    loaded = SelectivityResult.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.units, result.units, check_dtype=False)
    pd.testing.assert_frame_equal(loaded.summary, result.summary, check_dtype=False)
    np.testing.assert_array_equal(loaded.class_means["layer1"], result.class_means["layer1"])
    assert list(loaded.fold_means) == ["layer1", "layer2"]
    np.testing.assert_array_equal(loaded.fold_means["layer2"], result.fold_means["layer2"])
    np.testing.assert_array_equal(loaded.half_means["layer2"], result.half_means["layer2"])
    assert (loaded.classes, loaded.accuracy, loaded.warnings) == (result.classes, result.accuracy, result.warnings)
    assert loaded.settings == result.settings
    assert "layer2" in result._repr_html_()
    with pytest.raises(DataError, match="holds no saved selectivity result"):
        SelectivityResult.load(tmp_path)


def test_corrected_means_and_intervals_can_be_made_again_of_what_is_saved(tmp_path: Path) -> None:
    measure_selectivity(Tiny(), class_sorted((20, 15, 25)), reading=QUIET).save(tmp_path)
    loaded = SelectivityResult.load(tmp_path)
    for row in loaded.summary.to_dict("records"):
        fold_means = loaded.fold_means[row["layer"]]
        folds = len(fold_means)
        assert row["mean_corrected"] == pytest.approx(folds * row["mean"] - (folds - 1) * fold_means.mean(), abs=1e-12)
        interval = corrected_interval(row["mean"], fold_means, loaded.half_means[row["layer"]])
        assert interval == (row["ci_low"], row["ci_high"])
        assert interval[0] < row["mean_corrected"] < interval[1]


def test_a_result_of_an_earlier_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    measure_selectivity(Tiny(), class_sorted(), reading=QUIET).save(tmp_path)
    table, manifest = tmp_path / "tables" / "selectivity_summary.csv", tmp_path / "result.json"
    pd.read_csv(table).drop(columns="mean_corrected").to_csv(table, index=False)
    record = json.loads(manifest.read_text())
    record["files"]["tables/selectivity_summary.csv"] = sha256_of(table)
    manifest.write_text(json.dumps(record))
    with pytest.raises(DataError, match="has no column 'mean_corrected'; run the analysis again"):
        SelectivityResult.load(tmp_path)


def test_a_preferred_class_carries_the_share_of_folds_that_choose_it() -> None:
    torch.manual_seed(0)
    data, model = class_sorted((20, 15, 25)), Tiny()
    result = measure_selectivity(model, data, layers=["layer2"], folds=5, reading=PLAIN)
    activations, labels = stored(model, data, "layer2")
    activity, folds = activations.astype(np.float64).mean((2, 3)), image_folds(labels, 5, seed=0)

    def preferred(kept: np.ndarray) -> np.ndarray:
        return np.array([activity[kept & (labels == label)].mean(0) for label in range(3)]).argmax(0)

    chosen = [preferred(folds != fold) for fold in range(5)]
    expected = np.mean([each == preferred(folds >= 0) for each in chosen], axis=0)
    live = (activity > 0).any(axis=0)
    np.testing.assert_array_equal(result.units["preferred_stability"], np.where(live, expected, np.nan))
    assert 0 < expected[live].min() < 1


def test_trained_networks_give_the_same_at_any_batch_size(real_files: Path, cifar10_jpeg: Path) -> None:
    source = limit(open_source(f"folder:{cifar10_jpeg / 'test'}"), 200)
    model = load_model(real_files / "resnet20-12fca82f.th", normalize="imagenet", device="cpu")
    results = [measure_selectivity(model, source, reading=replace(QUIET, batch_size=size)) for size in (1, 32, 200)]
    for result in results[1:]:
        np.testing.assert_allclose(result.units["selectivity"], results[0].units["selectivity"], rtol=0, atol=1e-6)


def test_a_random_resnet50_gives_the_same_at_any_batch_size() -> None:
    source = ClutteredDigits("test", 10, size=224)
    model = create_model("resnet50", num_classes=10)
    results = [measure_selectivity(model, source, reading=replace(QUIET, batch_size=size)) for size in (2, 5)]
    np.testing.assert_allclose(results[1].units["selectivity"], results[0].units["selectivity"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("file", "images", "top1"),
    [
        ("resnet20-12fca82f.th", 10_000, 81.03),
        ("resnet32-d509ac18.th", 2_000, 81.60),  # of a plain loop over these images; 82.56 of all
        ("resnet56-4bfd9763.th", 2_000, 82.75),  # likewise; 83.20 of all
    ],
)
def test_published_cifar10_networks_have_the_known_accuracy_on_the_jpeg_images(
    real_files: Path, cifar10_jpeg: Path, file: str, images: int, top1: float
) -> None:
    model = load_model(real_files / file, normalize="imagenet", device="cpu")
    source = limit(open_source(f"folder:{cifar10_jpeg / 'test'}"), images)
    result = measure_selectivity(model, source, layers=["layer3"], permutations=0, folds=0, reading=QUIET)
    assert 100 * result.accuracy.top1 == pytest.approx(top1, abs=0.05)


def test_a_layer_of_vectors_is_read_before_what_follows_overwrites_it() -> None:
    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.fc = torch.nn.Sequential(torch.nn.Linear(192, 5), torch.nn.ReLU()), torch.nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.hidden(x.flatten(1))
            h += 5
            return self.fc(h)

    data, model = class_sorted((8, 9, 7)), Vectors()
    result = measure_selectivity(model, data, layers=["hidden"], reading=PLAIN)
    with torch.no_grad():
        activations = model.hidden(data.tensors[0].flatten(1)).numpy()
    np.testing.assert_allclose(
        result.units["selectivity"], naive_selectivity(activations, data.tensors[1].numpy()), rtol=0, atol=1e-12
    )


def test_labels_that_differ_from_those_the_data_set_lists_are_refused() -> None:
    data = class_sorted((8, 9, 7))
    data.targets = data.tensors[1].flip(0)
    with pytest.raises(DataError, match=r"lists the label \d for image 0 and gives it the label \d; make its"):
        measure_selectivity(Tiny(), data, reading=QUIET)


def test_a_batch_sampler_of_ones_own_has_no_null() -> None:
    data = class_sorted((8, 9, 7))
    loader = DataLoader(data, batch_sampler=[[0, 9, 20], [5, 12, 23]])
    result = measure_selectivity(Tiny(), loader, reading=QUIET)
    assert result.accuracy.images == 6
    assert result.summary["null_mean"].isna().all()


def test_activations_that_are_not_finite_are_refused() -> None:
    class Overflows(Tiny):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layer1(x * float("inf"))
            return self.fc(torch.zeros(len(y), 8))

    with pytest.raises(LayerError, match="not finite"):
        measure_selectivity(Overflows(), class_sorted((8, 9, 7)), layers=["layer1"], reading=PLAIN)


def test_a_layer_of_dead_units_has_no_interval() -> None:
    model = Tiny()
    with torch.no_grad():
        model.layer2[1].weight[:] = 0
        model.layer2[1].bias[:] = -1
    row = measure_selectivity(model, class_sorted((8, 9, 7)), layers=["layer2"], reading=PLAIN).summary.iloc[0]
    assert row["dead"] == row["units"] == 8
    assert row[["mean", "mean_corrected", "ci_low", "ci_high", "null_mean"]].isna().all()


def test_the_slightest_negative_activity_is_refused() -> None:
    class AlmostRectified(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.layer1.add_module("shift", torch.nn.Threshold(1e-6, -1e-6))

    with pytest.raises(LayerError, match="has negative activity"):
        measure_selectivity(AlmostRectified(), class_sorted((8, 9, 7)), layers=["layer1"], reading=PLAIN)


def test_a_traced_network_is_measured_as_the_network_itself() -> None:
    model, data = Tiny().eval(), class_sorted((8, 9, 7))
    traced = torch.fx.symbolic_trace(model)
    expected = measure_selectivity(model, data, layers=["layer2.2"], reading=PLAIN)
    found = measure_selectivity(traced, data, layers=["layer2.2"], reading=PLAIN)
    pd.testing.assert_frame_equal(found.units, expected.units)
    with pytest.raises(LayerError, match="layer 'layer1' does not run in a forward; where the network runs what is"):
        measure_selectivity(traced, data, reading=PLAIN)


def test_looking_for_a_rectified_layer_leaves_the_images_as_they_are() -> None:
    class Shifts(Tiny):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.sub_(0.5))

    images = torch.rand(2, 3, 8, 8)
    before = images.clone()
    assert nearest_rectified_layer(Shifts(), images, "layer2.0") == "layer2.2"
    assert torch.equal(images, before)


def test_an_empty_list_of_layers_is_refused() -> None:
    with pytest.raises(LayerError, match="list of layers is empty"):
        measure_selectivity(Tiny(), class_sorted((8, 9, 7)), layers=[], reading=QUIET)
