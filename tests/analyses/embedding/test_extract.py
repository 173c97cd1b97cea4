"""Features of networks: against stored activations, from the cache, and what must not matter."""

import errno
import logging
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses import observation as module
from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.cache import cache_folder
from autola_analysis.core.entries import RECORD, content_of, seal
from autola_analysis.core.errors import CacheError, DataError, LayerError, OptionError, UnknownNameError
from autola_analysis.core.files import temporary_beside
from autola_analysis.core.results import MANIFEST as RESULT_MANIFEST
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.inference.run import PassRecord, Settings
from autola_analysis.inference.tap import tap
from tests.inference.networks import Fails, InPlaceAfterwards, ReusedReLU, Tiny, expectation
from tests.inference.state import state_of

QUIET = Settings(device="cpu", quiet=True)
PLAIN = Settings(device="cpu", fold=False, quiet=True)
DIGITS = ClutteredDigits("test", 30)


def images(n: int = 30) -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    return TensorDataset(torch.randn(n, 3, 8, 8, generator=generator), torch.arange(n) % 4)


def places(cache: Path) -> list[Path]:
    return sorted(path for path in cache_folder(cache, "passes").iterdir())


def extracted(
    model: torch.nn.Module | Variant,
    data: object,
    layer: str | None = None,
    pool: str = "mean",
    settings: Settings = QUIET,
    batch_size: int | None = None,
    cache: Path | None = None,
) -> Features:
    return extract_features(model, data, reading=Reading(settings, batch_size, cache=cache), layer=layer, pool=pool)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[PassRecord]:
    """The records of the passes that are run."""
    records, run = [], module.run

    def recorded(*arguments: object) -> PassRecord:
        records.append(run(*arguments))
        return records[-1]

    monkeypatch.setattr(module, "run", recorded)
    return records


def not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "run", lambda *arguments: pytest.fail("the network ran again"))


@pytest.mark.parametrize("network", [Tiny, InPlaceAfterwards])
@pytest.mark.parametrize("pool", ["mean", "flatten"])
@pytest.mark.parametrize("cached", [True, False])
def test_features_are_the_pooled_activations(network: type[Tiny], pool: str, cached: bool, tmp_path: Path) -> None:
    model, data = network(), ClutteredDigits("test", 20)
    features = extracted(model, data, "layer1", pool, PLAIN, batch_size=7, cache=tmp_path if cached else None)
    batch = Preprocessing().normalize(torch.stack([Preprocessing().geometry(data.image(i)) for i in range(20)]))
    with torch.no_grad(), tap(model.eval(), ["layer1"]) as activations:
        model(batch)
    stored = activations["layer1"]
    expected = stored.mean((2, 3)) if pool == "mean" else stored.flatten(1)
    np.testing.assert_allclose(features.values, expected.numpy(), atol=1e-6)
    assert features.values.dtype == np.float32
    np.testing.assert_array_equal(features.labels, data.labels)
    assert features.ids == tuple(data.ids)
    assert (features.layer, features.pool, features.settings["batch_size"]) == ("layer1", pool, 7)


def test_the_last_stage_is_the_default_and_layers_with_units_alone_are_taken_as_they_are() -> None:
    assert extracted(Tiny(), images(), settings=QUIET).layer == "layer2"
    assert extracted(Tiny(), images(), "fc", settings=QUIET).values.shape == (30, 10)


def test_several_networks_and_layers_share_one_reading_and_equal_each_alone(passes: list[PassRecord]) -> None:
    variants = [Variant(Tiny(), "a"), Variant(Tiny(), "b")]
    together = extract_features(variants, DIGITS, EmbeddingOptions(layer="layer1,layer2"), Reading(QUIET))
    assert len(passes) == 1
    assert [(each.model, each.layer) for each in together] == [
        ("a", "layer1"), ("a", "layer2"), ("b", "layer1"), ("b", "layer2"),
    ]  # fmt: skip
    for variant, layer, features in zip([0, 0, 1, 1], ["layer1", "layer2"] * 2, together, strict=True):
        alone = extracted(variants[variant], DIGITS, layer, settings=QUIET)
        np.testing.assert_allclose(features.values, alone.values, atol=1e-6)


def test_what_is_cached_is_opened_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Tiny()
    first = extracted(model, DIGITS, "layer1", settings=QUIET, cache=tmp_path)
    assert isinstance(first.values, np.memmap)
    not_run_again(monkeypatch)
    (again,) = extract_features(
        [Variant(model, "x", "2")], DIGITS, EmbeddingOptions(layer=["layer1"]), Reading(QUIET, cache=tmp_path)
    )
    assert (again.model, again.run, again.layer) == ("x", "2", "layer1")
    np.testing.assert_array_equal(again.values, first.values)
    assert again.accuracy == first.accuracy


