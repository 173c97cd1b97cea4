"""Several processes that share a run: they find what one finds, and none is left waiting for a dead one."""

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.stream import open_stream
from tests.data.conftest import write_image
from tests.inference.launching import launch
from tests.inference.together import COUNTS, measured, measured_besides


def assert_same_panels(one: Any, other: Any) -> None:
    assert [(picture.image, picture.target) for picture in one] == [
        (picture.image, picture.target) for picture in other
    ]
    for ours, theirs in zip(one, other, strict=True):
        for panel, twin in zip(ours.panels, theirs.panels, strict=True):
            assert (panel.variant, panel.method, panel.score) == (twin.variant, twin.method, twin.score)
            np.testing.assert_array_equal(panel.map, twin.map)
            np.testing.assert_array_equal(panel.pixels, twin.pixels)
            np.testing.assert_array_equal(panel.mask, twin.mask)


def test_several_processes_find_what_one_finds(tmp_path: Path, checkpoint: Callable[..., Path]) -> None:
    processes = launch(3, ["tests.inference.together", tmp_path, checkpoint("se")])
    for process in processes:
        assert process.returncode == 0, process.stderr
    for images in COUNTS:
        alone = measured(ClutteredDigits("test", images), tmp_path / "cache of one")
        several = [pickle.loads((tmp_path / f"{images} of {rank}.pickle").read_bytes()) for rank in range(3)]
        assert_same(several, alone, images)
    alone = measured_besides()
    several = [pickle.loads((tmp_path / f"besides of {rank}.pickle").read_bytes()) for rank in range(3)]
    assert_same_objects([each["objects"] for each in several], alone["objects"])
    broken = tuple(f"path {index}" for index in range(50, 600, 100))
    assert all(each["left out"] == broken for each in (alone, *several))
    # The report is the first one's, and so are the words.
    assert (tmp_path / "report" / "run.json").exists()
    assert "plane kNN" in processes[0].stdout
    assert processes[0].stdout.endswith("the end\n")
    assert [process.stdout + process.stderr for process in processes[1:]] == ["", ""]
    assert not list(tmp_path.rglob("*partial*"))


def assert_same(several: list[dict[str, Any]], alone: dict[str, Any], images: int) -> None:
    first = several[0]
    assert_same_pass(several, alone, images)
    assert_same_pass(
        [each["of some images"] for each in several], alone["of some images"], images
    )  # of which one process alone has seen any
    assert all(each["passes again"] == 0 for each in several)
    np.testing.assert_array_equal(first["loaded"][0], alone["loaded"][0])
    np.testing.assert_array_equal(first["loaded"][1], alone["loaded"][1])
    for name in ("cached", "again"):
        for values, expected in zip(first[name], alone[name], strict=True):
            np.testing.assert_array_equal(values, expected)
    for saliency in (first["saliency"], *first["saliency kept"]):
        pd.testing.assert_frame_equal(saliency.images, alone["saliency"].images, check_exact=True)
        pd.testing.assert_frame_equal(saliency.metrics, alone["saliency"].metrics, check_exact=True)
        assert saliency.settings == alone["saliency"].settings
        assert_same_panels(saliency.pictures, alone["saliency"].pictures)


