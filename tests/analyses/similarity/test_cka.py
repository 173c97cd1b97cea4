"""CKA against naive code written from the papers, and what it must not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.analyses.similarity import cka
from autola_analysis.analyses.similarity.cka import cka_by_fold, cka_of, hsic_by_fold, minibatches
from tests.analyses.similarity.naive import biased_cka, naive_cka, naive_hsic


def layers(images: int, *sizes: int, seed: int = 0) -> list[np.ndarray]:
    """Return features that share what is in the images, not centred."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(images, 3))
    return [
        (latent @ generator.normal(size=(3, size)) + generator.normal(size=(images, size)) + 3).astype(np.float32)
        for size in sizes
    ]


def whole(images: int) -> np.ndarray:
    return minibatches(images, images, 0)


@pytest.mark.parametrize(("images", "size"), [(4, 4), (30, 30), (61, 20), (70, 70)])
def test_hsic_and_cka_are_those_of_the_papers(images: int, size: int) -> None:
    features = layers(images, 5, 2, 9)
    batches = minibatches(images, size, seed=3)
    hsic = hsic_by_fold(features, batches)
    for i, x in enumerate(features):
        for j, y in enumerate(features):
            naive = np.mean([naive_hsic(x[batch].astype(float), y[batch].astype(float)) for batch in batches])
            assert hsic.mean(axis=0)[i, j] == pytest.approx(naive, rel=1e-8)
            assert cka_of(hsic)[i, j] == pytest.approx(naive_cka(x, y, batches), rel=1e-8)


def test_a_layer_and_its_turned_scaled_and_shifted_copy_have_a_cka_of_1() -> None:
    (x,) = layers(200, 12)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))
    copy = (7 * x @ turn + 100).astype(np.float32)
    values = cka_of(hsic_by_fold([x, copy], whole(200)))
    np.testing.assert_allclose(values, 1, atol=1e-6)


def test_independent_noise_has_a_cka_of_0_on_average_where_the_biased_estimate_is_far_from_it() -> None:
    generator = np.random.default_rng(0)
    pairs = [generator.normal(size=(2, 40, 40)) for _ in range(200)]
    unbiased = [cka_of(hsic_by_fold(list(pair), whole(40)))[0, 1] for pair in pairs]
    assert abs(np.mean(unbiased)) < 0.01
    assert min(unbiased) < 0
    assert np.mean([biased_cka(*pair) for pair in pairs]) > 0.4


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.integers(5, 80))
def test_neither_the_order_of_images_nor_the_scale_of_a_layer_changes_cka(seed: int, scale: float, images: int) -> None:
    features = layers(images, 4, 7, seed=seed)
    order = np.random.default_rng(seed).permutation(images)
    before = cka_of(hsic_by_fold(features, whole(images)))
    after = cka_of(hsic_by_fold([features[0][order] * scale, features[1][order]], whole(images)))
    np.testing.assert_allclose(after, before, atol=1e-4)  # the scaled features are rounded to float32


def test_minibatches_mix_the_classes_of_a_sorted_folder() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 50)
    means = generator.normal(size=(6, 8)) * 3
    x, y = (means[labels] + generator.normal(size=(300, 8)) for _ in range(2))
    all_at_once, mixed = (cka_of(hsic_by_fold([x, y], minibatches(300, size, 0)))[0, 1] for size in (300, 50))
    sorted_batches = cka_of(hsic_by_fold([x, y], np.arange(300).reshape(6, 50)))[0, 1]
    assert all_at_once > 0.8
    assert mixed == pytest.approx(all_at_once, abs=0.02)
    assert sorted_batches < 0.1


@pytest.mark.parametrize(
    ("images", "size", "shape"), [(10, 10, (1, 10)), (10, 20, (1, 10)), (11, 4, (3, 3)), (2001, 2000, (2, 1000))]
)
def test_minibatches_are_equal_and_leave_out_the_least(images: int, size: int, shape: tuple[int, int]) -> None:
    batches = minibatches(images, size, seed=1)
    assert batches.shape == shape
    assert len(np.unique(batches)) == batches.size
    assert (batches != minibatches(images, size, seed=2)).any()


def test_a_constant_layer_has_no_cka() -> None:
    (x,) = layers(30, 4)
    constant = np.full((30, 3), 0.1, dtype=np.float32)
    values = cka_of(hsic_by_fold([x, constant], whole(30)))
    assert values[0, 0] == pytest.approx(1)
    assert np.isnan(values[[0, 1, 1], [1, 0, 1]]).all()


def test_tiles_do_not_change_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    features = layers(90, 4, 6)
    before = hsic_by_fold(features, whole(90))
    monkeypatch.setattr(cka, "TILE", 2)
    np.testing.assert_allclose(hsic_by_fold(features, whole(90)), before, rtol=1e-12)


def test_fold_values_are_centred_on_cka_and_vary_as_a_jackknife_over_images() -> None:
    x, y = layers(240, 5, 8)
    hsic = hsic_by_fold([x, y], whole(240))
    values = cka_by_fold(hsic)
    np.testing.assert_allclose(values.mean(axis=0), cka_of(hsic), atol=1e-12)
    without = [
        cka_of(hsic_by_fold([np.delete(layer, image, 0) for layer in (x, y)], whole(239)))[0, 1] for image in range(240)
    ]
    jackknife = np.sqrt(239 / 240 * np.square(without - np.mean(without)).sum())
    errors = [
        np.sqrt(cka_by_fold(hsic_by_fold([x, y], minibatches(240, 240, seed)))[:, 0, 1].var(ddof=1) / 20)
        for seed in range(40)
    ]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(jackknife, rel=0.1)
