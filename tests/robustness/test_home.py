"""A ``~`` that no shell has replaced, as behind ``--out=`` or in an environment file, is the home directory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autola_analysis.attention.genotype import Genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.core.cache import NAME
from autola_analysis.data import ImageFolderSource, open_source
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.coco_export import export_coco
from autola_analysis.data.listed import ListedImages
from autola_analysis.study.run import run_study
from tests.data.conftest import write_image

from .commands import Command
from .studies import write_study

MACHINE = ["--device", "cpu", "--quiet"]
COMMANDS = [
    ["evaluate", "--ckpt=~/m.safetensors", "--data=cluttered-digits", "--limit=8", "--out=~/rep", *MACHINE],
    ["study", "~/study.toml", "--only=selectivity", "--out=~/of a study", "--cache=~/other", *MACHINE],
    ["redraw", "~/rep", "--quiet"],
    ["inspect", "~/m.safetensors"],
]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A home with a study in it, and a working directory."""
    (tmp_path / "work").mkdir()
    return write_study(tmp_path / "home"), tmp_path / "work"


def test_commands_put_the_home_in_place_of_a_tilde(folders: tuple[Path, Path]) -> None:
    home, work = folders
    for arguments in COMMANDS:
        command = Command(arguments, work, {"HOME": str(home), "AUTOLA_CACHE": "~/cache"})
        assert command.status() == 0, command.said()
    assert list(work.iterdir()) == []
    assert {path.name for path in home.iterdir()} >= {"rep", "of a study", "cache", "other"}
    assert (home / "cache" / NAME).is_dir()
    assert (home / "other" / NAME).is_dir()


CALLS: dict[str, Callable[[], object]] = {
    "m": lambda: load_model("~/m.safetensors", device="cpu"),
    "saved": lambda: save_model("~/saved", (spec := ModelSpec("resnet20", "none", 10, {"width": 4})).build(), spec),
    "genotype": lambda: Genotype.random(0).to_json("~/genotype"),
    "images": lambda: [ImageFolderSource("~/images"), open_source("folder:~/images"), ListedImages(["~/images"])],
    "coco": lambda: export_coco(CocoObjects(export_coco(ClutteredScenes("test", 1), "~/coco")), "~/again"),
    "report": lambda: run_study("~/study.toml", "~/report", only=["evaluate"]),
}


@pytest.mark.parametrize("name", list(CALLS))
def test_calls_put_the_home_in_place_of_a_tilde(
    name: str, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, work = folders
    write_image(home / "images" / "cat" / "0.png")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    CALLS[name]()
    assert list(work.iterdir()) == []
    assert any(path.stem == name for path in home.iterdir())
