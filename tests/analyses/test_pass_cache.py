"""The cache of finished passes: what it recognises, and several analyses in one pass."""

import errno
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses import observation as module
from autola_analysis.analyses.chosen import ChosenImages
from autola_analysis.analyses.gates.measure import GateWatcher, gate_result
from autola_analysis.analyses.observation import Reading, Watcher, observe, observe_all, passes_of
from autola_analysis.analyses.selectivity.measure import SelectivityWatcher, measure_selectivity, selectivity_result
from autola_analysis.analyses.selectivity.observer import SelectivityObserver
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.analyses.selectivity.top_images import TopImageWatcher, top_images_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.core.cache import cache_folder
from autola_analysis.core.decoder import Decoder
from autola_analysis.data import ClutteredDigits, Preprocessing, open_source
from autola_analysis.inference import decoding
from autola_analysis.inference import run as run_module
from autola_analysis.inference.address import network_address
from autola_analysis.inference.run import Settings
from tests.decoders import by_pillow
from tests.inference.networks import InPlaceAfterwards, Tiny
from tests.processes import context

QUIET = Settings(device="cpu", quiet=True)
DIGITS = ClutteredDigits("test", 40)


class Counting(ClutteredDigits):
    """Counts how often images are decoded."""

    def __init__(self) -> None:
        super().__init__("test", 40)
        self.decoded = 0

    def image(self, index: int):  # type: ignore[no-untyped-def]
        self.decoded += 1
        return super().image(index)


FEW = np.array([1, 3, 30])


def watchers() -> list[Watcher[Any]]:
    return [SelectivityWatcher(SelectivityOptions()), GateWatcher(), ChosenImages(TopImageWatcher(["layer3"], 5), FEW)]


def variants() -> list[Variant]:
    torch.manual_seed(0)
    return [Variant(create_model("resnet20", name, 10, width=8).eval(), name) for name in ("none", "se")]


def test_all_analyses_share_one_forward_and_one_decoding() -> None:
    data, networks = Counting(), variants()
    forwards = dict.fromkeys(["none", "se"], 0)
    for variant in networks:
        variant.model.register_forward_pre_hook(
            lambda module, inputs, name=variant.name: forwards.__setitem__(name, forwards[name] + len(inputs[0]))
        )
    selectivity, gates, few = observe_all(networks, data, watchers(), Reading(QUIET, batch_size=40))
    assert data.decoded == 40
    # The copies count too. Beyond the images they see a probe, the same for any number of images: four images plain
    # and four folded, and a single one. Two images of noise show the gates.
    assert forwards == {"none": 40 + 9 + 2, "se": 40 + 9 + 2}
    assert len(passes_of(selectivity)) == 1
    assert gates[0] is None
    assert gates[1] is not None
    assert few[0] is not None
    found = top_images_result(few[0], [data.ids[index] for index in FEW])
    assert set(found.ids.values()) == {data.ids[index] for index in FEW}
    assert found.images["layer3"].shape == (32, 3)


def test_together_and_from_the_cache_the_results_are_those_of_each_analysis_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, reading = variants(), Reading(QUIET, cache=tmp_path)
    first = observe_all(networks, DIGITS, watchers(), reading)
    monkeypatch.setattr(module, "run", lambda *arguments: pytest.fail("a network ran again"))
    again = observe_all(networks, DIGITS, watchers(), reading)
    monkeypatch.undo()
    for one, other in zip(first[0], again[0], strict=True):
        assert one is not None
        assert other is not None
        options = SelectivityOptions()
        one_result, other_result = selectivity_result(one, options), selectivity_result(other, options)
        assert one_result.units.equals(other_result.units)
        assert one_result.summary.equals(other_result.summary)
        assert one_result.settings == other_result.settings
        alone = measure_selectivity(one.variant, DIGITS, reading=Reading(QUIET))
        np.testing.assert_allclose(one_result.units["selectivity"], alone.units["selectivity"], atol=1e-5)
    assert first[1][1] is not None
    assert again[1][1] is not None
    assert gate_result(first[1][1]).gates.equals(gate_result(again[1][1]).gates)


def test_an_analysis_with_other_options_is_run_again(tmp_path: Path) -> None:
    network, reading = variants()[:1], Reading(QUIET, cache=tmp_path)
    for options in (SelectivityOptions(), SelectivityOptions(seed=1), SelectivityOptions(folds=5)):
        (found,) = observe_all(network, DIGITS, [SelectivityWatcher(options)], reading)
        assert len(passes_of(found)) == 1


def hash_of_network(model: torch.nn.Module) -> str:
    address = network_address(model)
    assert address.unknown == ""
    return address.hash


def test_a_hash_of_a_network_sees_weights_types_and_structure() -> None:
    model = Tiny()
    twin = Tiny()
    twin.load_state_dict(model.state_dict())
    assert hash_of_network(model) == hash_of_network(twin)
    assert hash_of_network(model) != hash_of_network(twin.to(torch.bfloat16))
    skipping = InPlaceAfterwards()
    skipping.load_state_dict(model.state_dict())
    assert hash_of_network(model) != hash_of_network(skipping)


