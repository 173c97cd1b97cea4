import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.analyses.selectivity.metric import ClassSelectivity
from autola_analysis.core.errors import DataError, LayerError, OptionError
from tests.analyses.selectivity.naive import naive_selectivity


def stored_activations(seed: int, spatial: bool) -> tuple[np.ndarray, np.ndarray]:
    """Unequal class sizes, a class without images, a dead unit, a unit for one class only."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 3, 4], [40, 7, 1, 12])
    generator.shuffle(labels)
    shape = (60, 9, 4, 5) if spatial else (60, 9)
    activations = np.maximum(generator.normal(0.2, 1, shape), 0).astype(np.float32)
    activations[:, 2] = 0
    activations[labels != 4, 3] = 0
    return activations, labels


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.integers(1, 60))
def test_every_unit_equals_the_naive_computation_at_any_batch_size(seed: int, spatial: bool, batch_size: int) -> None:
    activations, labels = stored_activations(seed, spatial)
    metric = ClassSelectivity(num_classes=6, num_units=9)
    for start in range(0, 60, batch_size):
        part = slice(start, start + batch_size)
        metric.update(torch.from_numpy(activations[part]), torch.from_numpy(labels[part]))
    expected = naive_selectivity(activations, labels)
    np.testing.assert_allclose(metric.compute().numpy(), expected, rtol=0, atol=1e-12)
    assert np.isnan(expected[2])
    assert metric.index().preferred[3] == 4


def test_batches_in_another_order_and_merged_processes_give_the_same() -> None:
    activations, labels = map(torch.from_numpy, stored_activations(0, spatial=False))
    whole, first, second = (ClassSelectivity(6, 9) for _ in range(3))
    whole.update(activations, labels)
    first.update(activations[30:], labels[30:])
    second.update(activations[:30], labels[:30])
    first.sums += second.sums
    first.counts += second.counts
    np.testing.assert_allclose(first.compute(), whole.compute(), rtol=0, atol=1e-12)


def test_sums_that_a_module_took_along_to_half_precision_are_refused() -> None:
    metric = ClassSelectivity(2, 1)
    torch.nn.ModuleList([metric]).to(torch.bfloat16)
    with pytest.raises(OptionError, match="sums in float64 and was converted to"):
        metric.update(torch.tensor([[5.0], [0.0]]), torch.tensor([1, 0]))


def test_reset_forgets() -> None:
    metric = ClassSelectivity(2, 1)
    metric.update(torch.tensor([[5.0], [0.0]]), torch.tensor([1, 0]))
    metric.reset()
    metric.update(torch.tensor([[3.0], [1.0]]), torch.tensor([0, 1]))
    assert metric.compute().item() == 0.5


@pytest.mark.parametrize(
    ("activations", "labels", "error", "message"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 1]), LayerError, r"must be \(B, 4\) or \(B, 4, H, W\); found \(2, 3\)"),
        (torch.zeros(2, 4, 5), torch.tensor([0, 1]), LayerError, r"found \(2, 4, 5\)"),
        (torch.zeros(2, 4), torch.tensor([0, 2]), DataError, "labels must be 0 to 1; found 0 to 2"),
        (torch.full((2, 4), -1.0), torch.tensor([0, 1]), LayerError, "found negative ones"),
    ],
)
def test_what_does_not_fit_is_refused(
    activations: torch.Tensor, labels: torch.Tensor, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ClassSelectivity(2, 4).update(activations, labels)
