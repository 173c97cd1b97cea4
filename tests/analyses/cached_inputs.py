"""What numbers of a cache are made of, with what can be edited of it, and numbers with and without the cache."""

import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from autola_analysis.analyses.embedding.embed import embed_all
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.watcher import FeatureWatcher
from autola_analysis.analyses.evaluate.detection.observer import DetectionWatcher
from autola_analysis.analyses.evaluate.measure import PredictionWatcher
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Reading, Watcher, observe_all
from autola_analysis.analyses.selectivity.measure import SelectivityWatcher, selectivity_result
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.data import ImageFolderSource, Preprocessing
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.coco_export import export_coco
from autola_analysis.inference.run import Settings
from tests.analyses.embedding.points import blobs
from tests.analyses.objects import Shapes, detector
from tests.data.conftest import write_image

LAST_STAGE = "backbone.body.layer3"
SPEC = ModelSpec("resnet20", "se", 2, {"width": 4})
CODE = """
from torch import nn

import helper_of_net

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = 1
        self.layer3 = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.layer3(helper_of_net.brightened(x * self.gain)).mean((2, 3)))

def make():
    return Net()
"""
HELPER = "def brightened(x):\n    return x + 1\n"
Arrays = dict[str, Any]


class Inputs(Protocol):
    """What numbers are made of, and a cache."""

    cache: Path
    edits: dict[str, Callable[[int], None]]

    def numbers(self, cache: Path | None) -> Arrays: ...


def reading(cache: Path | None, fold: bool = True) -> Reading:
    return Reading(Settings(device="cpu", fold=fold, quiet=True), 3, cache=cache)


def columns(name: str, frame: Any) -> Arrays:
    return {f"{name} {column}": values.to_numpy() for column, values in frame.items()}


def of_selectivity(observation: Any, options: SelectivityOptions) -> Arrays:
    result = selectivity_result(observation, options)
    return {**{f"means {layer}": each for layer, each in result.class_means.items()}, **columns("unit", result.units)}


def write_images(folder: Path) -> None:
    for number in range(8):
        write_image(folder / "ab"[number % 2] / f"{number}.bmp", (30 * number, 90, 7), (16, 16))


def edit_image(folder: Path, draw: int) -> None:
    path = sorted(folder.rglob("*.bmp"))[draw % 8]
    write_image(path, tuple(np.random.default_rng(draw).integers(0, 256, 3).tolist()), (16, 16))


class Classifier:
    """A checkpoint, images and options."""

    def __init__(self, folder: Path) -> None:
        self.checkpoint, self.images, self.cache = folder / "m.safetensors", folder / "images", folder / "cache"
        self.options = SelectivityOptions(permutations=1, folds=2)
        self.edits = {
            "checkpoint": self.write_checkpoint,
            "image": lambda draw: edit_image(self.images, draw),
            "option": self.edit_option,
        }
        write_images(self.images)
        self.write_checkpoint(0)

    def write_checkpoint(self, seed: int) -> None:
        """Write other weights under the name of the checkpoint."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            save_model(self.checkpoint, SPEC.build(), SPEC, preprocessing=Preprocessing())

    def edit_option(self, draw: int) -> None:
        self.options = self.options.model_copy(update={"seed": draw})

    def variant(self) -> Variant:
        return as_variant(load_model(self.checkpoint, device="cpu"), "SE")

    def numbers(self, cache: Path | None) -> Arrays:
        watchers = [SelectivityWatcher(self.options), FeatureWatcher("layer3"), PredictionWatcher()]
        found: Any = observe_all([self.variant()], ImageFolderSource(self.images), watchers, reading(cache))
        ((selectivity,), (features,), (predictions,)) = found
        return {
            **of_selectivity(selectivity, self.options),
            "features": np.array(features.observer.found()[0]),
            **predictions.observer.predictions().arrays(),
            "correct": selectivity.correct,
        }


class OwnNetwork(Classifier):
    """A network of the user's code, which imports more of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.edits = {
            "code": lambda draw: self.edit("net.py", r"gain = \d+", f"gain = {2 + draw}"),
            "imported code": lambda draw: self.edit("helper_of_net.py", r"x \+ \d+", f"x + {2 + draw}"),
        }
        (folder / "net.py").write_text(CODE)
        (folder / "helper_of_net.py").write_text(HELPER)

    def write_checkpoint(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        shapes = {"layer3.0.weight": (4, 3, 3, 3), "layer3.0.bias": (4,), "fc.weight": (2, 4), "fc.bias": (2,)}
        torch.save({name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}, self.checkpoint)

    def edit(self, file: str, pattern: str, new: str) -> None:
        path = self.folder / file
        path.write_text(re.sub(pattern, new, path.read_text()))

    def variant(self) -> Variant:
        sys.modules.pop("helper_of_net", None)  # as in a new process
        importlib.invalidate_caches()
        sys.path.insert(0, str(self.folder))
        try:
            arch = f"{self.folder / 'net.py'}:make"
            return as_variant(load_model(self.checkpoint, arch=arch, normalize="none", device="cpu"), "own")
        finally:
            sys.path.remove(str(self.folder))


class Detector:
    """A detector, and objects in COCO's format."""

    def __init__(self, folder: Path) -> None:
        self.cache, self.annotations = folder / "cache", export_coco(Shapes(8), folder)
        self.edits = {"box": self.edit_box, "class": self.edit_class}

    def edit_box(self, draw: int) -> None:
        content = json.loads(self.annotations.read_text())
        box = content["annotations"][draw % len(content["annotations"])]["bbox"]
        box[2] *= 0.5 + draw % 5 / 20
        self.annotations.write_text(json.dumps(content))

    def edit_class(self, draw: int) -> None:
        content = json.loads(self.annotations.read_text())
        entry = content["annotations"][draw % len(content["annotations"])]
        entry["category_id"] = 1 + entry["category_id"] % 3
        self.annotations.write_text(json.dumps(content))

    def numbers(self, cache: Path | None) -> Arrays:
        source = CocoObjects(self.annotations)
        options = SelectivityOptions(layers=[LAST_STAGE], permutations=1, folds=2)
        watchers: list[Watcher[Any]] = [SelectivityWatcher(options, ObjectItems.of(source, 2)), DetectionWatcher()]
        found: Any = observe_all([detector()], source, watchers, reading(cache, fold=False))
        ((selectivity,), (detections,)) = found
        return {**of_selectivity(selectivity, options), **detections.observer.found().arrays()}


class Embedded:
    """Features to embed."""

    def __init__(self, folder: Path) -> None:
        self.cache, self.features = folder / "cache", blobs(30)
        self.options = EmbeddingOptions(perplexity=5, seeds=1, processes=1)
        self.edits = {"feature": self.edit_feature, "seed": self.edit_seed}

    def edit_feature(self, draw: int) -> None:
        self.features.values[draw % 30, 0] += 1 + draw

    def edit_seed(self, draw: int) -> None:
        self.options = self.options.model_copy(update={"seed": draw})

    def numbers(self, cache: Path | None) -> Arrays:
        (found,) = embed_all([self.features], self.options, device="cpu", threads=1, cache=cache, quiet=True)
        return {"plane": found.coords, "divergence": found.kl_divergence, **columns("quality", found.quality)}


KINDS: dict[str, Callable[[Path], Inputs]] = {
    "classifier": Classifier,
    "own code": OwnNetwork,
    "detector": Detector,
    "embedding": Embedded,
}
