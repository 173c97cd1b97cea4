"""Decoded images in batches."""

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autola_analysis.core.errors import BadImageError, DataError
from autola_analysis.data import (
    ClutteredDigits,
    DecodedImages,
    ImageFolderSource,
    Preprocessing,
    collate,
    decoded_batches,
    decoding,
)

MakeImage = Callable[..., Path]
PLAIN = Preprocessing()


def test_item_is_the_index_and_the_pixels_of_the_image() -> None:
    source = ClutteredDigits(length=5)
    index, image = DecodedImages(source, PLAIN)[3]
    assert index == 3
    assert image.dtype == torch.uint8
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), source.item(3).pixels)


def test_geometry_is_applied_and_statistics_are_not() -> None:
    images = DecodedImages(ClutteredDigits(length=2), Preprocessing(resize=20, crop=16, mean=(0.5, 0.5, 0.5)))
    assert images[0][1].shape == (3, 16, 16)
    assert images[0][1].dtype == torch.uint8
    assert len(images) == 2


def test_dataset_is_picklable_for_workers(birds: Path) -> None:
    images = DecodedImages(ImageFolderSource(birds), Preprocessing(resize=16))
    torch.testing.assert_close(pickle.loads(pickle.dumps(images))[1][1], images[1][1])


def test_collate_stacks_indices_and_images() -> None:
    images = DecodedImages(ClutteredDigits(length=9), PLAIN)
    indices, batch = collate([images[i] for i in (7, 2)])
    assert indices.dtype == torch.int64
    assert indices.tolist() == [7, 2]
    assert batch.shape == (2, 3, 32, 32)
    assert batch.dtype == torch.uint8
    torch.testing.assert_close(batch[1], images[2][1])


def test_collate_names_the_image_of_another_size() -> None:
    items = [(4, torch.zeros(3, 8, 10, dtype=torch.uint8)), (6, torch.zeros(3, 9, 10, dtype=torch.uint8))]
    with pytest.raises(DataError, match="image 6 has 10x9 pixels and image 4 has 10x8 pixels"):
        collate(items)
    with pytest.raises(DataError, match="owl/6 has 10x9 pixels and owl/4 has 10x8 pixels"):
        collate(items, [f"owl/{i}" for i in range(7)])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order(workers: int) -> None:
    source = ClutteredDigits(length=10)
    batches = list(decoded_batches(source, PLAIN, [[0, 1, 2], [9], [4, 3]], workers=workers))
    assert [indices.tolist() for indices, _ in batches] == [[0, 1, 2], [9], [4, 3]]
    np.testing.assert_array_equal(batches[2][1][0].permute(1, 2, 0).numpy(), source.item(4).pixels)


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_image_arrives_as_the_error_that_names_it(birds: Path, workers: int) -> None:
    (birds / "owl" / "0.png").write_bytes(b"")
    batches = decoded_batches(ImageFolderSource(birds), PLAIN, [[0, 1], [2, 3]], workers=workers)
    assert next(batches)[0].tolist() == [0, 1]
    with pytest.raises(BadImageError, match="it is empty") as caught:
        next(batches)
    assert caught.value.path == str(birds / "owl" / "0.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("batches", [[[0, 1, 2, 3, 4, 5]], [[0], [1], [2], [3], [4], [5]]])
def test_mixed_sizes_are_refused_at_any_batch_size(
    birds: Path, make_image: MakeImage, batches: list[list[int]], workers: int
) -> None:
    make_image(birds / "wren" / "0.png", size=(8, 9))
    with pytest.raises(DataError, match=r"wren/0\.png has 8x9 pixels and crow/0\.png has 8x8 pixels"):
        list(decoded_batches(ImageFolderSource(birds), PLAIN, batches, workers=workers))


def test_mixed_sizes_pass_through_a_crop(birds: Path, make_image: MakeImage) -> None:
    make_image(birds / "wren" / "0.png", size=(8, 9))
    source = ImageFolderSource(birds)
    ((_, images),) = decoded_batches(source, Preprocessing(resize=8, crop=8), [range(len(source))])
    assert images.shape == (6, 3, 8, 8)


def test_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    list(decoded_batches(ClutteredDigits(length=4), PLAIN, [[0, 1], [2, 3]]))
    assert torch.equal(torch.get_rng_state(), before)


class Slow(ClutteredDigits):
    """Gives the tests time to do something to the workers."""

    def image(self, index: int) -> Image.Image:
        time.sleep(0.05)
        return super().image(index)


def workers_of(batches: Any) -> list[int]:
    next(batches)
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_is_one_sentence(number: int) -> None:
    batches = decoded_batches(Slow("test", 40), Preprocessing(), [[n] for n in range(40)], workers=2)
    for pid in workers_of(batches):
        os.kill(pid, number)
    with pytest.raises(DataError, match=r"a process that decodes images has ended .* give fewer --workers"):
        list(batches)


def test_a_worker_that_is_stopped_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autola_analysis.data.workers.STOPPED_FOR", 0.1)
    batches = decoded_batches(Slow("test", 20), Preprocessing(), [[n] for n in range(20)], workers=2)
    for pid in workers_of(batches):
        os.kill(pid, signal.SIGSTOP)
    assert len(list(batches)) == 19


def test_a_worker_that_decodes_for_ever_is_ended_and_the_file_is_named(
    birds: Path, endless_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "SECONDS", 1)
    (birds / "owl" / "endless.jpg").write_bytes(endless_jpeg)
    source = ImageFolderSource(birds)
    with pytest.raises(BadImageError, match=r"endless.jpg cannot be read .*takes more than 1 seconds"):
        list(decoded_batches(source, PLAIN, [[number] for number in range(len(source))], workers=1))
    assert multiprocessing.active_children() == []


def test_without_shared_memory_images_are_decoded_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("autola_analysis.data.dataset.has_shared_memory", lambda: False)
    batches = list(decoded_batches(ClutteredDigits("test", 4), Preprocessing(), [[0, 1], [2, 3]], workers=2))
    assert [indices.tolist() for indices, _ in batches] == [[0, 1], [2, 3]]
    assert "there is no /dev/shm" in caplog.text
