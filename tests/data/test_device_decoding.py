"""Files that a device decodes, here by Pillow in its place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from autola_analysis.core.errors import BadImageError, DataError, OptionError
from autola_analysis.data import ImageFolderSource, Preprocessing, device_decoding
from autola_analysis.data.device_decoding import Decode, DeviceDecoding, gpu_decoder
from autola_analysis.data.encoded import EncodedBatch, EncodedImages, collate_encoded
from tests.decoders import by_none, by_pillow

CPU = torch.device("cpu")
SHAPED = Preprocessing(24, 20)


def write(path: Path, size: tuple[int, int], seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)


@pytest.fixture
def photographs(tmp_path: Path) -> ImageFolderSource:
    """Seven photographs of three sizes, the third of them a PNG file."""
    sizes = [(40, 30), (30, 40), (50, 50), (40, 30), (30, 40), (40, 30), (50, 50)]
    for number, size in enumerate(sizes):
        write(tmp_path / "photographs" / "a" / f"{number}.{'png' if number == 2 else 'jpg'}", size, number)
    return ImageFolderSource(tmp_path / "photographs")


def batch_of(source: ImageFolderSource, numbers: list[int]) -> EncodedBatch:
    images = EncodedImages(source, SHAPED)
    return collate_encoded([images[number] for number in numbers], source.ids)


def decoding(source: ImageFolderSource, decode: Decode = by_pillow) -> DeviceDecoding:
    return DeviceDecoding(source, SHAPED, decode, CPU)


def exact(source: ImageFolderSource, numbers: list[int]) -> Tensor:
    return torch.stack([SHAPED.geometry(source.image(number)) for number in numbers])


def test_images_of_several_sizes_come_in_order_and_are_pillows_but_for_ties(photographs: ImageFolderSource) -> None:
    numbers = [4, 2, 0, 6, 5, 1, 3]
    device = decoding(photographs)
    indices, images = device.images(batch_of(photographs, numbers))
    assert indices.tolist() == numbers
    assert images.dtype == torch.uint8
    difference = (images.int() - exact(photographs, numbers).int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.05
    assert torch.equal(images[1], exact(photographs, [2])[0])
    assert device.on_device == 6


def test_what_the_decoder_refuses_is_decoded_exactly(photographs: ImageFolderSource) -> None:
    device = decoding(photographs, by_none)
    indices, images = device.images(batch_of(photographs, [3, 0]))
    assert indices.tolist() == [3, 0]
    assert torch.equal(images, exact(photographs, [3, 0]))
    assert device.on_device == 0


def test_no_more_pixels_are_decoded_at_once_than_memory_is_meant_for(
    photographs: ImageFolderSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_decoding, "PIXELS_AT_ONCE", 2400)
    at_once = []

    def noted(files: list[Tensor]) -> list[Tensor]:
        at_once.append(len(files))
        return by_pillow(files)

    batch = batch_of(photographs, [0, 1, 3, 6, 4])
    _, images = decoding(photographs, noted).images(batch)
    assert at_once == [2, 1, 1, 1]  # 1200 pixels each, and 2500 that are too many by themselves
    monkeypatch.undo()
    assert torch.equal(images, decoding(photographs).images(batch)[1])


def test_batches_come_in_order_and_one_is_decoded_ahead(photographs: ImageFolderSource) -> None:
    read: list[int] = []

    def files() -> object:
        for number in range(5):
            read.append(number)
            yield batch_of(photographs, [number])

    batches = decoding(photographs).batches(files())  # type: ignore[arg-type]
    assert next(batches)[0].tolist() == [0]
    assert read == [0, 1]
    assert [indices.tolist() for indices, _ in batches] == [[1], [2], [3], [4]]


def test_an_image_that_changed_size_is_refused(photographs: ImageFolderSource) -> None:
    device = DeviceDecoding(photographs, Preprocessing(), by_pillow, CPU)
    with pytest.raises(DataError, match=r"a/1\.jpg has 30x40 pixels and a/0\.jpg has 40x30 pixels"):
        device.images(batch_of(photographs, [0, 1]))


def test_a_damaged_file_that_the_decoder_refuses_is_named(photographs: ImageFolderSource) -> None:
    batch = batch_of(photographs, [0])
    (photographs.root / "a/0.jpg").write_bytes(b"\xff\xd8 nothing \xff\xd9")
    batches = decoding(photographs, by_none).batches([batch])
    with pytest.raises(BadImageError, match=r"a/0\.jpg cannot be read as an image"):
        next(batches)


def test_a_decoder_of_a_gpu_needs_one() -> None:
    with pytest.raises(OptionError, match=r"--decode gpu decodes images on a GPU, and the device is cpu; give"):
        gpu_decoder(CPU)
