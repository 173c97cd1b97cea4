"""Features of detectors by objects: separation without the objects of the same image, intervals over images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.embedding.analysis import EmbeddingAnalysis, EmbeddingResults
from autola_analysis.analyses.embedding.embed import embed
from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.probe import linear_probe
from autola_analysis.analyses.embedding.silhouette import silhouettes
from autola_analysis.analyses.embedding.words import embedding_caption, embedding_methods
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Reading
from autola_analysis.core.errors import AutolaError, OptionError
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.statistics.groups import by_group
from tests.analyses.objects import QUIET, Shapes, detector
from tests.analyses.selectivity.test_objects import naive_activity

LAYER = "backbone.body.layer3"


def flocks(images: int = 20, each: int = 4, seed: int = 0) -> Features:
    """Return features of objects that tell the image and nothing else; an image holds objects of one class."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(images), each)
    values = 10 * generator.normal(size=(images, 6))[groups] + generator.normal(size=(len(groups), 6))
    labels = generator.permutation(np.arange(images) % 2)[groups]
    return Features(values.astype(np.float32), labels, images=tuple(f"image {group}" for group in groups))


def naive_silhouettes(values: np.ndarray, labels: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the silhouettes of weighted items, without those of the same group, by loops."""
    found = []
    for i in range(len(labels)):
        distances = np.sqrt(((values - values[i]) ** 2).sum(1))
        eligible = groups != groups[i]
        means = {
            label: np.average(distances[of_class], weights=weights[of_class])
            for label in np.unique(labels)
            if (of_class := eligible & (labels == label)).any()
        }
        others = [mean for label, mean in means.items() if label != labels[i]]
        if labels[i] not in means or not others:
            found.append(0.0)
            continue
        a, b = means[labels[i]], min(others)
        found.append((b - a) / max(a, b))
    return np.array(found)


def test_silhouettes_and_their_influence_leave_out_the_items_of_the_same_group() -> None:
    generator = np.random.default_rng(1)
    values, labels = generator.normal(size=(30, 3)), generator.integers(3, size=30)
    groups = generator.integers(9, size=30)
    labels[groups == 8] = 3  # a class of one group has no others
    ones = np.ones(30)
    expected = naive_silhouettes(values, labels, groups, ones)
    found = silhouettes(values, labels, device="cpu", groups=groups)
    np.testing.assert_allclose(found.samples, expected, atol=1e-9)
    assert (expected[labels == 3] == 0).all()
    step = 1e-5
    slopes = []
    for j in range(30):
        high, low = (ones + sign * step * (np.arange(30) == j) for sign in (1, -1))
        means = [np.average(naive_silhouettes(values, labels, groups, each), weights=each) for each in (high, low)]
        slopes.append(30 * (means[0] - means[1]) / (2 * step))
    np.testing.assert_allclose(found.influence - expected.mean(), slopes - np.mean(slopes), atol=1e-6)
    alone = silhouettes(values, labels, device="cpu", groups=np.arange(30))
    np.testing.assert_array_equal(alone.influence, silhouettes(values, labels, device="cpu").influence)


def test_neighbours_are_the_nearest_of_other_groups_with_a_cache_of_their_own(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    values, groups = generator.normal(size=(40, 4)), np.repeat(np.arange(8), 5)
    distances = np.sqrt(((values[:, None] - values) ** 2).sum(2))
    distances[groups[:, None] == groups] = np.inf
    for _ in range(2):
        found = nearest_neighbours(values, 35, device="cpu", groups=groups, cache=tmp_path)
        np.testing.assert_array_equal(found.indices, distances.argsort(axis=1)[:, :35])
    assert (nearest_neighbours(values, 35, device="cpu", cache=tmp_path).indices != found.indices).any()
    with pytest.raises(OptionError, match="a point of 40 has 1 to 35 neighbours; 36 were asked for"):
        nearest_neighbours(values, 36, device="cpu", groups=groups)


def test_values_of_groups_have_the_mean_of_the_items_and_the_spread_of_a_ratio() -> None:
    values, groups = np.array([1.0, 2, 3, 10, np.nan]), np.array([0, 0, 2, 1, 1])
    found = by_group(values, groups)
    assert found.mean() == pytest.approx(4)
    # Drawing the groups 0, 0, 2 instead gives (1 + 2 + 1 + 2 + 3) / 5; its first order is the mean of their values.
    assert found == pytest.approx([4 + (1 + 2 - 8) * 3 / 4, 4 + 6 * 3 / 4, 4 - 3 / 4])
    np.testing.assert_allclose(by_group(values[:4], np.arange(4)), values[:4])


def test_objects_of_one_image_are_no_neighbours_and_do_not_teach_the_probe() -> None:
    features = flocks()
    found = embed(features, method="pca", device="cpu", quiet=True)
    quality = found.quality[found.quality["space"] == "features"].set_index("metric")
    assert set(found.quality["items"]) == {"objects"}
    plain = embed(features.values, labels=features.labels, method="pca", device="cpu", quiet=True)
    fooled = plain.quality[plain.quality["space"] == "features"].set_index("metric")["value"]
    assert fooled["linear_probe_accuracy"] > quality["value"]["linear_probe_accuracy"] + 0.1
    assert fooled["silhouette"] > quality["value"]["silhouette"]
    assert plain.sweep["value"].iloc[0] == 1  # k = 1: the nearest is of the same image
    assert found.sweep["value"].iloc[0] < 0.8
    assert found.params["quality_k"] == 10
    wide = quality["ci_high"] - quality["ci_low"]
    narrow = plain.quality.set_index(["space", "metric"]).loc["features"]
    assert (wide > narrow["ci_high"] - narrow["ci_low"]).all()  # twenty images are fewer than eighty


def test_the_probe_leaves_out_whole_groups() -> None:
    features = flocks(images=3, each=10)
    labels = np.array([0] * 10 + [1] * 20)
    right = linear_probe(features.values, labels, groups=features.groups).correct
    assert not right[:10].any()  # class 0 is in one image: it is never seen by the probe that is asked about it


def test_features_are_means_over_boxes_in_the_order_of_the_images_whatever_the_batches() -> None:
    source = Shapes()
    expected = naive_activity(source, LAYER)
    items = ObjectItems.of(source)
    for size in (3, 16):
        features = extract_features(detector(), source, layer=[LAYER], reading=Reading(QUIET.settings, size))
        np.testing.assert_allclose(features.values, expected, rtol=5e-6, atol=5e-6)  # of float32 maps
        assert features.labels.tolist() == items.labels.tolist()
        assert (features.ids, features.images) == (items.ids, items.names)
    other = extract_features(detector("faster-rcnn"), source, layer=[LAYER], reading=QUIET)  # size by size
    assert other.labels.tolist() == items.labels.tolist()
    assert other.ids == items.ids


def test_a_sample_of_objects_keeps_every_class_its_share_and_is_kept_in_the_cache(tmp_path: Path) -> None:
    source = Shapes()
    reading = Reading(QUIET.settings, 4, cache=tmp_path)
    few, again = (extract_features(detector(), source, limit_objects=21, reading=reading) for _ in range(2))
    assert np.bincount(few.labels).tolist() == [7, 7, 7]
    np.testing.assert_array_equal(few.values, again.values)
    assert list(few.ids) == sorted(few.ids, key=ObjectItems.of(source).ids.index)
    whole = extract_features(detector(), source, reading=reading)
    rows = [whole.ids.index(name) for name in few.ids]
    np.testing.assert_allclose(whole.values[rows], few.values, atol=1e-6)
    few.save(tmp_path / "saved")
    assert Features.load(tmp_path / "saved").images == few.images


def test_results_are_saved_compared_by_image_and_described(tmp_path: Path) -> None:
    analysis, options = EmbeddingAnalysis(), EmbeddingOptions(method="pca", layer=[LAYER], probe=False)
    features = [flocks(seed=seed) for seed in (0, 1)]
    pair = [
        Features(each.values, features[0].labels, model=name, layer=LAYER, images=each.images)
        for name, each in zip("ab", features, strict=True)
    ]
    embeddings = [embed(each, options, device="cpu", quiet=True) for each in pair]
    write_stored(tmp_path, analysis.format, analysis.store(EmbeddingResults(embeddings=embeddings)))
    again = analysis.restore(read_stored(tmp_path, analysis.format))
    pd.testing.assert_frame_equal(again.embeddings[0].quality, embeddings[0].quality)
    assert again.embeddings[0].images == pair[0].images
    (knn, *_), _ = analysis.statistics(again)
    assert knn.values["a"].shape == (1, 20)
    assert knn.values["a"].mean() == pytest.approx(embeddings[0].quality["value"].iloc[0])
    lines = analysis.lines(again)
    assert "top-1" not in lines.header
    assert len(lines.header) == len(lines.rows[0])
    caption = embedding_caption(again.embeddings, "shapes")
    assert f"(means over annotated boxes of {LAYER}) of 80 objects of 2 classes in 20 images (shapes)" in caption
    methods = embedding_methods(again.embeddings)
    assert "leave-one-image-out accuracy" in methods
    assert "whose objects are drawn together and are no neighbours of each other" in methods


class Unread(Shapes):
    def image(self, index: int) -> None:
        raise AssertionError("the pass has begun")


@pytest.mark.parametrize(
    ("length", "values", "message"),
    [
        (9, {}, "shapes has 0 classes with 10 objects"),
        (30, {"pool": "flatten"}, "features of objects are means over their boxes; leave out --pool flatten"),
        (30, {"limit_objects": 9}, "which hold 7 objects besides those of one image; 10 are needed"),
    ],
)
def test_what_cannot_be_embedded_is_refused_before_the_pass(length: int, values: dict, message: str) -> None:
    with pytest.raises(AutolaError, match=message):
        embed_of(length, values)


def embed_of(length: int, values: dict) -> None:
    from autola_analysis.analyses.alone import measure_alone

    measure_alone(EmbeddingAnalysis(), detector(), Unread(length), EmbeddingOptions(**values), QUIET)