def selectivity_of(networks: list[Variant], cache: Path | None, batch_size: int | None = None) -> tuple[Any, int]:
    """Return units and class means of every network, and the number of passes that took."""
    options = SelectivityOptions()
    reading = Reading(QUIET, batch_size, cache=cache)
    found = observe(networks, DIGITS, SelectivityWatcher(options), reading)
    results = [selectivity_result(each, options) for each in found]
    return [(result.units, result.class_means) for result in results], len(passes_of(found))


def assert_same(one: Any, other: Any) -> None:
    for (units, means), (twin_units, twin_means) in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(units, twin_units, check_exact=True)
        for layer, values in means.items():
            np.testing.assert_array_equal(values, twin_means[layer])


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what the package has logged since the last call."""
    caplog.set_level(logging.WARNING, logger="autola_analysis")

    def messages() -> list[str]:
        found = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return found

    return messages


def test_of_a_pass_with_other_inputs_it_is_said_which(tmp_path: Path, said: Callable[[], list[str]]) -> None:
    network = variants()[:1]
    selectivity_of(network, tmp_path, 8)
    assert said() == []
    selectivity_of(network, tmp_path, 10)
    assert said() == ["the cache holds a pass of none with other batch size; it is run again."]
    selectivity_of(network, tmp_path, 8)
    assert said() == []
    reading = Reading(QUIET, 10, cache=tmp_path)
    observe(network, DIGITS, SelectivityWatcher(SelectivityOptions(seed=3)), reading)
    assert said() == ["the cache holds a pass of none with other options of selectivity; it is run again."]
    observe(network, ClutteredDigits("test", 30), SelectivityWatcher(SelectivityOptions()), reading)
    observe(network, DIGITS, TopImageWatcher(["layer3"]), reading)
    assert said() == []  # other images and other analyses are other questions
    selectivity_of([Variant(network[0].model, "renamed")], tmp_path, 8)
    assert said() == []


def test_of_images_that_cannot_be_named_nothing_is_kept_and_that_is_said(
    tmp_path: Path, said: Callable[[], list[str]]
) -> None:
    data = TensorDataset(torch.rand(8, 3, 16, 16), torch.arange(8) % 2)
    watcher = SelectivityWatcher(SelectivityOptions())
    for images in (data, DataLoader(data, batch_size=4)):
        observe(variants()[:1], images, watcher, Reading(QUIET, cache=tmp_path))
        assert said() == [
            "nothing of none is kept in the cache: what images a data set or a loader gives cannot be known."
        ]
    assert not list(tmp_path.iterdir())
    observe(variants()[:1], data, watcher, Reading(QUIET))
    assert said() == []


def test_a_pass_that_a_gpu_decoded_is_kept_apart_and_its_comparison_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    for number in range(20):
        path = tmp_path / "photographs" / f"{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((50, 40)).save(path)
    source = open_source(f"folder:{tmp_path / 'photographs'}")
    variant = replace(variants()[0], preprocessing=Preprocessing(36, 32))
    for place in (decoding, run_module):
        monkeypatch.setattr(place, "gpu_decoder", lambda device: by_pillow)

    def measured(decoder: Decoder) -> SelectivityResult:
        settings = replace(QUIET, decoder=decoder)
        return measure_selectivity(variant, source, reading=Reading(settings, 8, cache=tmp_path / "cache"))

    exact = measured("cpu")
    assert "decoding" not in exact.settings
    fresh = measured("gpu")
    assert said() == ["the cache holds a pass of none with other decoder; it is run again."]
    again = measured("gpu")
    assert said() == []
    assert again.units.equals(fresh.units)
    for result in (fresh, again):
        found = result.settings["decoding"]
        assert (found["refused"], found["compared"], found["on_gpu"], found["on_cpu"]) == ("", 20, 20, 0)
        assert [network["name"] for network in found["networks"]] == ["none"]
    np.testing.assert_allclose(fresh.units["selectivity"], exact.units["selectivity"], atol=0.01)


def test_classes_of_one_name_stay_apart() -> None:
    labels = torch.arange(30) % 3
    images = torch.randn(30, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    network, means = Variant(Tiny().eval()), []
    for names in (["a", "b", "c"], ["x", "x", "y"]):
        data: Any = TensorDataset(images, labels)
        data.classes = names
        (found,) = observe([network], data, SelectivityWatcher(SelectivityOptions()), Reading(QUIET))
        result = selectivity_result(found, SelectivityOptions())
        assert found.classes == (("a", "b", "c") if names[0] == "a" else ("x (0)", "x (1)", "y"))
        means.append(result.class_means)
    for layer, values in means[0].items():
        np.testing.assert_array_equal(values, means[1][layer])


def test_a_pass_that_is_not_complete_is_run_again(tmp_path: Path, said: Callable[[], list[str]]) -> None:
    network = variants()[:1]
    expected, _ = selectivity_of(network, tmp_path)
    (manifest,) = tmp_path.rglob("entry.json")
    manifest.unlink()
    again, passes = selectivity_of(network, tmp_path)
    assert passes == 1
    assert_same(again, expected)
    first, second = said()
    assert first.startswith("the pass of none in ")
    assert second.endswith(f"holds what no record lists; it is {manifest.parent.name}.kept now.")


def test_a_pass_is_kept_for_a_month_after_its_last_use(tmp_path: Path) -> None:
    network = variants()[:1]
    for batch_size in (8, 10):
        selectivity_of(network, tmp_path, batch_size)
    long_ago = time.time() - 40 * 86400
    for path in cache_folder(tmp_path, "passes").iterdir():
        os.utime(path, (long_ago, long_ago))
    assert selectivity_of(network, tmp_path, 10)[1] == 0
    assert selectivity_of(network, tmp_path, 20)[1] == 1
    assert len(list(cache_folder(tmp_path, "passes").iterdir())) == 2
    assert selectivity_of(network, tmp_path, 10)[1] == 0


def of_two_geometries() -> list[Variant]:
    one, other = variants()
    return [one, Variant(other.model, "se", preprocessing=Preprocessing(resize=40, crop=36))]


def test_a_run_that_fails_later_keeps_the_passes_that_were_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = of_two_geometries()
    expected, _ = selectivity_of(networks, None)
    ran: list[list[str]] = []
    original = module.run

    def failing(jobs: Any, *arguments: Any) -> Any:
        ran.append([job.name for job in jobs])
        if len(ran) == 2:
            raise RuntimeError("killed on purpose")
        return original(jobs, *arguments)

    monkeypatch.setattr(module, "run", failing)
    with pytest.raises(RuntimeError, match="killed on purpose"):
        selectivity_of(networks, tmp_path)
    again, passes = selectivity_of(networks, tmp_path)
    assert ran == [["none"], ["se"], ["se"]]
    assert passes == 1
    assert_same(again, expected)
    assert not list(tmp_path.rglob("*partial*"))


def test_of_networks_that_share_a_reading_each_is_kept_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    networks = variants()
    original, saved = SelectivityObserver.save, []

    def failing(observer: SelectivityObserver, folder: Path) -> None:
        saved.append(folder)
        if len(saved) == 2:
            raise RuntimeError("killed on purpose")
        original(observer, folder)

    monkeypatch.setattr(SelectivityObserver, "save", failing)
    with pytest.raises(RuntimeError, match="killed on purpose"):
        selectivity_of(networks, tmp_path)
    again, _ = selectivity_of(networks, tmp_path)
    assert len(saved) == 3
    assert_same(again, selectivity_of(networks, None)[0])
    assert said() == []


def die_at_the_second_geometry(cache: Path) -> None:
    original = Preprocessing.geometry

    def deadly(self: Preprocessing, image: Image.Image) -> torch.Tensor:
        if self.resize == 40:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, image)

    Preprocessing.geometry = deadly  # type: ignore[method-assign]
    selectivity_of(of_two_geometries(), cache)


def test_a_killed_run_keeps_the_passes_that_were_finished(tmp_path: Path) -> None:
    process = context.Process(target=die_at_the_second_geometry, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*partial*"))) == 1
    networks = of_two_geometries()
    again, passes = selectivity_of(networks, tmp_path)
    assert passes == 1
    assert_same(again, selectivity_of(networks, None)[0])
    assert not list(tmp_path.rglob("*partial*"))


def test_a_cache_that_may_only_be_read_serves_what_it_holds_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    networks = variants()
    expected, _ = selectivity_of(networks[:1], tmp_path)

    def forbidden(folder: Path) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("autola_analysis.core.cache.ready_to_write", forbidden)
    for _ in range(2):
        again, passes = selectivity_of(networks, tmp_path)
        assert passes == 1
        assert_same(again[:1], expected)
        assert_same(again[1:], selectivity_of(networks[1:], None)[0])
    assert said() == [f"the cache {tmp_path} cannot be written (Read-only file system); nothing new is kept in it."]
    assert len(list(cache_folder(tmp_path, "passes").iterdir())) == 1


def write_four_passes(cache: Path, out: Path) -> None:
    found = [selectivity_of(variants(), cache / str(number))[0] for number in range(4)]
    out.write_text("\n".join(map(str, found)))


def test_processes_that_make_the_same_pass_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    cache, outs = tmp_path / "cache", [tmp_path / str(number) for number in range(3)]
    started = [context.Process(target=write_four_passes, args=(cache, out)) for out in outs]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0, 0, 0]
    first, second, third = (out.read_text() for out in outs)
    assert first == second == third
    assert not list(tmp_path.rglob("*partial*"))
