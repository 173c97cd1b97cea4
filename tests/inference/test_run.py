from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.outputs import same_outputs
from autola_analysis.inference.run import Settings, run
from autola_analysis.inference.running import Job
from autola_analysis.inference.stream import Batch, open_stream
from autola_analysis.inference.tasks.accuracy import Accuracy, AccuracyObserver, labels_fit_head, near_chance
from tests.inference.networks import Fails, Tiny, expectation
from tests.inference.state import state_of

QUIET = Settings(device="cpu", quiet=True)


class CountingDigits(ClutteredDigits):
    """Counts how often each image is decoded."""

    def __init__(self, length: int) -> None:
        super().__init__("test", length)
        self.decoded = np.zeros(length, dtype=int)

    def image(self, index: int) -> Image.Image:
        self.decoded[index] += 1
        return super().image(index)


class Recorder:
    """Keeps everything that a pass shows it."""

    def __init__(self, *layers: str) -> None:
        self.layers = layers
        self.indices: list[int] = []
        self.labels: list[int] = []
        self.logits: list[Tensor] = []
        self.kept: list[Mapping[str, Any]] = []

    def reduce(self, layer: str, activation: Tensor) -> Tensor:
        return activation.mean((2, 3))

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Tensor) -> None:
        self.indices += batch.indices.tolist()
        self.labels += batch.targets.tolist()
        self.logits.append(output)
        self.kept.append(dict(kept))


def test_every_image_is_decoded_once_for_all_models_and_seen_once_by_each() -> None:
    source = CountingDigits(23)
    recorders = [Recorder("layer1"), Recorder("layer2"), Recorder()]
    forwards = [0, 0]
    models = [Tiny(), Tiny()]
    for position, model in enumerate(models):
        model.fc.register_forward_hook(lambda m, i, o, p=position: forwards.__setitem__(p, forwards[p] + len(o)))
    record = run(
        [Job(models[0], recorders[:2], Preprocessing()), Job(models[1], recorders[2:], Preprocessing())],
        open_stream(source, None, batch_size=5),
        Settings(device="cpu", fold=False, quiet=True),
    )
    assert record.images == 23
    assert source.decoded.tolist() == [1] * 23
    assert forwards == [23 + 4 + 1] * 2  # and some of the first batch and one image alone, to check the network
    for recorder in recorders:
        assert recorder.indices == list(range(23))
        assert recorder.labels == [index % 10 for index in range(23)]


def test_the_pass_gives_the_logits_and_activations_of_a_plain_forward() -> None:
    source = ClutteredDigits("test", 12)
    statistics = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))
    recorder = Recorder("layer2")
    model = Tiny().train()
    run([Job(model, [recorder], statistics)], open_stream(source, statistics, batch_size=5), QUIET)
    pixels = np.stack([np.asarray(source.image(index)) for index in range(12)]) / 255
    images = torch.from_numpy((pixels - statistics.mean) / statistics.std).float().permute(0, 3, 1, 2)
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(torch.cat(recorder.logits), model(images), rtol=1e-4, atol=1e-5)
        expected = model.layer2(model.layer1(images)).mean((2, 3))
    found = torch.cat([kept["layer2"] for kept in recorder.kept])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", [Tiny, Fails])
@pytest.mark.parametrize("training", [True, False])
def test_the_callers_network_and_process_are_as_before_also_after_an_exception(
    network: type[Tiny], training: bool
) -> None:
    model = network().train(training)
    model.fc.weight.requires_grad_(False)
    before = state_of(model)
    loader = DataLoader(TensorDataset(torch.randn(6, 3, 8, 8), torch.zeros(6, dtype=int)), batch_size=2, shuffle=True)
    before["random"] = torch.get_rng_state().tolist()
    with expectation(network):
        run([Job(model, [Recorder("layer1")])], open_stream(loader, None), QUIET)
    assert state_of(model) == before


def test_float_loaders_are_taken_as_they_are() -> None:
    images = torch.randn(7, 3, 8, 8)
    recorder = Recorder()
    model = Tiny().eval()
    run([Job(model, [recorder])], open_stream(TensorDataset(images, torch.arange(7)), None, batch_size=3), QUIET)
    with torch.no_grad():
        torch.testing.assert_close(torch.cat(recorder.logits), model(images), rtol=1e-4, atol=1e-5)
    assert recorder.labels == list(range(7))


