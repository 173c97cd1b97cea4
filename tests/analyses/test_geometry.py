"""What is done to images before a network: by what the user says, the file, the source, the network's stem."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import v2

from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.variants import Variant, as_variant, preprocessing_for
from autola_analysis.backbones import create_model
from autola_analysis.backbones.stem import input_channels, input_side
from autola_analysis.checkpoints import load_model
from autola_analysis.checkpoints.external import side_of_named
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import ImageFolderSource, Preprocessing
from autola_analysis.data.preprocessing import IMAGENET_STATISTICS, Geometry, statistics_of
from autola_analysis.inference.run import Settings
from autola_analysis.inference.shapes import layer_outputs
from tests.inference.networks import Tiny

READING = Reading(Settings(device="cpu", quiet=True), batch_size=4)


@pytest.fixture
def photographs(tmp_path: Path) -> ImageFolderSource:
    """Pictures of two classes and of two sizes."""
    for name in ("lake", "wood"):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 256, (30 + 8 * number, 44, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photographs" / name / f"{number}.png")
    return ImageFolderSource(tmp_path / "photographs")


@pytest.mark.parametrize("arch", [None, "torchvision:resnet18", "FILE"])
def test_naming_a_network_changes_no_number(tmp_path: Path, arch: str | None, photographs: ImageFolderSource) -> None:
    model = models.resnet18(num_classes=2).eval()
    torch.save(model.state_dict(), tmp_path / "m.pth")
    if arch == "FILE":
        arch = f"{tmp_path / 'own.py'}:net"
        (tmp_path / "own.py").write_text("import torchvision\nnet = torchvision.models.resnet18\n")
    loaded = load_model(tmp_path / "m.pth", arch=arch, normalize="imagenet", device="cpu")
    preprocessing = preprocessing_for(as_variant(loaded), photographs)
    assert preprocessing is not None
    assert (preprocessing.resize, preprocessing.crop) == (256, 224)
    theirs = v2.Compose(
        [
            v2.Resize(256, antialias=True),
            v2.CenterCrop(224),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_STATISTICS.mean, IMAGENET_STATISTICS.std),
        ]
    )
    image = photographs.image(0)
    ours = preprocessing.normalize(preprocessing.geometry(image)[None])
    torch.testing.assert_close(ours, theirs(image)[None], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "side"),
    [
        (models.resnet18(num_classes=2), 224),
        (nn.Sequential(nn.Conv2d(3, 8, 4, stride=4)), 224),
        (nn.Sequential(nn.Conv2d(3, 8, 16, stride=16)), 224),
        (nn.Sequential(nn.Conv2d(3, 8, 3, stride=2)), None),
        (nn.Sequential(nn.Conv2d(3, 8, 7)), None),
        (nn.Sequential(nn.Linear(3, 8)), None),
        (Tiny(), None),
    ],
)
def test_the_stem_tells_the_side_where_it_can(model: nn.Module, side: int | None) -> None:
    assert input_side(model) == side


def test_a_recorded_side_comes_before_the_stem() -> None:
    model = models.resnet18(num_classes=2)
    model.default_cfg = {"input_size": (3, 160, 160)}
    assert input_side(model) == 160


def test_torchvision_says_what_its_networks_are_evaluated_with() -> None:
    assert side_of_named("torchvision:inception_v3", nn.Identity()) == 299
    assert side_of_named("torchvision:vgg11", nn.Identity()) == 224
    assert side_of_named("torchvision:fasterrcnn_resnet50_fpn", Tiny()) is None


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (Geometry(), (256, 224)),
        (Geometry(crop=192), (256, 192)),
        (Geometry(resize=100, crop=96), (100, 96)),
        (Geometry("none", "none"), (None, None)),
        (Geometry(crop="none"), (256, None)),
    ],
)
def test_the_user_has_the_last_word_on_geometry(
    geometry: Geometry, expected: tuple[int | None, int | None], photographs: ImageFolderSource
) -> None:
    variant = Variant(Tiny(), preprocessing=IMAGENET_STATISTICS, input_side=224, geometry=geometry)
    preprocessing = preprocessing_for(variant, photographs)
    assert preprocessing is not None
    assert (preprocessing.resize, preprocessing.crop) == expected
    assert preprocessing.mean == IMAGENET_STATISTICS.mean
    recorded = Variant(Tiny(), preprocessing=Preprocessing(resize=256, crop=224), geometry=geometry)
    of_record = preprocessing_for(recorded, photographs)
    assert of_record is not None
    assert (of_record.resize, of_record.crop) == expected


def test_impossible_sides_are_refused(tmp_path: Path) -> None:
    torch.save(create_model("resnet20", num_classes=2).state_dict(), tmp_path / "m.pth")
    for given in ({"resize": 0}, {"crop": -3}, {"crop": "all"}):
        with pytest.raises(OptionError, match="takes a number of pixels from 1 on, or none"):
            load_model(tmp_path / "m.pth", **given)


@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [
        ("imagenet", IMAGENET_STATISTICS.mean, IMAGENET_STATISTICS.std),
        ("0.1,0.2,0.3/0.4,0.5,0.6", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        ("0.5/0.25,0.5,1", (0.5, 0.5, 0.5), (0.25, 0.5, 1)),
        ("0.1307/0.3081", (0.1307,), (0.3081,)),
    ],
)
def test_statistics_by_name_or_in_numbers(text: str, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    statistics = statistics_of(text)
    assert (statistics.mean, statistics.std) == (mean, std)


@pytest.mark.parametrize("text", ["a/b", "0.1,0.2/0.3,0.4", "0.5/0", "0.5/", "0.5/0.5/0.5", "nan/1", "1,2,3/1,2"])
def test_impossible_statistics_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        statistics_of(text)


def grey(outputs: int = 2, sides: int | None = None) -> nn.Sequential:
    """A network of one channel, for images of any side or of one."""
    pool: nn.Module = nn.AdaptiveAvgPool2d(2) if sides is None else nn.Identity()
    inputs = 16 if sides is None else 4 * sides**2
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), pool, nn.Flatten(), nn.Linear(inputs, outputs))


def test_a_network_of_one_channel_sees_grey_images(photographs: ImageFolderSource) -> None:
    model = grey().eval()
    assert (input_channels(model), input_channels(Tiny())) == (1, 3)
    variant = Variant(model, preprocessing=statistics_of("0.2/0.4"), geometry=Geometry(resize=24, crop=20))
    inputs = torch.stack(
        [
            v2.functional.pil_to_tensor(v2.CenterCrop(20)(v2.Resize(24, antialias=True)(image)).convert("L"))
            for image in (photographs.image(index) for index in range(4))
        ]
    )
    resized_first = (inputs.double() / 255 - 0.2) / 0.4
    with torch.no_grad():
        logits = model(resized_first.float())
    result = evaluate(variant, photographs, reading=READING)
    np.testing.assert_allclose(result.predictions.confidence, logits.softmax(1).amax(1), atol=2e-3)  # grey, then resize
    saliency = measure_saliency(variant, photographs, layers=["0"], reading=READING)
    assert {panel.map.shape for picture in saliency.pictures for panel in picture.panels} == {(20, 20), (1, 20, 20)}
    assert all(picture.pixels.shape == (20, 20, 3) for picture in saliency.pictures)


def test_statistics_of_colours_are_averaged_for_grey_and_one_number_serves_all_colours() -> None:
    assert Preprocessing(mean=(0.1, 0.2, 0.6), std=(0.1, 0.2, 0.3)).with_channels(1).mean == pytest.approx((0.3,))
    assert statistics_of("0.5/0.25").with_channels(3) == Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3)


class Refuses(Tiny):
    """A network whose code checks its input in its own way."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


