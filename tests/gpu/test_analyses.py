"""Every analysis of the demo's networks on a GPU beside the plain networks on the CPU.

Both compute in float32, the GPU sums in another order and with other algorithms of convolution. On the CPU, folding
batch norms does the same and moves the numbers by up to 5e-7 of their size; Winograd convolutions on a GPU lose one
digit more. The tolerances leave another digit, and let one number in twenty differ by more: a threshold, a rank or the
mask of a ReLU near zero falls on one side or the other.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors

from autola_analysis.analyses.alone import measure_alone
from autola_analysis.analyses.embedding.exact import ExactGradient
from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.registry import registrations
from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.inputs import standardised
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.results import Stored
from autola_analysis.data import ClutteredDigits
from autola_analysis.data.dataset import decoded_batches
from autola_analysis.inference.run import Settings
from tests.conftest import GPU_DEVICE
from tests.gpu.conftest import ON_DEVICE, PLAIN

pytestmark = pytest.mark.gpu

ROUNDING = 1e-4
TOLERANCES = {"saliency": 0.02, "embedding": 0.15}
"""Of 60 images one more or less moves a mean by 0.017. t-SNE amplifies rounding: positions in the plane, and what they
make of single images, are not compared, only their quality as a whole."""
ODD = 0.05


def measured(name: str, variants: list[Variant], data: ClutteredDigits, settings: Settings) -> Stored:
    registration = registrations()[name]
    try:
        analysis, options = registration.load(), registration.options_class()()
    except ModuleNotFoundError as error:
        pytest.skip(f"{name} needs {error.name}, which is not installed here")
    return analysis.store(measure_alone(analysis, variants, data, options, Reading(settings)))


def share_apart(found: Any, expected: Any, tolerance: float) -> float:
    """Return the share of values that differ by more than a tolerance, relative to the largest."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if not found.size:
        return 0.0
    if expected.dtype.kind not in "fiu":
        return float(np.mean(found != expected))
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    scale = max(float(np.nanmax(np.abs(expected), initial=0)), 1e-12)
    return float(1 - np.mean(np.isclose(found, expected, rtol=0, atol=tolerance * scale, equal_nan=True)))


def columns_of(table: pd.DataFrame) -> dict[str, NDArray[Any]]:
    numbers = {name: pd.api.types.is_numeric_dtype(table[name]) for name in table}
    return {
        name: table[name].to_numpy(np.float64, na_value=np.nan) if numbers[name] else table[name].astype(str).to_numpy()
        for name in table
    }


@pytest.mark.parametrize("name", registrations())
def test_an_analysis_on_the_gpu_finds_what_it_finds_on_the_cpu(
    name: str, demo: list[Variant], digits: ClutteredDigits
) -> None:
    tolerance = TOLERANCES.get(name, ROUNDING)
    expected, found = (measured(name, demo, digits, settings) for settings in (PLAIN, ON_DEVICE))
    assert found.tables.keys() == expected.tables.keys()
    for table in expected.tables:
        pairs = zip(columns_of(found.tables[table]).items(), columns_of(expected.tables[table]).values(), strict=True)
        apart = {column: share_apart(one, other, tolerance) for (column, one), other in pairs}
        assert max(apart.values(), default=0.0) <= ODD, (table, apart)
    assert found.arrays.keys() == expected.arrays.keys()
    for file in expected.arrays:
        if file != "embeddings":
            arrays = {key: values for key, values in expected.arrays[file].values.items() if "/plane/" not in key}
            apart = {key: share_apart(found.arrays[file].values[key], arrays[key], tolerance) for key in arrays}
            assert max(apart.values(), default=0.0) <= ODD, (file, apart)


def test_features_and_their_neighbours_are_those_of_the_cpu(demo: list[Variant], digits: ClutteredDigits) -> None:
    for variant in demo:
        expected, found = (
            np.asarray(extract_features(variant, digits, reading=Reading(settings)).values)
            for settings in (PLAIN, ON_DEVICE)
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
        # Of the same features, to the last bit: candidates in float64, then distances from the differences.
        on_cpu, on_device = (nearest_neighbours(expected, 20, device=device) for device in ("cpu", GPU_DEVICE))
        assert (on_cpu.indices == on_device.indices).mean() > 0.99  # equal distances come in any order
        np.testing.assert_allclose(on_device.distances, on_cpu.distances, rtol=1e-12)


def test_maps_are_those_of_the_cpu(demo: list[Variant], digits: ClutteredDigits) -> None:
    variant = demo[-1]
    assert variant.preprocessing is not None
    ((_, images),) = decoded_batches(digits, variant.preprocessing, [range(16)])
    ready = standardised(variant, images)
    on_cpu = explain(variant, ready)
    device = torch.device(GPU_DEVICE)
    variant.model.to(device)
    try:
        found = explain(variant, ready.to(device))
    finally:
        variant.model.to("cpu")
    assert torch.equal(found.targets, on_cpu.targets)
    for key, maps in on_cpu.maps.items():
        assert share_apart(found.maps[key], maps, 1e-3) <= 0.02, key


def test_a_pass_twice_on_the_gpu_is_the_same_to_the_last_bit(demo: list[Variant], digits: ClutteredDigits) -> None:
    for name in ("evaluate", "selectivity", "gates"):
        one, two = (measured(name, demo, digits, ON_DEVICE) for _ in range(2))
        for table, frame in one.tables.items():
            pd.testing.assert_frame_equal(frame, two.tables[table], check_exact=True)
        for file, arrays in one.arrays.items():
            for key, values in arrays.values.items():
                np.testing.assert_array_equal(values, two.arrays[file].values[key])


def test_sums_are_those_of_float64_means(demo: list[Variant], digits: ClutteredDigits) -> None:
    # Repeated labels within a batch: additions to one row must not overwrite one another.
    variant = demo[0]
    found = measure_selectivity(variant, digits, reading=Reading(ON_DEVICE), layers=["layer3"]).class_means["layer3"]
    features = np.asarray(extract_features(variant, digits, reading=Reading(PLAIN)).values, dtype=np.float64)
    expected = np.stack([features[digits.labels == label].mean(0) for label in range(10)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * expected.max())


def test_the_exact_gradient_of_t_sne_is_that_of_the_cpu_and_twice_the_same() -> None:
    random = np.random.default_rng(0)
    found = nearest_neighbours(random.normal(size=(3000, 8)), 90, device="cpu")
    neighbours = PrecomputedNeighbors(found.indices, found.distances)
    joint, y = PerplexityBasedNN(knn_index=neighbours, perplexity=30).P, 5 * random.normal(size=(3000, 2))
    expected_error, expected = ExactGradient("cpu")(y, joint, should_eval_error=True)
    error, gradient = ExactGradient(GPU_DEVICE)(y, joint, should_eval_error=True)
    assert error == pytest.approx(expected_error, rel=1e-10)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_array_equal(ExactGradient(GPU_DEVICE)(y, joint)[1], gradient)