def test_a_network_that_is_not_cached_is_run_alone(tmp_path: Path, passes: list[PassRecord]) -> None:
    one, other = Variant(Tiny(), "one"), Variant(Tiny(), "other")
    reading = Reading(QUIET, cache=tmp_path)
    extract_features([one], DIGITS, reading=reading, layer=["layer1", "layer2"])
    passes.clear()
    extract_features([one, other], DIGITS, reading=reading, layer=["layer1", "layer2"])
    (record,) = passes
    assert [network.name for network in record.networks] == ["other"]
    assert len(places(tmp_path)) == 2


def test_anything_that_changes_features_makes_a_place_of_its_own(tmp_path: Path) -> None:
    model, other = Tiny(), Tiny()
    changed = Tiny()
    changed.load_state_dict(model.state_dict())
    with torch.no_grad():
        changed.layer1[0].bias[0] += 1
    base = {"settings": QUIET, "cache": tmp_path}
    calls = [
        (model, DIGITS, {}),
        (other, DIGITS, {}),
        (changed, DIGITS, {}),
        (model, ClutteredDigits("test", 29), {}),
        (model, DIGITS, {"layer": "layer1"}),
        (model, DIGITS, {"pool": "flatten"}),
        (model, DIGITS, {"batch_size": 3}),
        (model, DIGITS, {"settings": PLAIN}),
        (model, DIGITS, {"settings": Settings(device="cpu", precision="bfloat16", quiet=True)}),
        (Variant(model, preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5))), DIGITS, {}),
    ]
    for number, (network, data, options) in enumerate(calls, 1):
        extracted(network, data, **{**base, **options})
        assert len(places(tmp_path)) == number
    twin = Tiny()
    twin.load_state_dict(model.state_dict())
    extracted(twin, DIGITS, **base)
    assert len(places(tmp_path)) == len(calls)


def test_half_written_and_foreign_places_are_recognised_said_and_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Tiny()
    expected = np.array(extracted(model, DIGITS, settings=QUIET, cache=tmp_path).values)
    (place,) = places(tmp_path)
    folder = place / "features of the last stage"
    content = content_of(place)
    assert content is not None
    content["inputs"]["network"] = "another checkpoint"
    damages = {
        "is not complete or damaged": [
            lambda: (place / RECORD).unlink(),
            lambda: (place / RECORD).write_text("{"),
            lambda: (folder / "values.npy").write_bytes((folder / "values.npy").read_bytes()[:-5]),
            lambda: (folder / "labels.npy").unlink(),
        ],
        "has other inputs than its name says": [lambda: seal(place, content)],
    }
    for said, ways in damages.items():
        for damage in ways:
            damage()
            caplog.clear()
            with caplog.at_level(logging.WARNING, "autola_analysis"):
                features = extracted(model, DIGITS, settings=QUIET, cache=tmp_path)
            assert said in caplog.text
            np.testing.assert_array_equal(features.values, expected)
            assert (place / RECORD).exists()


def test_what_a_killed_run_left_is_cleared_away_and_what_no_record_lists_is_kept(tmp_path: Path) -> None:
    model = Tiny()
    extracted(model, DIGITS, settings=QUIET, cache=tmp_path)
    (place,) = places(tmp_path)
    temporary_beside(place).mkdir()
    held = {path.name for path in place.iterdir()} - {RECORD}
    (place / RECORD).unlink()
    extracted(model, DIGITS, settings=QUIET, cache=tmp_path)
    kept = place.with_name(f"{place.name}.kept")
    assert places(tmp_path) == [place, kept]
    assert {path.name for path in kept.iterdir()} == held


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(CacheError, match=r"cannot write into the cache .*: .*; free some space") as raised:
            extracted(Tiny(), DIGITS, "layer1", "flatten", QUIET, batch_size=4, cache=tmp_path)
        with pytest.raises(CacheError, match="cannot write the features result into"):
            Features(np.zeros((30, 100), np.float32), np.zeros(30, np.int64)).save(tmp_path / "saved")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno == errno.EFBIG
    assert places(tmp_path) == []
    assert list((tmp_path / "saved").iterdir()) == []


def test_a_network_that_breaks_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="broken on purpose"):
        extracted(Fails(), DIGITS, settings=QUIET, cache=tmp_path)
    assert places(tmp_path) == []


