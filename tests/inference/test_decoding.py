"""Trust in another decoder: what a comparison shows, and what the pass then reads."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits, ImageFolderSource, Preprocessing
from autola_analysis.data.device_decoding import Decode
from autola_analysis.data.source import ImageSource
from autola_analysis.inference import decoding
from autola_analysis.inference import run as the_pass
from autola_analysis.inference.decoding import DecodingRecord, NetworkDifference, compared
from autola_analysis.inference.device_stream import device_stream
from autola_analysis.inference.run import PassRecord, Settings, run
from autola_analysis.inference.running import Job
from autola_analysis.inference.stream import open_stream
from tests.decoders import brighter, by_none, by_pillow
from tests.inference.test_run import Recorder

SHAPED = Preprocessing(24, 20)
CPU = torch.device("cpu")
ON_GPU = Settings("cpu", quiet=True, decoder="gpu")


@pytest.fixture
def photographs(tmp_path: Path) -> ImageFolderSource:
    """Twelve photographs, the last of them a PNG file."""
    generator = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "photographs" / f"{number % 2}" / f"{number:02}.{'png' if number == 11 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(40, 216, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((50, 40), Image.Resampling.BICUBIC).save(path, quality=90)
    return ImageFolderSource(tmp_path / "photographs")


class Means(nn.Module):
    """Puts out the mean of every colour."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * self.scale


def read_by(
    decode: Decode, source: ImageSource, monkeypatch: pytest.MonkeyPatch, preprocessing: Preprocessing = SHAPED
) -> tuple[PassRecord, Tensor]:
    monkeypatch.setattr(the_pass, "gpu_decoder", lambda device: decode)
    monkeypatch.setattr(decoding, "gpu_decoder", lambda device: decode)
    recorder = Recorder()
    job = Job(Means(), [recorder], preprocessing, "means")
    record = run([job], open_stream(source, preprocessing, batch_size=5), ON_GPU)
    assert recorder.indices == list(range(len(source)))
    return record, torch.cat(recorder.logits)


def exactly(source: ImageSource, preprocessing: Preprocessing = SHAPED) -> Tensor:
    recorder = Recorder()
    record = run(
        [Job(Means(), [recorder], preprocessing)],
        open_stream(source, preprocessing, batch_size=5),
        Settings("cpu", quiet=True),
    )
    assert record.decoding is None
    return torch.cat(recorder.logits)


