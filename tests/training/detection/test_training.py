"""Trainings of detectors from recipe to checkpoint."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.checkpoints.detector_loading import load_detector
from autola_analysis.checkpoints.external import load_attention
from autola_analysis.core.errors import AutolaError, DataError, OptionError
from autola_analysis.core.files import sha256_of
from autola_analysis.training.detection.images import Batch
from autola_analysis.training.detection.job import prepare
from autola_analysis.training.detection.module import DetectorTraining
from autola_analysis.training.settings import Training
from autola_analysis.training.trainer import run_training
from tests.training.detection.conftest import QUIET

Make = Callable[..., Training]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_detector(path, device="cpu").model.state_dict()


@pytest.mark.parametrize("name", ["scenes-ssd", "scenes-faster-rcnn"])
def test_a_training_leaves_a_checkpoint_with_everything_inside(tmp_path: Path, short: Make, name: str) -> None:
    out = tmp_path / "detector.safetensors"
    metrics = run_training(short(name), out, QUIET)
    loaded = load_detector(out, device="cpu")
    assert (loaded.spec.attention, loaded.spec.backbone.options) == ("se", {"width": 4})
    assert (loaded.classes, loaded.category_ids) == (tuple("0123456789"), tuple(range(1, 11)))
    assert loaded.source == "cluttered-scenes"
    assert (loaded.metadata["recipe"]["name"], loaded.metadata["seed"]) == (name, 3)
    assert loaded.metadata["metrics"] == metrics
    assert {"ap", "ap50", "ar100"} <= metrics.keys()
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("name", ["scenes-ssd", "scenes-faster-rcnn"])
def test_the_loss_falls(short: Make, name: str) -> None:
    """The same batch twenty times, so that no other batch hides it."""
    torch.manual_seed(0)
    module = prepare(short(name, "none", learning_rate="0.02"), load_attention("none"), QUIET)
    (batch, *_) = module.loaders[0]
    optimizer = module.module.configure_optimizers()["optimizer"]
    losses = []
    for _ in range(20):
        loss = module.module.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("name", "workers"), [("scenes-ssd", 0), ("scenes-ssd", 1), ("scenes-faster-rcnn", 0)])
def test_a_killed_training_ends_as_it_would_have_to_the_last_bit(
    tmp_path: Path, short: Make, name: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = replace(QUIET, workers=workers)
    run_training(short(name), tmp_path / "whole", QUIET)
    original, batches = DetectorTraining.loss, []

    def dies_in_the_second_epoch(self: DetectorTraining, batch: Batch) -> torch.Tensor:
        batches.append(batch)
        if len(batches) == 5:
            raise KeyboardInterrupt
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(DetectorTraining, "loss", dies_in_the_second_epoch)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            run_training(short(name), tmp_path / "killed", machine)
    with pytest.raises(OptionError, match="holds an unfinished training with other settings"):
        run_training(short(name, learning_rate="0.5"), tmp_path / "killed", machine)
    torch.rand(7)  # what else the process draws does not matter
    run_training(short(name), tmp_path / "killed", machine)
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert [key for key in whole if not torch.equal(whole[key], killed[key])] == []


def test_the_callers_random_state_stays(tmp_path: Path, short: Make) -> None:
    before = torch.get_rng_state()
    run_training(short(epochs="1"), tmp_path / "out", QUIET)
    assert torch.equal(torch.get_rng_state(), before)


def classifier(path: Path, attention: str = "se", backbone: str = "resnet18", width: int = 4) -> Path:
    spec = ModelSpec(backbone, attention, 5, {"width": width})
    return save_model(path / f"{backbone}_{attention}.safetensors", spec.build(), spec)


@pytest.mark.parametrize(("name", "stages"), [("scenes-ssd", 3), ("scenes-faster-rcnn", 4)])
def test_a_training_begins_with_the_backbone_of_a_classifier(
    tmp_path: Path, short: Make, name: str, stages: int
) -> None:
    init = classifier(tmp_path)
    given = load_model(init).model.state_dict()
    training = short(name, init=init)
    trunk = prepare(training, load_attention("se"), QUIET).module.model.backbone.body.state_dict()
    assert {key.partition(".")[0] for key in trunk} == {"conv1", "bn1", *(f"layer{n + 1}" for n in range(stages))}
    assert [key for key in trunk if not torch.equal(trunk[key], given[key])] == []
    assert training.record()["init"] == {"file": init.name, "sha256": sha256_of(init)}
    assert short(name).record()["init"] is None


def test_frozen_parts_stay_and_the_rest_moves(tmp_path: Path, short: Make) -> None:
    init, out = classifier(tmp_path), tmp_path / "out"
    run_training(short(init=init, epochs="1", frozen_stages="1", norm_eval="true", warmup_steps="0"), out, QUIET)
    before, after = load_model(init).model.state_dict(), weights(out)
    same = {key for key, value in before.items() if torch.equal(after.get(f"backbone.body.{key}", value * 0), value)}
    frozen = {key for key in before if key.startswith(("conv1.", "bn1.", "layer1."))}
    statistics = {key for key in before if "running" in key and not key.startswith("layer4")}
    assert frozen | statistics <= same
    assert not {key for key in same if key.startswith("layer2") and key.endswith("conv1.weight")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frozen_stages": "1"}, r"they would stay random, attention included; give --init FILE .* frozen_stages=0"),
        ({"norm_eval": "true"}, "norm_eval=true"),
        ({"batch_size": "25"}, "a batch of 25 images does not fit into 24 images"),
        ({"data": "objects:a.json"}, "write --data objects:TRAIN.json,TEST.json, found objects:a.json"),
        ({"data": "coco"}, "coco needs the folder that holds annotations"),
        ({"options": '{"colour": 1}'}, "cannot build ssd300 with these options"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, short: Make, options: dict[str, str], message: str
) -> None:
    with pytest.raises(AutolaError, match=message):
        run_training(short(**options), tmp_path / "out", QUIET)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("attention", "backbone", "width", "message"),
    [
        ("cbam", "resnet18", 4, "holds resnet18, width=4 with attention cbam, and resnet18, width=4 with attention se"),
        ("se", "resnet34", 4, "holds resnet34, width=4 with attention se"),
        ("se", "resnet18", 8, "holds resnet18, width=8 with attention se"),
    ],
)
def test_another_backbone_is_no_beginning(
    tmp_path: Path, short: Make, attention: str, backbone: str, width: int, message: str
) -> None:
    init = classifier(tmp_path, attention, backbone, width)
    with pytest.raises(OptionError, match=message):
        run_training(short(init=init), tmp_path / "out", QUIET)


def test_options_of_classifiers_are_refused(short: Make, tmp_path: Path) -> None:
    recipe = short().recipe
    with pytest.raises(OptionError, match="--match-parameters is for classifiers, and scenes-ssd trains another"):
        Training("scenes-ssd", recipe, match_parameters=1000)
    with pytest.raises(OptionError, match="--keep-at-accuracy is for classifiers"):
        Training("scenes-ssd", recipe, keep_at_accuracy=90)
    with pytest.raises(OptionError, match="there is no checkpoint file"):
        short(init=tmp_path / "missing.safetensors")


def test_sources_without_classes_or_objects_are_refused(tmp_path: Path, short: Make) -> None:
    nothing = '{"images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}], "annotations": [], "categories": '
    (tmp_path / "none.json").write_text(nothing + "[]}")
    (tmp_path / "cats.json").write_text(nothing + '[{"id": 3, "name": "cat"}]}')
    (tmp_path / "dogs.json").write_text(nothing + '[{"id": 3, "name": "dog"}]}')

    def data(*names: str) -> str:
        return "objects:" + ",".join(str(tmp_path / f"{name}.json") for name in names)

    for names, message in (
        (("none", "none"), "names no classes, and a detector tells at least one"),
        (("cats", "cats"), "has an object to train on"),
        (("cats", "dogs"), "have different classes"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            run_training(short(data=data(*names)), tmp_path / "out", QUIET)
        assert re.search(r"; [^;]+\.$", str(caught.value))
