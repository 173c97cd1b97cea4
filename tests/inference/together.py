"""A program that several processes run together: ``python -m tests.inference.together FOLDER CHECKPOINT``.

Each measures what there is to measure and leaves it in a file, for the tests to compare with what one process finds;
then they make a report. Without a checkpoint, one of them is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses.embedding.extract import FeatureAnalysis, extract_all
from autola_analysis.analyses.gates.measure import GateAnalysis, gate_result
from autola_analysis.analyses.observation import Reading, observe_all, passes_of
from autola_analysis.analyses.saliency.measure import SaliencyOptions, measure_saliency
from autola_analysis.analyses.selectivity.measure import SelectivityAnalysis, SelectivityOptions, selectivity_result
from autola_analysis.analyses.top_images import TopImageAnalysis, top_images_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.cli.main import _run
from autola_analysis.core.errors import BadImageError
from autola_analysis.core.processes import current
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.bad_images import drop_unreadable
from autola_analysis.inference import processes as module
from autola_analysis.inference.run import Settings

BATCH = 4
QUIET = Settings(device="cpu", quiet=True)
COUNTS = (20, 8)
"""Images: five batches, so that the last round is not full for any number of processes, and two for three of them."""


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
        Variant(create_model("resnet20", "cbam", 10, width=8), "CBAM"),
        Variant(create_model("resnet20", "none", 10, width=8), "none", preprocessing=larger),
    ]


def measured(source: ClutteredDigits, cache: Path) -> dict[str, Any]:
    """Return everything that analyses find out."""
    pair = networks()
    reading = Reading(QUIET, batch_size=BATCH)
    options = SelectivityOptions(2, 3)
    analyses = [SelectivityAnalysis(None, options), GateAnalysis(), FeatureAnalysis("layer3"), TopImageAnalysis()]
    selectivity, gates, features, top = observe_all(pair, source, analyses, reading)
    results = [selectivity_result(each, options) for each in selectivity if each is not None]
    assert gates[0] is not None
    cached, _ = extract_all(pair, source, ["layer2", "layer3"], "mean", Reading(QUIET, BATCH, cache=cache))
    again, passes = extract_all(pair, source, ["layer2", "layer3"], "mean", Reading(QUIET, BATCH, cache=cache))
    shown = SaliencyOptions(("grad-cam", "gradient"), target="predicted", shown=[1, 7])
    saliency = measure_saliency(pair, source, shown, reading)
    kept = [measure_saliency(pair, source, shown, Reading(QUIET, BATCH, cache=cache)) for _ in range(2)]
    images = torch.randn(len(source), 3, 32, 32, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(images, torch.from_numpy(source.labels)), batch_size=BATCH)
    (loaded,), _ = extract_all(pair[:1], loader, ["layer1"], "mean", reading)
    return {
        "units": [result.units for result in results],
        "means": [result.class_means for result in results],
        "accuracies": [result.accuracy for result in results],
        "images": [record.images for record in passes_of(selectivity)],
        "gates": gate_result(gates[0]),
        "top images": [top_images_result(each) for each in top if each is not None],
        "left out": drop_unreadable(Broken(600))[1],
        "features": [each.observer.found() for each in features if each is not None],
        "loaded": (loaded.values, loaded.labels),
        "cached": [each.values[:] for each in cached],
        "again": [each.values[:] for each in again],
        "passes again": len(passes),
        "saliency": saliency,
        "saliency kept": kept,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    module.BEAT, module.SILENCE = 0.2, 3.0
    with module.joined():
        rank = current().rank
        if len(sys.argv) == 2:
            reading = Reading(QUIET, batch_size=BATCH, cache=folder / "cache")
            extract_all(networks(), Deadly("test", 20), reading=reading)
        for images in COUNTS:
            found = measured(ClutteredDigits("test", images), folder / "cache")
            (folder / f"{images} of {rank}.pickle").write_bytes(pickle.dumps(found))
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
