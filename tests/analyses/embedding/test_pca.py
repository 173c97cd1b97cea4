import numpy as np
import pytest
from sklearn.decomposition import PCA

from autola_analysis.analyses.embedding import pca as module
from autola_analysis.analyses.embedding.pca import principal_components


def up_to_sign(coords: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return coords * np.sign((coords * expected).sum(axis=0))


@pytest.mark.parametrize(("n", "width"), [(200, 12), (30, 80), (15, 80)])
@pytest.mark.parametrize("dense", [4096, 4])
def test_components_are_scikit_learns(n: int, width: int, dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DENSE", dense)
    monkeypatch.setattr(module, "ROWS", 19)
    generator = np.random.default_rng(0)
    values = (generator.normal(size=(n, width)) * np.arange(1, width + 1) + 1000).astype(np.float32)
    expected = PCA(2, svd_solver="full").fit_transform(values.astype(np.float64))
    coords = principal_components(values)
    np.testing.assert_allclose(up_to_sign(coords, expected), expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(coords, principal_components(values))


def test_directions_without_variance_are_zero() -> None:
    one = principal_components(np.arange(20, dtype=np.float32)[:, None])
    np.testing.assert_allclose(np.abs(one[:, 0]), np.abs(np.arange(20) - 9.5))
    assert not one[:, 1].any()
    for directions in ([0.1, 0.2, 0.7], np.linspace(0.1, 0.7, 100)):
        line = np.outer(np.arange(20), directions) + 5
        assert principal_components(line)[:, 0].any()
        assert not principal_components(line)[:, 1].any()
    assert not principal_components(np.full((20, 3), 0.1, dtype=np.float32)).any()