def assert_same_objects(several: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    own = ["object_contrast", "object_contrast_low", "object_contrast_high", "object_contrast_ratio", "items"]
    for each in several:  # sums are everywhere, values of single objects in the first process
        pd.testing.assert_frame_equal(each["summary"], alone["summary"], rtol=1e-9)
        for layer, values in alone["means"].items():
            np.testing.assert_allclose(each["means"][layer], values, rtol=1e-12, atol=1e-15)
        gates, expected = each["gates"].gates.drop(columns=own), alone["gates"].gates.drop(columns=own)
        pd.testing.assert_frame_equal(gates, expected, rtol=1e-12, atol=1e-12)
    for values, expected in zip(several[0]["features"], alone["features"], strict=True):
        np.testing.assert_array_equal(values, expected)
    pd.testing.assert_frame_equal(several[0]["gates"].gates[own], alone["gates"].gates[own])
    assert alone["gates"].contrasts
    for gate, values in alone["gates"].contrasts.items():
        np.testing.assert_array_equal(several[0]["gates"].contrasts[gate], values)


def assert_same_pass(several: list[dict[str, Any]], alone: dict[str, Any], images: int) -> None:
    first = several[0]
    for each in several:  # sums are everywhere
        for units, expected in zip(each["units"], alone["units"], strict=True):
            pd.testing.assert_frame_equal(units, expected, rtol=1e-12, atol=1e-12)
        for means, expected in zip(each["means"], alone["means"], strict=True):
            for layer, values in expected.items():
                np.testing.assert_allclose(means[layer], values, rtol=1e-12, atol=1e-15)
        assert each["accuracies"] == alone["accuracies"]
        assert each["images"] == alone["images"] == [images, images]
        assert [found[:2] for found in each["ablation"]] == [found[:2] for found in alone["ablation"]]
        pd.testing.assert_frame_equal(each["gates"].gates, alone["gates"].gates, rtol=1e-12, atol=1e-12)
        assert each["gates"].spatial_maps.keys() == alone["gates"].spatial_maps.keys() != set()
        for gate, values in alone["gates"].spatial_maps.items():
            np.testing.assert_allclose(each["gates"].spatial_maps[gate], values, rtol=1e-12)
    for top, expected in zip(first["top images"], alone["top images"], strict=True):
        for layer, numbers in expected.images.items():
            np.testing.assert_array_equal(top.images[layer], numbers)
            np.testing.assert_array_equal(top.values[layer], expected.values[layer])
    for (values, labels), (expected, theirs) in zip(first["features"], alone["features"], strict=True):
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(labels, theirs)
    for (head, signed, values, labels), expected in zip(first["ablation"], alone["ablation"], strict=True):
        assert (head, signed) == expected[:2] == ("fc", False)
        np.testing.assert_array_equal(values, expected[2])
        np.testing.assert_array_equal(labels, expected[3])
    for name in ("predictions", "largest"):
        for arrays, expected in zip(first[name], alone[name], strict=True):
            assert arrays.keys() == expected.keys() != set()
            for key, values in expected.items():
                np.testing.assert_array_equal(arrays[key], values)
    assert all(len(each["features"][0][0]) == 0 for each in several[1:])


def test_the_run_ends_soon_after_one_process_is_killed(tmp_path: Path) -> None:
    start = time.monotonic()
    first, killed = launch(2, ["tests.inference.together", tmp_path])
    assert time.monotonic() - start < 60
    assert killed.returncode == -9
    assert first.returncode == 1
    assert "ProcessError: process 1 of 2 has not been heard of" in first.stderr
    assert not list((tmp_path / "cache").rglob("entry.json"))


def test_an_error_of_one_process_is_said_once_and_ends_all(tmp_path: Path, checkpoint: Callable[..., Path]) -> None:
    for index in range(6):
        for label in range(10):
            write_image(tmp_path / "images" / str(label) / f"{index}.png", (20 * label, 9 * index, 0), (32, 32))
    (tmp_path / "images" / "3" / "5.png").write_bytes(b"no image")
    options = ["--data", f"folder:{tmp_path / 'images'}", "--normalize", "none", "--batch-size", 12, "--no-cache"]
    command = ["autola_analysis", "selectivity", "--ckpt", checkpoint("se"), *options, "--out", tmp_path / "out"]
    processes = launch(2, command)
    assert [process.returncode for process in processes] == [2, 2]
    said = "".join(process.stderr for process in processes)
    assert said.count("autola-analyze: ") == 1
    assert "5.png cannot be read as an image" in processes[1].stderr
    assert "".join(process.stdout for process in processes) == ""
    assert [path.name for path in tmp_path.glob("*out*")] == []


def test_a_loader_that_shuffles_cannot_be_shared() -> None:
    data = TensorDataset(torch.randn(6, 3, 8, 8), torch.arange(6))
    with pytest.raises(DataError, match="only if it reads a data set in order; give one with shuffle=False"):
        next(open_stream(DataLoader(data, batch_size=2, shuffle=True), None).batches(1, 2))


def test_the_shares_of_a_loader_are_its_batches() -> None:
    data = TensorDataset(torch.arange(14.0).reshape(7, 2, 1, 1), torch.arange(7))
    stream = open_stream(DataLoader(data, batch_size=2), None)
    whole = list(stream.batches())
    shares = [list(stream.batches(rank, 3)) for rank in range(3)]
    for number, batch in enumerate(whole):
        twin = shares[number % 3][number // 3]
        assert torch.equal(batch.images, twin.images)
        assert torch.equal(batch.targets, twin.targets)
        assert torch.equal(batch.indices, twin.indices)
    assert [len(share) for share in shares] == [2, 1, 1]


def test_one_gpu_is_not_for_several_processes() -> None:
    from autola_analysis.inference.distributed import Launched

    several = Launched(torch.distributed.HashStore(), 0, 2)
    with pytest.raises(OptionError, match="cuda:1 is one GPU, and 2 processes take one each; give cuda"):
        several.check_device(torch.device("cuda:1"))
    several.check_device(torch.device("cuda"))
    Processes().check_device(torch.device("cuda:1"))