def test_a_loader_cannot_be_recognised_again_and_that_is_said(tmp_path: Path) -> None:
    features = extracted(Tiny(), DataLoader(images(), batch_size=8), settings=QUIET, cache=tmp_path)
    assert any("nothing is cached" in warning for warning in features.warnings)
    assert features.ids[:2] == ("0", "1")
    shuffled = extracted(Tiny(), DataLoader(images(), batch_size=8, shuffle=True), settings=QUIET)
    assert sorted(shuffled.labels.tolist()) == sorted(images().tensors[1].tolist())


def test_features_that_are_not_finite_are_refused_with_layer_and_count(tmp_path: Path) -> None:
    class Overflows(Tiny):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nan_to_num(super().forward(x), 0, 0, 0)

    model = Overflows()
    with torch.no_grad():
        model.layer2[1].weight[2:4] = torch.nan
    with pytest.raises(DataError, match="60 of 240 values in layer2 of model are not finite"):
        extracted(model, DIGITS, settings=QUIET, cache=tmp_path)
    assert places(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layer": "layer9"}, UnknownNameError, "no layer 'layer9'; the nearest: layer"),
        ({"layer": "relu"}, LayerError, "'relu' runs more than once"),
        ({"pool": "max"}, OptionError, "pool is one of mean, flatten; found 'max'"),
    ],
)
def test_layers_and_pools_that_cannot_be_taken_are_refused(
    arguments: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        extracted(ReusedReLU(), images(), settings=QUIET, **arguments)


def test_maps_of_another_shape_are_refused_or_flattened() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(2), torch.nn.Flatten(), torch.nn.Linear(144, 4)
    )
    with pytest.raises(LayerError, match=r"'1' puts out shape \(30, 4, 36\); features need"):
        extracted(model, images(), "1", settings=QUIET)
    assert extracted(model, images(), "1", "flatten", QUIET).values.shape == (30, 144)


@pytest.mark.parametrize("network", [Tiny, Fails])
def test_the_callers_network_and_process_are_as_before(network: type[Tiny], tmp_path: Path) -> None:
    model = network().train()
    before = state_of(model)
    with expectation(network):
        extracted(model, DIGITS, settings=QUIET, cache=tmp_path)
    assert state_of(model) == before


def test_features_survive_saving(tmp_path: Path) -> None:
    features = extracted(Variant(Tiny(), "SE", "2"), DIGITS, settings=QUIET)
    features.save(tmp_path / "saved")
    loaded = Features.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.values, features.values)
    np.testing.assert_array_equal(loaded.labels, features.labels)
    for name in ("ids", "classes", "model", "run", "layer", "pool", "accuracy", "settings", "warnings"):
        assert getattr(loaded, name) == getattr(features, name), name
    assert "SE" in features._repr_html_()
    (tmp_path / "saved" / RESULT_MANIFEST).unlink()
    with pytest.raises(DataError, match="holds no saved features result"):
        Features.load(tmp_path / "saved")


@pytest.mark.parametrize(
    ("values", "labels", "more", "message"),
    [
        ((3, 2), (4,), {}, r"features are \(N, D\) with labels \(N,\)"),
        ((3,), (3,), {}, r"features are \(N, D\)"),
        ((3, 2), (3,), {"ids": ("a",)}, "3 features and 1 ids"),
        ((3, 2), (3,), {"classes": ("a",)}, "labels must be 0 to 0; found 1"),
    ],
)
def test_features_that_do_not_fit_together_are_refused(
    values: tuple[int, ...], labels: tuple[int, ...], more: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Features(np.zeros(values, np.float32), np.ones(labels, np.int64), **more)


def test_features_are_saved_over_the_file_that_they_are_mapped_from(tmp_path: Path) -> None:
    features = extracted(Tiny(), DIGITS)
    features.save(tmp_path)
    loaded = Features.load(tmp_path)
    assert isinstance(loaded.values, np.memmap)
    loaded.save(tmp_path)
    np.testing.assert_array_equal(loaded.values, features.values)
    np.testing.assert_array_equal(Features.load(tmp_path).values, features.values)


def test_several_layers_of_one_network_are_a_list() -> None:
    with pytest.raises(OptionError, match="give the network in a list"):
        extract_features(Tiny(), DIGITS, layer=["layer1", "layer2"])
    found = extract_features([Tiny()], DIGITS, reading=Reading(QUIET), layer=["layer1", "layer2"])
    assert [each.layer for each in found] == ["layer1", "layer2"]
