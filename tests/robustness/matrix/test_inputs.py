"""Wherever a network comes from, whatever its head and its images are: a right number, or one sentence."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import autola_analysis as autola
from autola_analysis.core.errors import CheckpointError
from autola_analysis.data.source import ImageSource
from tests.robustness.conftest import EVERYTHING

from . import naive
from .axes import TYPES, WRAPPINGS, Cell, Network, cells, pairwise

PREFIXES = {
    "plain": "",
    "DataParallel": "module.",
    "compiled": "_orig_mod.",
    "wrapped": "net.",
    "uncopyable: a lock": "",
}
"""What a wrapper leaves in the names of a file's tensors."""
OUTPUTS = {"fitting": 3, "other": 5, "none": 0, "single logit": 1}
CHANNELS = {"three": 3, "one": 1}
INPUTS: Mapping[str, Sequence[str]] = {
    "origin": ["own", "--arch", "recognised"],
    "data": ["tensors", "loader", "source", "folder"],
    "head": list(OUTPUTS),
    "channels": list(CHANNELS),
    "type": ["float32", "half", "double"],
    "wrapping": list(PREFIXES),
}
ROUNDING = {"float32": 2e-6, "half": 4e-3, "double": 2e-7}
SHIFTED = autola.Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
NORMALIZE = "0.5/0.25"

inputs = pytest.mark.parametrize(
    "cell", cells(INPUTS) if EVERYTHING else pairwise(INPUTS), ids=lambda cell: ", ".join(cell.values())
)


def classes_of(cell: Cell) -> int:
    """Return the number of classes of the data: a single logit tells two apart."""
    return 2 if cell["head"] == "single logit" else 3


def pixels_of(cell: Cell) -> np.ndarray:
    """Return 30 images ``(N, H, W, C)``, uint8."""
    return np.random.default_rng(5).integers(0, 256, (30, 12, 12, CHANNELS[cell["channels"]]), dtype=np.uint8)


def labels_of(cell: Cell) -> np.ndarray:
    """Return the labels, sorted as those of a folder are."""
    return np.sort(np.arange(30) % classes_of(cell))


def standardised(cell: Cell) -> Tensor:
    """Return the images as the network is to see them, ``(N, C, H, W)``."""
    return (torch.from_numpy(pixels_of(cell)).permute(0, 3, 1, 2).double() / 255 - 0.5) / 0.25


def pictures(cell: Cell) -> list[Image.Image]:
    return [Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels) for pixels in pixels_of(cell)]


class Pictures(ImageSource):
    """Images in memory, as a package of its own may offer them."""

    def __init__(self, cell: Cell) -> None:
        self.name, self.split = "pictures", "test"
        self.classes = tuple("abc"[: classes_of(cell)])
        self.labels = labels_of(cell)
        self.ids = [str(number) for number in range(30)]
        self.pictures = pictures(cell)

    def image(self, index: int) -> Image.Image:
        return self.pictures[index]

    def fingerprint(self) -> str:
        return "pictures"


def data_of(cell: Cell, folder: Path) -> Any:
    """Return the images of a cell as a user gives them."""
    if cell["data"] == "source":
        return Pictures(cell)
    if cell["data"] == "folder":
        for number, (picture, label) in enumerate(zip(pictures(cell), labels_of(cell), strict=True)):
            path = folder / "images" / "abc"[label] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
        return autola.open_source(f"folder:{folder / 'images'}")
    tensors = TensorDataset(standardised(cell).float(), torch.from_numpy(labels_of(cell)))
    return tensors if cell["data"] == "tensors" else DataLoader(tensors, batch_size=7)


def plain_network(cell: Cell) -> nn.Module:
    """Return the network of a cell without wrappers, with weights that its type can hold."""
    torch.manual_seed(4)
    outputs = OUTPUTS[cell["head"]]
    if cell["origin"] == "recognised":
        network: nn.Module = autola.create_model("resnet20", "se", num_classes=outputs, width=4)
        if cell["channels"] == "one":
            network.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
    else:
        network = Network(outputs, CHANNELS[cell["channels"]])
    return network.to(TYPES[cell["type"]]).eval()