def test_labels_are_known_beforehand_only_where_a_loader_reads_in_order() -> None:
    data = TensorDataset(torch.randn(7, 3, 8, 8), torch.arange(7))
    assert open_stream(data, None).labels.tolist() == list(range(7))
    assert open_stream(DataLoader(data, shuffle=True), None).labels is None
    assert open_stream(DataLoader(data, batch_size=2, drop_last=True), None).labels is None


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([torch.zeros(3, 8, 8)] * 2, "must yield .images, labels."),
        ([(torch.zeros(3, 8, 8, dtype=torch.uint8), 0)] * 2, "floating-point tensor .B, C, H, W.; found torch.uint8"),
        ([(torch.zeros(3, 8, 8), 0.5)] * 2, "labels must be integers"),
    ],
)
def test_loaders_of_something_else_are_refused(items: list[object], message: str) -> None:
    stream = open_stream(DataLoader(items, batch_size=2), None)
    with pytest.raises(DataError, match=message):
        run([Job(Tiny(), [Recorder()])], stream, QUIET)


def test_data_of_no_known_kind_is_refused() -> None:
    with pytest.raises(DataError, match="image source, a Dataset or a DataLoader; found list"):
        open_stream([1, 2], None)


def test_no_image_and_values_that_are_not_finite_are_errors() -> None:
    with pytest.raises(DataError, match="no image to run"):
        run(
            [Job(Tiny(), [Recorder()])],
            open_stream(TensorDataset(torch.zeros(0, 3, 8, 8), torch.zeros(0)), None),
            QUIET,
        )
    images = torch.zeros(5, 3, 8, 8)
    images[3] = float("nan")
    stream = open_stream(TensorDataset(images, torch.zeros(5, dtype=int)), None, batch_size=2)
    with pytest.raises(DataError, match="tiny puts out values that are not finite, first for image 3"):
        run([Job(Tiny(), [Recorder()], name="tiny")], stream, QUIET)


def test_lower_precision_is_used_where_asked_for_and_unknown_ones_are_refused() -> None:
    stream = open_stream(ClutteredDigits("test", 4), None)
    recorder = Recorder()
    run([Job(Tiny(), [recorder], Preprocessing())], stream, Settings("cpu", "bfloat16", quiet=True))
    assert recorder.logits[0].dtype == torch.bfloat16
    with pytest.raises(OptionError, match="precision is one of float32, tf32, bfloat16, float16; found 'int8'"):
        run([Job(Tiny(), [Recorder()], Preprocessing())], stream, Settings("cpu", "int8", quiet=True))


def test_accuracy_counts_the_label_among_the_highest_logits() -> None:
    observer = AccuracyObserver(7)
    logits = torch.tensor([[9.0, 1, 2, 3, 4, 5, 0], [0, 9, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 9]])
    observer.update(Batch(torch.empty(3), torch.tensor([0, 6, 0]), torch.arange(3)), {}, logits)
    observer.settle()
    assert observer.result() == Accuracy(images=3, top1=1 / 3, top5=2 / 3)


def test_accuracy_is_not_measured_where_labels_and_head_differ() -> None:
    observer = AccuracyObserver(2, ("cat", "dog"), ("dog", "cat"))
    observer.update(Batch(torch.empty(1), torch.tensor([0]), torch.arange(1)), {}, torch.tensor([[1.0, 0.0]]))
    assert observer.result() == Accuracy(1, None, None)
    headless = AccuracyObserver(2, ("cat", "dog"), None, has_head=False)
    headless.update(Batch(torch.empty(1), torch.tensor([0]), torch.arange(1)), {}, torch.tensor([[1.0, 0.0]]))
    assert headless.result().top1 is None


def test_names_decide_whether_labels_fit_the_head_else_numbers() -> None:
    assert labels_fit_head(2, ("a", "b"), ("a", "b"), 2)
    assert not labels_fit_head(2, ("a", "b"), ("b", "a"), 2)
    assert labels_fit_head(2, ("a", "b"), None, 2)
    assert not labels_fit_head(2, ("a", "b"), None, 3)
    assert labels_fit_head(2, None, ("a", "b"), 2)
    assert not labels_fit_head(2, None, None, 1000)


def outputs_of(network: torch.nn.Module, images: Tensor | None = None) -> tuple[str, ...]:
    data = TensorDataset(torch.randn(12, 3, 8, 8) if images is None else images, torch.arange(12) % 2)
    record = run([Job(network, [Recorder()], name="net")], open_stream(data, None, batch_size=6), QUIET)
    return record.networks[0].warnings


def test_a_network_whose_logits_depend_on_the_batch_is_noticed() -> None:
    assert outputs_of(Tiny()) == ()
    dependent = Tiny()
    dependent.layer1[1] = torch.nn.BatchNorm2d(6, track_running_stats=False)
    (warning,) = outputs_of(dependent)
    assert warning.startswith("what it puts out for an image depends on the other images of the batch")