def test_a_decoder_with_pillows_pixels_gives_the_same_pass_but_for_ties(
    photographs: ImageFolderSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, logits = read_by(by_pillow, photographs, monkeypatch)
    torch.testing.assert_close(logits, exactly(photographs), rtol=0, atol=0.1 / 255)
    assert record.decoding is not None
    assert record.decoding.refused == ""
    assert (record.decoding.compared, record.decoding.on_gpu, record.decoding.on_cpu) == (11, 11, 1)
    assert record.decoding.largest_levels <= 1
    assert [each.name for each in record.decoding.networks] == ["means"]
    assert record.decoding.networks[0].mean < 5e-3
    assert record.networks[0].warnings == ()


def test_a_pass_uses_what_the_decoder_puts_out(photographs: ImageFolderSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "SPREAD", 1.0)
    record, logits = read_by(brighter(2), photographs, monkeypatch)
    assert record.decoding is not None
    assert record.decoding.refused == ""
    assert record.decoding.mean_levels == pytest.approx(2, abs=0.05)
    difference = (logits - exactly(photographs))[:11]  # the last is a PNG file
    torch.testing.assert_close(difference, torch.full_like(difference, 2 / 255), rtol=0, atol=0.2 / 255)


@pytest.mark.parametrize(
    ("levels", "spread", "reason"),
    [
        (4, 1.0, r"over 11 images pixels differ by 3\.9\d levels of 255, more than 2"),
        (2, 0.01, r"over 11 images the outputs of means differ by 0\.1\d\d of their standard deviation"),
    ],
)
def test_too_large_a_difference_is_refused_and_the_pass_is_exact(
    levels: int, spread: float, reason: str, photographs: ImageFolderSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "SPREAD", spread)
    record, logits = read_by(brighter(levels), photographs, monkeypatch)
    assert torch.equal(logits, exactly(photographs))
    assert record.decoding is not None
    assert (record.decoding.on_gpu, record.decoding.on_cpu) == (0, 12)
    (warning,) = record.networks[0].warnings
    assert warning == f"its images were decoded on the CPU, not on the GPU: {record.decoding.refused}."
    assert re.search(reason, warning)


def test_a_decoder_that_reads_no_file_is_refused(
    photographs: ImageFolderSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, logits = read_by(by_none, photographs, monkeypatch)
    assert torch.equal(logits, exactly(photographs))
    assert record.decoding is not None
    assert "of 12 images looked at, none is a JPEG file" in record.decoding.refused


@pytest.mark.parametrize("preprocessing", [Preprocessing(24, 20), Preprocessing(24, 20, interpolation="lanczos")])
def test_images_without_files_and_other_filters_are_pillows(
    preprocessing: Preprocessing, photographs: ImageFolderSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = photographs if preprocessing.interpolation == "lanczos" else ClutteredDigits("test", 12)
    record, logits = read_by(by_pillow, source, monkeypatch, preprocessing)
    assert torch.equal(logits, exactly(source, preprocessing))
    assert record.decoding is not None
    assert record.decoding.compared == 0
    assert "the images are no files" in record.networks[0].warnings[0]


def test_differences_are_those_of_the_formula() -> None:
    exact, found = torch.zeros(2, 3, 1, 1, dtype=torch.uint8), torch.zeros(2, 3, 1, 1, dtype=torch.uint8)
    found[0, 0], found[1, 2] = 3, 6
    logits = torch.tensor([[1.0, 3.0], [1.0, 3.0]])  # standard deviation 1
    changed = torch.tensor([[1.0, 3.0], [3.5, 3.0]])
    record = compared((exact, found), [("same", logits, logits), ("other", logits, changed)])
    assert record.mean_levels == 9 / 6
    assert record.largest_levels == 6
    assert record.networks == (NetworkDifference("same", 0, 0, 0), NetworkDifference("other", 2.5 / 4, 2.5, 1))
    assert record.refused.startswith("over 2 images the outputs of other differ by 0.625 of their standard deviation")


def test_changed_predictions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(10, 3, 1, 1, dtype=torch.uint8)
    exact = torch.eye(2).repeat(5, 1)
    found = exact.clone()
    found[0] = torch.tensor([0.0, 0.001])
    monkeypatch.setattr(decoding, "SPREAD", 10.0)
    record = compared((images, images), [("net", exact, found)])
    assert record.refused == "net prefers another class for 1 of 10 images, more than 5% of them"


def test_constant_outputs_that_change_are_refused() -> None:
    images = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    assert compared((images, images), [("net", torch.ones(1, 1), torch.ones(1, 1))]).refused == ""
    assert compared((images, images), [("net", torch.ones(1, 1), torch.zeros(1, 1))]).refused != ""


def test_images_that_are_compared_are_spread_over_the_data(
    photographs: ImageFolderSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "COMPARED", 3)
    record, _ = read_by(by_pillow, photographs, monkeypatch)
    assert record.decoding is not None
    assert record.decoding.compared == 2  # images 0, 6 (of 5.5) and 11, which is a PNG file


def test_the_streams_batches_are_those_of_the_exact_one(photographs: ImageFolderSource) -> None:
    exact = open_stream(photographs, SHAPED, batch_size=5)
    faster = device_stream(exact, by_pillow, CPU)
    assert faster is not None
    assert [batch.indices.tolist() for batch in faster.batches(1, 2)] == [[5, 6, 7, 8, 9]]
    assert torch.equal(next(faster.batches()).targets, next(exact.batches()).targets)
    assert faster.fingerprint == exact.fingerprint


def test_a_machine_without_a_gpu_refuses_in_a_sentence() -> None:
    with pytest.raises(OptionError, match=r"--decode gpu decodes images on a GPU, and the device is cpu"):
        the_pass.check_settings(ON_GPU)
    with pytest.raises(OptionError, match=r"--decode is one of cpu, gpu; found 'tpu'"):
        the_pass.check_settings(Settings("cpu", decoder="tpu"))  # type: ignore[arg-type]
    assert DecodingRecord().warnings() == []
