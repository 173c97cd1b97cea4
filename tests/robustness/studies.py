"""A small study of two networks on few images."""

from pathlib import Path

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.data import Preprocessing

STUDY = """
[data.digits]
source = "cluttered-digits"
limit = 40
[models.a]
path = "m.safetensors"
[models.b]
path = "n.safetensors"
[[analyses]]
kind = "selectivity"
[[analyses]]
kind = "embedding"
method = "pca"
limit = 20
[[analyses]]
kind = "saliency"
limit = 6
show = 1
[[analyses]]
kind = "gates"
[[analyses]]
kind = "evaluate"
[[analyses]]
kind = "ablation"
"""


def write_study(folder: Path) -> Path:
    """Make a folder with ``study.toml`` and its checkpoints, and return it."""
    folder.mkdir()
    for name, attention in (("m", "se"), ("n", "none")):
        spec = ModelSpec("resnet20", attention, 10, {"width": 4})
        save_model(folder / f"{name}.safetensors", spec.build(), spec, preprocessing=Preprocessing())
    (folder / "study.toml").write_text(STUDY)
    return folder
