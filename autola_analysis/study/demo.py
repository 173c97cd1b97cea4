"""The demo: twelve small networks that ship with the package, on images that any installation can make."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from autola_analysis.study.file import (
    DataTable,
    EmbeddingTable,
    GatesTable,
    ModelTable,
    SaliencyTable,
    SelectivityTable,
    StudyFile,
)

DEMO_VARIANTS = ("none", "SE", "CBAM", "HOGA")
DEMO_SEEDS = (0, 1, 2)


def demo_checkpoints() -> dict[str, list[Path]]:
    """Return the shipped checkpoints: three training runs of each variant."""
    folder = Path(str(files("autola_analysis.study") / "checkpoints"))
    return {
        name: [folder / f"resnet20_{name.lower()}_seed{seed}.safetensors" for seed in DEMO_SEEDS]
        for name in DEMO_VARIANTS
    }


def demo_study() -> StudyFile:
    """Return the demo as a study: all analyses, the claims over all twelve runs, pictures of the first of each."""
    return StudyFile(
        title="Demo: four attentions in ResNet-20 on ClutteredDigits",
        data={"digits": DataTable(source="cluttered-digits")},
        models={name: ModelTable(paths=[str(path) for path in paths]) for name, paths in demo_checkpoints().items()},
        analyses=[
            SelectivityTable(kind="selectivity"),
            EmbeddingTable(kind="embedding", limit=1000),
            SaliencyTable(kind="saliency", limit=300, sanity=8),
            GatesTable(kind="gates"),
        ],
    )
