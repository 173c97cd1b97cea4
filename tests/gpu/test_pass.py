"""The pass on a GPU: arithmetic, memory, copies, compiling, cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import TensorDataset

from autola_analysis.analyses import observation
from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits, Preprocessing, open_source
from autola_analysis.inference.resources import free_memory, pass_batch_size
from autola_analysis.inference.run import PassRecord, Settings, run
from autola_analysis.inference.running import Job, Running
from autola_analysis.inference.stream import Batch, Stream, open_stream
from tests.conftest import GPU_DEVICE
from tests.gpu.conftest import ON_DEVICE, PLAIN
from tests.inference.test_run import Recorder

pytestmark = pytest.mark.gpu

GIB = 2**30


def logits_of(variant: Variant, data: ClutteredDigits, settings: Settings) -> Tensor:
    recorder = Recorder()
    stream = open_stream(data, variant.preprocessing, batch_size=20)
    run([Job(variant.model, [recorder], variant.preprocessing)], stream, settings)
    return torch.cat(recorder.logits).float().cpu()


@pytest.mark.parametrize(
    ("precision", "least", "most"),
    [
        # Largest difference over the largest logit. Mantissas of 24, 11, 8 and 11 bits round by 6e-8, 5e-4, 4e-3 and
        # 5e-4 of a value; twenty layers add up to about ten times that. At least: else the flag did not arrive.
        ("float32", 0, 1e-4),
        ("tf32", 1e-5, 1e-2),
        ("bfloat16", 1e-4, 1e-1),
        ("float16", 1e-5, 1e-2),
    ],
)
def test_a_precision_rounds_as_much_as_its_mantissa_says(
    precision: str, least: float, most: float, demo: list[Variant], digits: ClutteredDigits
) -> None:
    if precision == "tf32" and (GPU_DEVICE == "cpu" or torch.cuda.get_device_capability() < (8, 0)):
        pytest.skip("TF32 needs a GPU of compute capability 8.0")
    for variant in demo:
        expected = logits_of(variant, digits, PLAIN)
        found = logits_of(variant, digits, Settings(GPU_DEVICE, precision, quiet=True))
        difference = float((found - expected).abs().max() / expected.abs().max())
        assert least <= difference <= most, variant.name


def test_float32_means_float32_also_where_the_caller_has_allowed_tf32(
    demo: list[Variant], digits: ClutteredDigits
) -> None:
    expected = logits_of(demo[0], digits, PLAIN)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        found = logits_of(demo[0], digits, ON_DEVICE)
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_the_faster_copy_is_used_and_the_network_does_not_seem_to_depend_on_the_batch(
    demo: list[Variant], digits: ClutteredDigits
) -> None:
    # Verified in TF32, copies of the demo's networks would seem to put out something else.
    for variant in demo:
        job = Job(variant.model, [Recorder("layer1")], variant.preprocessing)
        (network,) = run([job], open_stream(digits, variant.preprocessing, batch_size=20), ON_DEVICE).networks
        assert network.folded > 0
        assert network.channels_last is (GPU_DEVICE == "cpu")  # cuDNN has no such convolutions in float32
        assert network.warnings == ()


@contextmanager
def memory_taken(device: torch.device, rest: int) -> Iterator[None]:
    """Take the memory of a GPU up to a rest."""
    torch.cuda.empty_cache()
    free = free_memory(device)
    assert free is not None
    taken = torch.empty(max(0, free - rest), dtype=torch.uint8, device=device)
    try:
        yield
    finally:
        del taken
        torch.cuda.empty_cache()


def test_batches_are_as_large_as_the_free_memory_allows(cuda: torch.device) -> None:
    torch.zeros(1, device=cuda)  # the context takes its memory before anything is counted
    with memory_taken(cuda, 5 * GIB // 4):
        small = pass_batch_size(224, cuda)
        assert small == 4  # 98 MiB an image in half of 1.25 GiB: 6.5 images
        assert open_stream(ClutteredDigits("test", 600), None, device=cuda).batch_size == 256  # 2 MiB an image
    assert pass_batch_size(224, cuda) > small


def test_a_batch_that_leaves_no_memory_runs_in_parts(cuda: torch.device) -> None:
    torch.manual_seed(0)
    model = create_model("resnet20", num_classes=10, width=64).eval()
    data = TensorDataset(torch.randn(256, 3, 128, 128), torch.arange(256) % 10)

    def logits() -> tuple[Tensor, PassRecord]:
        recorder = Recorder("layer1")
        record = run([Job(model, [recorder])], open_stream(data, None, batch_size=256), Settings("cuda", quiet=True))
        assert recorder.indices == list(range(256))
        return torch.cat(recorder.logits).cpu(), record

    expected, whole = logits()
    assert whole.networks[0].part_size is None
    with memory_taken(cuda, 3 * GIB // 2):  # one feature map of the whole batch takes 1 GiB
        found, parts = logits()
    assert parts.networks[0].part_size in (16, 32, 64, 128)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_images_are_copied_from_page_locked_memory(
    cuda: torch.device, demo: list[Variant], digits: ClutteredDigits
) -> None:
    stream = open_stream(digits, demo[0].preprocessing, batch_size=30, workers=2, device=cuda)
    assert all(batch.images.is_pinned() for batch in stream.batches())
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        run([Job(demo[0].model, [Recorder()], demo[0].preprocessing)], stream, ON_DEVICE)
    copies = [event.key for event in profiler.key_averages() if "Memcpy HtoD" in event.key]
    assert any("Pinned" in key for key in copies), copies


@pytest.mark.usefixtures("cuda")  # tests/inference/test_compiling.py compiles for the CPU
def test_a_compiled_network_puts_out_the_same(demo: list[Variant], digits: ClutteredDigits) -> None:
    plain, found = Recorder("layer1"), Recorder("layer1")
    stream = open_stream(digits, demo[0].preprocessing, batch_size=30)
    for recorder, compiled in ((plain, False), (found, True)):
        job = Job(demo[0].model, [recorder], demo[0].preprocessing)
        record = run([job], stream, Settings("cuda", quiet=True, compile=compiled))
        assert record.networks[0].compiled == compiled
        assert record.networks[0].warnings == ()
    torch.testing.assert_close(torch.cat(found.logits), torch.cat(plain.logits), rtol=1e-3, atol=1e-3)
    for one, other in zip(found.kept, plain.kept, strict=True):
        torch.testing.assert_close(one["layer1"], other["layer1"], rtol=1e-3, atol=1e-3)


def test_a_pass_on_the_gpu_is_kept_and_not_taken_for_one_on_the_cpu(
    demo: list[Variant], digits: ClutteredDigits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def noted(jobs: list[Job], stream: Stream, settings: Settings) -> PassRecord:
        ran.append(settings.device)
        return run(jobs, stream, settings)

    monkeypatch.setattr(observation, "run", noted)
    fresh, again, _ = (
        measure_selectivity(demo[0], digits, reading=Reading(settings, 20, cache=tmp_path)).units
        for settings in (ON_DEVICE, ON_DEVICE, PLAIN)
    )
    assert ran == [GPU_DEVICE, "cpu"]
    assert again.equals(fresh)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_host_waits_for_no_batch_within_a_pass(
    precision: str, cuda: torch.device, demo: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Running.take

    def strict_take(self: Running, batch: Batch, images: Tensor) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            take(self, batch, images)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    data = ClutteredDigits("test", 60)
    reading = Reading(Settings("cuda", precision, quiet=True), batch_size=20)
    expected = [measure_selectivity(variant, data, reading=reading, top_images=0) for variant in demo]
    monkeypatch.setattr(Running, "take", strict_take)
    for variant, plain in zip(demo, expected, strict=True):
        found = measure_selectivity(variant, data, reading=reading, top_images=0)
        assert found.units.equals(plain.units)
        assert found.accuracy == plain.accuracy


def test_photographs_that_the_gpu_decodes_stand_for_pillows(
    cuda: torch.device, demo: list[Variant], tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "photographs" / f"{number % 2}" / f"{number:02}.{'png' if number == 7 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(40, 216, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((400, 300) if number % 3 else (300, 400), Image.Resampling.BICUBIC).save(path)
    source, preprocessing = open_source(f"folder:{tmp_path / 'photographs'}"), Preprocessing(40, 32)

    def logits(settings: Settings) -> tuple[Tensor, PassRecord]:
        recorder = Recorder()
        stream = open_stream(source, preprocessing, batch_size=16, workers=2, device=cuda)
        record = run([Job(demo[0].model, [recorder], preprocessing)], stream, settings)
        assert recorder.indices == list(range(40))
        return torch.cat(recorder.logits).cpu(), record

    expected, _ = logits(ON_DEVICE)
    found, record = logits(replace(ON_DEVICE, decoder="gpu"))
    assert record.decoding is not None
    assert record.decoding.refused == ""
    assert (record.decoding.on_gpu, record.decoding.on_cpu) == (39, 1)
    assert 0 < record.decoding.mean_levels < 2
    assert float((found - expected).abs().mean() / expected.std()) < 0.05
    again, _ = logits(replace(ON_DEVICE, decoder="gpu"))
    assert torch.equal(again, found)


def test_the_network_stays_where_it_was(demo: list[Variant], digits: ClutteredDigits) -> None:
    evaluate(demo[0], digits, reading=Reading(ON_DEVICE))
    assert {parameter.device.type for parameter in demo[0].model.parameters()} == {"cpu"}
