"""The demo: twelve small networks that ship with the package, on images that any installation can make."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

from autola_analysis.analyses.registry import registrations
from autola_analysis.study.file import StudyFile, parse_study

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
    """Return the demo as a study, with those of its analyses that are installed."""
    values = tomllib.loads(files("autola_analysis.study").joinpath("demo.toml").read_text(encoding="utf-8"))
    values["models"] = {name: {"paths": [str(path) for path in paths]} for name, paths in demo_checkpoints().items()}
    values["analyses"] = [table for table in values["analyses"] if table["kind"] in registrations()]
    return parse_study(values, "the demo")
