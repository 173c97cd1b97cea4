"""A program that several processes run together: ``python -m tests.inference.together FOLDER CHECKPOINT``.

Each measures what there is to measure and leaves it in a file, for the tests to compare with what one process finds;
then they make a report. Without a checkpoint, one of them is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses.ablation.observer import AblationWatcher
from autola_analysis.analyses.chosen import ChosenImages
from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.watcher import FeatureWatcher
from autola_analysis.analyses.evaluate.measure import PredictionWatcher
from autola_analysis.analyses.gates.measure import GateWatcher, gate_result
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Observation, Reading, Watcher, observe_all, passes_of
from autola_analysis.analyses.per_image import PerImageWatcher
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.selectivity.measure import SelectivityWatcher, selectivity_result
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.top_images import TopImageWatcher, top_images_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.cli.main import _run
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import BadImageError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.bad_images import drop_unreadable
from autola_analysis.inference import heartbeats
from autola_analysis.inference.distributed import joined
from autola_analysis.inference.run import Settings
from tests.analyses.objects import Shapes, detector

BATCH = 4
QUIET = Settings(device="cpu", quiet=True)
COUNTS = (20, 8)
"""Images: five batches, so that the last round is not full for any number of processes, and two for three of them."""
CHOSEN = (4, 5, 7)
"""Numbers of images that stand in the second batch, so that of several processes only the second sees any of them."""
OPTIONS = SelectivityOptions(permutations=2, folds=3)


class Broken(ClutteredDigits):
    """Has a few images that cannot be decoded."""

    def __init__(self, length: int) -> None:
        super().__init__("test", length)

    def image(self, index: int) -> Image.Image:
        if index % 100 == 50:
            raise BadImageError("broken", f"path {index}")
        return Image.new("RGB", (8, 8))


class Deadly(ClutteredDigits):
    """Ends the process that reads the fourth batch: the second of two."""

    def image(self, index: int) -> Image.Image:
        if index == 3 * BATCH:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().image(index)


def networks() -> list[Variant]:
    """Return a network with gates, spatial ones too, and one without that sees larger images."""
    torch.manual_seed(0)
    larger = Preprocessing(resize=40, crop=36)
    return [
        Variant(create_model("resnet8", "cbam", 10, width=8), "CBAM"),
        Variant(create_model("resnet8", "none", 10, width=8), "none", preprocessing=larger),
    ]


def watchers() -> list[Watcher[Any]]:
    """Return everything that analyses hang on a pass."""
    return [
        SelectivityWatcher(OPTIONS),
        GateWatcher(),
        FeatureWatcher("layer3"),
        TopImageWatcher(),
        PredictionWatcher(),
        AblationWatcher(),
        PerImageWatcher("largest", ["layer1"], lambda activation: activation.flatten(1).amax(1)),
    ]


def observed(source: ClutteredDigits, chosen: Sequence[int] | None = None) -> dict[str, Any]:
    """Return everything that a pass shows, or what it shows of some of its images."""
    numbers = np.array(chosen)
    hung = watchers() if chosen is None else [ChosenImages(watcher, numbers) for watcher in watchers()]
    found = observe_all(networks(), source, hung, Reading(QUIET, batch_size=BATCH))
    selectivity, gates, features, top, predictions, ablation, largest = (_present(each) for each in found)
    results = [selectivity_result(each, OPTIONS) for each in selectivity]
    return {
        "units": [result.units for result in results],
        "means": [result.class_means for result in results],
        "accuracies": [result.accuracy for result in results],
        "images": [record.images for record in passes_of(selectivity)],
        "gates": gate_result(gates[0]),
        "features": [each.observer.found() for each in features],
        "top images": [top_images_result(each, None) for each in top],
        "predictions": [each.observer.predictions().arrays() for each in predictions],
        "ablation": [(each.observer.head, each.observer.signed, *each.observer.found()) for each in ablation],
        "largest": [each.observer.values() for each in largest],
    }


def observed_objects() -> dict[str, Any]:
    """Return what a pass shows of the objects of images of two sizes, of which a batch of four may hold none."""
    source, variant = Shapes(34), detector(attention="cbam")
    items = ObjectItems.of(source)
    hung: list[Watcher[Any]] = [
        SelectivityWatcher(OPTIONS, items),
        FeatureWatcher(None, "mean", items),
        GateWatcher(items, source),
    ]
    ((selectivity,), (features,), (gates,)) = observe_all([variant], source, hung, Reading(QUIET, batch_size=BATCH))
    assert selectivity is not None
    assert features is not None
    assert gates is not None
    result = selectivity_result(selectivity, OPTIONS)
    return {
        "summary": result.summary,
        "means": result.class_means,
        "features": features.observer.found(),
        "gates": gate_result(gates),
    }


def _present(observations: Sequence[Observation[Any] | None]) -> list[Observation[Any]]:
    return [each for each in observations if each is not None]


def measured(source: ClutteredDigits, cache: Path) -> dict[str, Any]:
    """Return everything that analyses find out."""
    pair = networks()
    reading = Reading(QUIET, batch_size=BATCH)
    cached = replace(reading, cache=cache)
    features = [extract_features(pair, source, layer=["layer2", "layer3"], reading=cached) for _ in range(2)]
    again = observe_all(pair, source, [FeatureWatcher("layer2"), FeatureWatcher("layer3")], cached)
    shown = SaliencyOptions(methods=["grad-cam", "gradient"], target="predicted", shown=[1, 7])
    images = torch.randn(len(source), 3, 32, 32, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(images, torch.from_numpy(source.labels)), batch_size=BATCH)
    (loaded,) = extract_features(pair[:1], loader, layer=["layer1"], reading=reading)
    return {
        **observed(source),
        "of some images": observed(source, CHOSEN),
        "loaded": (loaded.values, loaded.labels),
        "cached": [each.values[:] for each in features[0]],
        "again": [each.values[:] for each in features[1]],
        "passes again": len(passes_of([each for of_layer in again for each in of_layer])),
        "saliency": measure_saliency(pair, source, shown, reading),
        "saliency kept": [measure_saliency(pair, source, shown, cached) for _ in range(2)],
    }


def measured_besides() -> dict[str, Any]:
    """Return what does not depend on how many images there are."""
    return {"objects": observed_objects(), "left out": drop_unreadable(Broken(600))[1]}


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    heartbeats.HEARTBEAT, heartbeats.HEARTBEAT_TIMEOUT = 0.2, 3.0
    with joined():
        rank = current().rank
        if len(sys.argv) == 2:
            reading = Reading(QUIET, batch_size=BATCH, cache=folder / "cache")
            extract_features(networks(), Deadly("test", 20), reading=reading)
        for images in COUNTS:
            found = measured(ClutteredDigits("test", images), folder / "cache")
            (folder / f"{images} of {rank}.pickle").write_bytes(pickle.dumps(found))
        (folder / f"besides of {rank}.pickle").write_bytes(pickle.dumps(measured_besides()))
        command = [
            "embed",
            "--ckpt",
            sys.argv[2],
            "--limit",
            "30",
            "--out",
            str(folder / "report"),
            "--batch-size",
            "8",
        ]
        command += ["--device", "cpu", "--cache", str(folder / "cache"), "--perplexity", "3"]
        assert _run(command, debug=True) == 0
        sys.stdout.write("the end\n")


if __name__ == "__main__":
    main()
