import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from autola_analysis.attention import Genotype
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.cli import main as entry
from autola_analysis.cli.train import NetworkFlags
from autola_analysis.core.errors import OptionError
from autola_analysis.training.attention import parse_option
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Machine, Training
from autola_analysis.training.trainer import run_training
from tests.training.conftest import QUIET, short

OTHER = Genotype.random(5)

OWN = """
from torch import nn
class Scale(nn.Module):
    def __init__(self, channels, kernel_size: int = 1, *, gain=1.0):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.gain = gain
    def forward(self, x):
        return self.gain * self.conv(x)
"""


@pytest.fixture
def genotype_file(tmp_path: Path) -> Path:
    OTHER.to_json(tmp_path / "other.json")
    return tmp_path / "other.json"


RECORD = """{
 "name": "cifar10-short",
 "description": "CIFAR-10 on a budget: the data and augmentation of cifar10, \
12 epochs of batch 256, the first a warm-up",
 "data": "cifar10",
 "test_split": "test",
 "backbone": "resnet20",
 "width": 0,
 "epochs": 12,
 "batch_size": 256,
 "learning_rate": 0.1,
 "momentum": 0.9,
 "weight_decay": 0.0005,
 "schedule": "cosine",
 "step_epochs": 30,
 "warmup_epochs": 1.0,
 "crop_padding": 4,
 "random_resized_crop": 0,
 "flip": true,
 "cutout": 0,
 "normalize": "cifar10",
 "attention": "se",
 "attention_options": {},
 "seed": 1
}"""
"""Trainings under way are compared with their settings as they were written: nothing may be added here."""


def test_a_training_without_options_is_recorded_as_it_always_was(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Training, Path]] = []

    def notes(training: Training, out: Path, machine: Machine) -> dict[str, float]:
        asked.append((training, out))
        return {"accuracy": 0.0}

    monkeypatch.setattr("autola_analysis.training.trainer.run_training", notes)
    assert entry._run(["train", "cifar10-short", "--attention", "se", "--seed", "1"], debug=True) == 0
    ((training, out),) = asked
    assert json.dumps(training.record(), indent=1) == RECORD
    assert out == Path("resnet20_se_cifar10-short_seed1.safetensors")