@pytest.mark.parametrize(
    ("network", "found"),
    [
        (torch.nn.Conv2d(3, 4, 1), "shape .4, 4, 8, 8."),
        (torch.nn.Sequential(torch.nn.Flatten(1), torch.nn.LSTM(192, 4)), "tuple"),
    ],
)
def test_a_network_that_puts_out_no_logits_is_refused(network: torch.nn.Module, found: str) -> None:
    with pytest.raises(DataError, match=f"must put out one tensor of logits .B, classes.; found {found}"):
        outputs_of(network)


def test_images_that_a_network_cannot_take_are_one_sentence() -> None:
    with pytest.raises(DataError, match=r"net cannot run on images of shape \(4, 8, 8\): .*channels") as raised:
        outputs_of(Tiny(), torch.randn(12, 4, 8, 8))
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith("; give images of 3 channels, as its first convolution takes.")
    within = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(5, 4, 1))
    with pytest.raises(DataError, match=r"give --resize and --crop for images of another size\.$"):
        outputs_of(within)


def test_nothing_is_folded_below_float32() -> None:
    stream = open_stream(ClutteredDigits("test", 4), None)
    low = run([Job(Tiny(), [Recorder()], Preprocessing(), "n")], stream, Settings("cpu", "bfloat16", quiet=True))
    full = run([Job(Tiny(), [Recorder()], Preprocessing(), "n")], stream, QUIET)
    assert (low.networks[0].folded, full.networks[0].folded) == (0, 2)


def test_near_chance_is_within_three_standard_errors_of_guessing() -> None:
    assert near_chance(Accuracy(1000, 0.12, None), 10)
    assert not near_chance(Accuracy(1000, 0.14, None), 10)
    assert not near_chance(Accuracy(1000, None, None), 10)


def test_sources_without_any_preprocessing_are_refused() -> None:
    class Bare(ClutteredDigits):
        preprocessing = None

    source: ImageSource = Bare("test", 3)
    with pytest.raises(DataError, match="no customary preprocessing"):
        open_stream(source, None)


class Hungry(Tiny):
    """Has memory for a few images at once."""

    def __init__(self, at_once: int, error: type[Exception] = RuntimeError) -> None:
        super().__init__()
        self.at_once = at_once
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        after = self.layer1(x)
        if len(x) > self.at_once:
            raise self.error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
        return self.fc(self.layer2(after).mean((2, 3)))


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError])
def test_a_batch_that_leaves_no_memory_runs_in_parts(error: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    source = ClutteredDigits("test", 24)
    hungry, fed = Hungry(4, error), Tiny()
    fed.load_state_dict(hungry.state_dict())
    found, expected = Recorder("layer1", "layer2"), Recorder("layer1", "layer2")
    stream = open_stream(source, Preprocessing(), batch_size=10)
    jobs = [Job(hungry, [found], Preprocessing(), "hungry"), Job(fed, [expected], Preprocessing(), "fed")]
    record = run(jobs, stream, QUIET)
    assert [network.part_size for network in record.networks if network.name == "hungry"] == [3]
    assert [entry.getMessage() for entry in caplog.records] == [
        "hungry has not enough memory for 10 images at once; batches run in parts of 5.",
        "hungry has not enough memory for 5 images at once; batches run in parts of 3.",
    ]
    assert (found.indices, found.labels) == (expected.indices, expected.labels)
    assert [len(logits) for logits in found.logits] == [3, 3, 3, 1, 3, 3, 3, 1, 3, 1]
    torch.testing.assert_close(torch.cat(found.logits), torch.cat(expected.logits), rtol=1e-5, atol=1e-5)
    for layer in found.layers:
        ours, theirs = (torch.cat([kept[layer] for kept in each.kept]) for each in (found, expected))
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_memory_that_does_not_suffice_for_parts_is_one_sentence() -> None:
    stream = open_stream(TensorDataset(torch.randn(12, 3, 8, 8), torch.arange(12)), None, batch_size=12)

    left = [12]

    class Starving(Hungry):
        """Has less memory after the network was checked."""

        def forward(self, x: Tensor) -> Tensor:
            self.at_once = left[0]
            left[0] = 0 if len(x) == 12 else left[0]
            return super().forward(x)

    starving = Starving(12)
    stream_of_two = open_stream(TensorDataset(torch.randn(24, 3, 8, 8), torch.arange(24)), None, batch_size=12)
    with pytest.raises(DataError, match="net has not enough memory for 1 image at once; give a smaller --batch-size"):
        run([Job(starving, [Recorder()], name="net")], stream_of_two, QUIET)
    dependent = Hungry(4)
    dependent.layer1[1] = torch.nn.BatchNorm2d(6, track_running_stats=False)
    with pytest.raises(DataError, match="net has not enough memory for 12 images at once; give a smaller --batch-size"):
        run([Job(dependent, [Recorder()], name="net")], stream, QUIET)


class ZeroesItsInput(Tiny):
    """Works in place on its input before anything else."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(0))


class ShiftsAView(Tiny):
    """Changes one channel of its input through a view."""

    def forward(self, x: Tensor) -> Tensor:
        x[:, 1].add_(3)
        return super().forward(x)


class NormalisesUnseen(Tiny):
    """Changes its input in a way that counts as no change of the tensor."""

    def forward(self, x: Tensor) -> Tensor:
        x.data.sub_(0.5).div_(0.2)
        return super().forward(x)


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("network", [ZeroesItsInput, ShiftsAView, NormalisesUnseen])
def test_a_network_that_works_in_place_on_its_input_changes_no_other_networks_images(
    network: type[Tiny], fold: bool
) -> None:
    images = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    images = images.contiguous(memory_format=torch.channels_last)  # so that no change of format makes a copy
    stored = [(images[:4].clone(), torch.zeros(4, dtype=int)), (images[4:].clone(), torch.zeros(3, dtype=int))]
    changing, before, after = network().eval(), Tiny().eval(), Tiny().eval()
    recorders = [Recorder(), Recorder("layer1"), Recorder("layer1")]
    jobs = [
        Job(model, [recorder], name=str(place))
        for place, (model, recorder) in enumerate(zip((before, changing, after), recorders, strict=True))
    ]
    loader = DataLoader(stored, batch_size=None)  # hands out the very tensors that it stores
    run(jobs, open_stream(loader, None), Settings(device="cpu", fold=fold, quiet=True))
    assert torch.equal(torch.cat([batch for batch, _ in stored]), images)
    with torch.no_grad():
        for model, recorder in zip((before, changing, after), recorders, strict=True):
            torch.testing.assert_close(torch.cat(recorder.logits), model(images.clone()), rtol=1e-4, atol=1e-5)


class SingleInPlace(NormalisesUnseen):
    """Has one output, whose kind is found by forwards of its own, see `Classification.settled`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :1]