def user_network(cell: Cell, folder: Path) -> autola.Variant | autola.LoadedModel:
    """Return the network of a cell as a user brings it: wrapped, or from a file with a wrapper's names."""
    network = plain_network(cell)
    if cell["origin"] == "own":
        wrapped = WRAPPINGS[cell["wrapping"]](network)
        return autola.Variant(wrapped, preprocessing=SHIFTED, has_head=cell["head"] != "none")
    prefix = PREFIXES[cell["wrapping"]]
    torch.save({prefix + name: tensor for name, tensor in network.state_dict().items()}, folder / "net.pth")
    arch = None
    if cell["origin"] == "--arch":
        (folder / "arch.py").write_text(ARCH.format(outputs=OUTPUTS[cell["head"]], channels=CHANNELS[cell["channels"]]))
        arch = f"{folder / 'arch.py'}:{'locked' if 'uncopyable' in cell['wrapping'] else 'make'}"
    return autola.load_model(folder / "net.pth", arch=arch, normalize=NORMALIZE, resize="none", crop="none")


ARCH = """
import threading
from tests.robustness.matrix.axes import Network

def make():
    return Network({outputs}, {channels})

def locked():
    network = make()
    network.lock = threading.Lock()
    return network
"""


def reference_stages(cell: Cell) -> tuple[dict[str, Tensor], Tensor]:
    """Return what the stages put out, ``(N, K, H, W)``, and the outputs, in float64."""
    network, images = plain_network(cell).double(), standardised(cell)
    if isinstance(network, Network):
        stages = naive.stages(network, images)
        return dict(zip(("layer1", "layer2"), stages, strict=True)), network.fc(stages[-1].mean((2, 3)))
    x, stages = torch.relu(network.bn1(network.conv1(images))), {}
    for name in ("layer1", "layer2", "layer3"):
        x = stages[name] = network.get_submodule(name)(x)
    return stages, network.fc(x.mean((2, 3)))


def rounding(cell: Cell) -> float:
    """Return the tolerance: a network from a file computes in float32, whatever its weights are stored in."""
    return ROUNDING[cell["type"] if cell["origin"] == "own" else "float32"]


def near(found: Any, expected: Any, cell: Cell) -> None:
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding(cell) * max(1.0, np.abs(expected).max()))


def share_right(cell: Cell, outputs: Tensor) -> float | None:
    """Return the accuracy; None where the head does not number the classes of the data."""
    labels = torch.from_numpy(labels_of(cell))
    if cell["head"] == "fitting":
        return float((outputs.argmax(1) == labels).double().mean())
    if cell["head"] == "single logit":
        return float(((outputs[:, 0] > 0).long() == labels).double().mean())
    return None


def refused(cell: Cell, load: Callable[[], object]) -> bool:
    """Assert that a cell that cannot be gets its sentence, and return whether it is one."""
    if cell["origin"] != "recognised" or cell["channels"] != "one":
        return False
    with pytest.raises(CheckpointError, match=r"conv1\.weight") as caught:
        load()
    assert "\n" not in str(caught.value)
    return True


@inputs
def test_selectivity_and_accuracy_are_the_naive_ones(cell: Cell, tmp_path: Path) -> None:
    if refused(cell, lambda: user_network(cell, tmp_path)):
        return
    result = autola.measure_selectivity(user_network(cell, tmp_path), data_of(cell, tmp_path))
    with torch.no_grad():
        stages, outputs = reference_stages(cell)
    units = result.units.assign(stage=result.units["layer"].str.split(".").str[-1])
    assert units["stage"].unique().tolist() == list(stages)
    for name, stage in stages.items():
        expected = naive.selectivity(stage.mean((2, 3)).numpy(), labels_of(cell))
        near(units.loc[units["stage"] == name, "selectivity"], expected, cell)
    right = share_right(cell, outputs)
    assert result.accuracy.top1 == (None if right is None else pytest.approx(right))


@inputs
def test_outputs_are_called_by_names_that_are_theirs(cell: Cell, tmp_path: Path) -> None:
    if cell["head"] == "none" or refused(cell, lambda: user_network(cell, tmp_path)):
        return
    images = standardised(cell).float()
    explanation = autola.explain(user_network(cell, tmp_path), images, "grad-cam", target="predicted")
    with torch.no_grad():
        _, outputs = reference_stages(cell)
    predicted = (outputs[:, 0] > 0).long() if cell["head"] == "single logit" else outputs.argmax(1)
    margin = outputs[:, 0].abs() if cell["head"] == "single logit" else outputs.topk(2).values.diff(dim=1).abs()[:, 0]
    clear = margin > 10 * rounding(cell)
    assert clear.sum() > 15
    assert torch.equal(explanation.targets[clear], predicted[clear])
    sign = torch.where(predicted == 1, 1, -1) if cell["head"] == "single logit" else 1
    score = outputs[:, 0] * sign if cell["head"] == "single logit" else outputs.amax(1)
    near(explanation.scores[clear], score[clear], cell)