@pytest.mark.usefixtures("few_images")
def test_a_genotype_survives_the_training_and_the_loading(
    genotype_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "hoga.safetensors"
    training = short("hoga", {"genotype": genotype_file, "reduction": 4}, epochs="1")
    genotype_file.unlink()  # its content is recorded, not its path
    trained: list[torch.Tensor] = []
    images = torch.rand(4, 3, 32, 32)

    def looks(path: Path, model: torch.nn.Module, *arguments: object, **options: object) -> Path:
        with torch.no_grad():
            trained.append(model.eval()(images))
        return save_model(path, model, *arguments, **options)

    monkeypatch.setattr("autola_analysis.training.trainer.save_model", looks)
    run_training(training, out, QUIET)
    loaded = load_model(out)
    options = {"genotype": OTHER.to_pairs(), "reduction": 4}
    assert dict(loaded.spec.attention_options) == options
    assert loaded.metadata["recipe"]["attention_options"] == options
    assert loaded.model.layer1[0].attention.genotype == OTHER
    with torch.no_grad():
        assert torch.equal(loaded.model(images), trained[0])


@pytest.mark.usefixtures("few_images")
def test_another_genotype_does_not_resume_and_the_same_one_does(
    genotype_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "hoga.safetensors"
    training = short("hoga", {"genotype": OTHER.to_pairs()}, epochs="1")
    with monkeypatch.context() as patch:
        patch.setattr("autola_analysis.training.trainer._fit", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_training(training, out, QUIET)
    with pytest.raises(OptionError, match="unfinished training with other settings"):
        run_training(short("hoga", {"genotype": Genotype.random(6)}, epochs="1"), out, QUIET)
    with pytest.raises(OptionError, match="unfinished training with other settings"):
        run_training(short("hoga", epochs="1"), out, QUIET)
    run_training(short("hoga", {"genotype": genotype_file}, epochs="1"), out, QUIET)
    assert out.exists()


@pytest.mark.usefixtures("few_images")
def test_flags_reach_an_own_module_and_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN)
    flags = [
        "--set",
        "epochs=1",
        "--set",
        "batch_size=16",
        "--set",
        "width=4",
        "--device",
        "cpu",
        "--quiet",
        "--seed",
        "2",
    ]
    options = ["--attention", "mine.py:Scale", "--attention-option", "kernel-size=3", "--attention-option", "gain=2"]
    assert entry._run(["train", "cluttered-digits", "--quiet", *flags, *options], debug=True) == 0
    (out,) = tmp_path.glob("*.safetensors")
    assert out.name == "resnet20_Scale-kernel-size=3-gain=2_cluttered-digits_seed2.safetensors"
    loaded = load_model(out, attention="mine.py:Scale")
    module = loaded.model.layer1[0].attention
    assert (module.gain, module.conv.kernel_size) == (2, (3, 3))
    assert loaded.spec.attention == "mine.py:Scale"
    first = Training("x", RECIPES.get("cifar10"), "mine.py:Scale").record()
    (tmp_path / "mine.py").write_text(OWN + "# edited")
    assert first != Training("x", RECIPES.get("cifar10"), "mine.py:Scale").record()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--attention se --attention-option reductoin=8", "se has no option 'reductoin'; the nearest: reduction"),
        ("--attention se --attention-option reduction=many", "reduction of the attention se takes int; found 'many'"),
        ("--attention se --attention-option reduction=true", "reduction of the attention se takes int; found True"),
        ("--attention se --attention-option divisor=1.5", "divisor of the attention se takes int or null; found 1.5"),
        ("--attention se --attention-option bias=1", "bias of the attention se takes bool; found 1"),
        ("--attention se --attention-option reduction=0", "cannot be built"),
        ("--attention se --attention-option reduction", "takes KEY=VALUE; found 'reduction'"),
        ("--attention se --attention-option reduction=[8]", "takes a finite number, true, false, null or a text"),
        ("--attention se --attention-option reduction=1e999", "takes a finite number"),
        ("--attention none --attention-option reduction=8", "the attention none takes no options; leave reduction out"),
        ("--attention hoga --attention-option genotype=x.json", "a genotype is given by its file, --genotype"),
        ("--attention se --genotype other.json", "the attention se takes no genotype; give --attention hoga"),
        ("--genotype other.json", "the attention none takes no genotype; give --attention hoga"),
        ("--attention hoga --genotype missing.json", "cannot read the genotype file missing.json"),
        ("--attention mine.py:Scale --attention-option kernel=3", "has no option 'kernel'; the nearest: kernel_size"),
        ("--attention mine.py:Scale --attention-option gain=much", "gain of the attention mine.py:Scale takes float"),
        ("--attention mine.py:Scle", "mine.py has no Scle; the nearest: Scale"),
        ("--attention missing.py:Scale", "names missing.py, and there is no such file"),
        ("--attention eca --attention-option kernel-size=4", "kernel_size is an odd number from 1 on; found 4"),
        ("--attention simam --attention-option regularisation=-1", "regularisation is a positive number; found -1"),
        ("--attention timm:seca", "timm makes no attention 'seca'"),
        ("--attention timm:gca --attention-option rd_ration=2", "no option 'rd_ration'; the nearest: rd_ratio"),
        ("--attention timm:bottleneck", "the attention timm:bottleneck failed when called with 16 channels"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_image_is_read(
    refused: Callable[..., str],
    genotype_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    message: str,
) -> None:
    (genotype_file.parent / "mine.py").write_text(OWN)
    monkeypatch.setattr(
        "autola_analysis.training.classification.open_splits", lambda *arguments: pytest.fail("images opened")
    )
    assert message in refused("cluttered-digits", *arguments.split())


def test_files_of_a_module_of_timm_and_of_one_of_ours_have_different_names() -> None:
    assert [NetworkFlags(attention=name).label() for name in ("eca", "timm:eca")] == ["eca", "timm_eca"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("k=8", 8), ("k=0.5", 0.5), ("k=true", True), ("k=True", True), ("k=null", None), ("k=relu", "relu"), ("k=", "")],
)
def test_values_are_json_scalars_or_texts(text: str, value: object) -> None:
    key, parsed = parse_option(text)
    assert (key, parsed, type(parsed)) == ("k", value, type(value))


def test_a_module_that_cannot_take_the_maps_is_one_sentence_with_its_name_and_their_shape(
    refused: Callable[..., str], few_images: None
) -> None:
    """timm asserts without a word that sides are multiples of a block's, 7 positions by default."""
    message = refused("cluttered-digits", "--attention", "timm:bat", "--set", "width=4", "--device", "cpu", "--quiet")
    assert (
        "a network with the attention timm:bat cannot run on the images of the training: AssertionError in " in message
    )
    assert ", 32, 32); give images of another size, other options of the module with --attention-option" in message
