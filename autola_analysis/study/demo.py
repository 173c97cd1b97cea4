"""The demo: twelve small networks that ship with the package, on images that any installation can make."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from autola_analysis.analyses.observation import Reading
from autola_analysis.inference.run import Settings
from autola_analysis.study.selectivity import SelectivityRequest
from autola_analysis.study.sources import DataOptions

DEMO_VARIANTS = ("none", "SE", "CBAM", "HOGA")
DEMO_SEEDS = (0, 1, 2)


def demo_checkpoints() -> list[str]:
    """Return the shipped checkpoints as ``NAME=PATH``, three training runs of each variant."""
    folder = Path(str(files("autola_analysis.study") / "checkpoints"))
    return [
        f"{name}={folder / f'resnet20_{name.lower()}_seed{seed}.safetensors'}"
        for name in DEMO_VARIANTS
        for seed in DEMO_SEEDS
    ]


def demo_request(out: Path, device: str = "auto", overwrite: bool = False, quiet: bool = False) -> SelectivityRequest:
    """Return the demo as a request for the selectivity report."""
    return SelectivityRequest(
        checkpoints=demo_checkpoints(),
        out=out,
        data=DataOptions("cluttered-digits"),
        reading=Reading(Settings(device=device, quiet=quiet)),
        overwrite=overwrite,
    )
