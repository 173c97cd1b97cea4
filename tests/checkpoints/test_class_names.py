"""Names of outputs that the user states."""

import json
from pathlib import Path

import pytest
import torch
from torchvision import models

from autola_analysis.backbones import create_model
from autola_analysis.checkpoints import load_model
from autola_analysis.checkpoints.class_names import read_class_names
from autola_analysis.core.errors import OptionError
from autola_analysis.data import imagenet_classes

INDEX = {"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}


@pytest.mark.parametrize(
    "text",
    [
        "tench\ngoldfish\n",
        "\ufefftench\r\n  goldfish  \r\n\r\n",
        '["tench", "goldfish"]',
        '{"1": "goldfish", "0": "tench"}',
        json.dumps(INDEX),
    ],
)
def test_a_file_of_any_common_form_names_the_outputs_in_order(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.txt").write_text(text, encoding="utf-8", newline="")
    assert read_class_names(tmp_path / "names.txt") == read_class_names(["tench", "goldfish"]) == ("tench", "goldfish")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read .No such file"),
        ("", "holds no class name"),
        ("[1, 2", "no JSON list of names"),
        ('{"0": "a", "2": "b"}', "no JSON list of names"),
        ("a\nb\x1b[2Jc", "cannot name a class"),
    ],
)
def test_a_file_that_names_nothing_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "names.txt").write_text(text)
    with pytest.raises(OptionError, match=message):
        read_class_names(tmp_path / "names.txt")


def test_stated_names_replace_recorded_ones_and_must_be_as_many_as_the_outputs(tmp_path: Path) -> None:
    torch.save(create_model("resnet20", num_classes=3).state_dict(), tmp_path / "m.pth")
    assert load_model(tmp_path / "m.pth").classes is None
    assert load_model(tmp_path / "m.pth", classes=["a", "b", "c"]).classes == ("a", "b", "c")
    with pytest.raises(OptionError, match=r"names 2 classes, and .* has a head of 3 outputs"):
        load_model(tmp_path / "m.pth", classes=["a", "b"])


@pytest.mark.parametrize("arch", [None, "torchvision:resnet18", "FILE"])
@pytest.mark.parametrize("outputs", [10, 1000])
def test_a_head_of_1000_in_a_known_network_usually_has_the_names_of_imagenet(
    tmp_path: Path, arch: str | None, outputs: int
) -> None:
    torch.save(models.resnet18(num_classes=outputs).state_dict(), tmp_path / "m.pth")
    if arch == "FILE":
        arch = f"{tmp_path / 'own.py'}:net"
        (tmp_path / "own.py").write_text("import torchvision\nnet = torchvision.models.resnet18\n")
    loaded = load_model(tmp_path / "m.pth", arch=arch)
    assert loaded.classes is None
    known = outputs == 1000 and (arch is None or arch.startswith("torchvision:"))
    assert loaded.usual_classes == (tuple(imagenet_classes().values()) if known else None)