@pytest.mark.parametrize(
    "error", [AssertionError("wrong\nsize"), ValueError("wrong"), TypeError("wrong"), IndexError()]
)
@pytest.mark.parametrize("what", ["evaluate", "receptive-field", "layers", "saliency"])
def test_what_a_forward_raises_becomes_one_sentence(
    what: str, error: Exception, photographs: ImageFolderSource
) -> None:
    variant = Variant(Refuses(error), "mine", preprocessing=Preprocessing(crop=16))
    calls = {
        "evaluate": lambda: evaluate(variant, photographs, reading=READING),
        "receptive-field": lambda: measure_saliency(variant, photographs, grid="receptive-field", reading=READING),
        "layers": lambda: layer_outputs(variant.model, (3, 16, 16), "mine"),
        "saliency": lambda: measure_saliency(variant, photographs, reading=READING),
    }
    said = r"^mine cannot run on images of shape \(3, 16, 16\): (\w+: wrong|IndexError.*); give"
    with pytest.raises(DataError, match=said):
        calls[what]()


def test_a_network_of_fixed_size_says_so_wherever_it_runs(photographs: ImageFolderSource) -> None:
    variant = Variant(grey(sides=16), "mine", preprocessing=Preprocessing(crop=20))
    with pytest.raises(DataError, match=r"mine cannot run on images of shape \(1, 20, 20\)"):
        measure_saliency(variant, photographs, layers=["0"], reading=READING)
    assert layer_outputs(variant.model, (1, 16, 16))[0].shape == (4, 16, 16)
    with pytest.raises(DataError, match="give --crop N"):
        layer_outputs(variant.model, (1, 224, 224))