def test_probing_a_network_of_one_output_leaves_the_images_as_they_are() -> None:
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    stored = [(images.clone(), torch.zeros(6, dtype=int))]
    recorder, model = Recorder(), SingleInPlace().eval()
    run([Job(model, [recorder])], open_stream(DataLoader(stored, batch_size=None), None), replace(QUIET, fold=False))
    assert torch.equal(stored[0][0], images)


class Masks(Tiny):
    """Puts out a dict and, beside it, masks whose number differs from image to image."""

    def forward(self, x: Tensor) -> dict[str, Any]:
        maps = self.layer2(self.layer1(x))
        return {"maps": maps, "scores": [self.fc(each.mean((1, 2))) for each in maps]}


class Masking:
    """A task of outputs that are no tensor."""

    name = "masking"
    read_as = "masks"

    def settled(self, model: nn.Module, images: Tensor, output: Any) -> "Masking":
        return self

    def scores(self, output: Any) -> Any:
        return output

    def about(self, output: Any) -> str:
        return ""

    def check(self, output: Any, images: int) -> None:
        if not isinstance(output, dict) or len(output["scores"]) != images:
            raise DataError("a network must put out maps and scores.")

    def finite(self, output: Any) -> Tensor:
        return torch.stack([torch.isfinite(score).all() for score in output["scores"]])

    def same(self, expected: Any, found: Any) -> bool:
        return same_outputs(expected, found)

    def depends_on_batch(self, alone: Any, together: Any) -> bool:
        return not torch.allclose(alone["scores"][0], together["scores"][0], atol=1e-4)


@pytest.mark.parametrize("compile", [False, True])
def test_a_task_decides_what_an_output_is(compile: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda model, dynamic: model)
    model = Masks().eval()
    images = torch.randn(5, 3, 8, 8)
    images[3] = float("nan")
    settings = Settings(device="cpu", quiet=True, compile=compile)
    recorder = Recorder("layer1")
    job = Job(model, [recorder], name="net", task=Masking())
    record = run([job], open_stream(TensorDataset(images[:3], torch.arange(3)), None, batch_size=2), settings)
    (network,) = record.networks
    assert (network.folded, network.channels_last, network.warnings) == (2, True, ())
    assert record.networks[0].compiled is compile
    with torch.no_grad():
        torch.testing.assert_close(recorder.logits[1]["maps"], model(images[2:3])["maps"], rtol=1e-4, atol=1e-5)
    with pytest.raises(DataError, match="net puts out values that are not finite, first for image 3"):
        run([job], open_stream(TensorDataset(images, torch.arange(5)), None, batch_size=2), settings)
    with pytest.raises(DataError, match="must put out maps and scores"):
        run([Job(Tiny(), [], task=Masking())], open_stream(TensorDataset(images, torch.arange(5)), None), settings)
