"""Two processes with copies of their own, as on two machines: equal copies are shared, any difference is refused."""

import json
import shutil
import socket
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
import torch

from autola_analysis.analyses.options import AnalysisOptions
from autola_analysis.analyses.registry import analysis_of, registration_of, registrations
from autola_analysis.attention.genotype import RELEASED
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.core.distributed import difference
from autola_analysis.data import Preprocessing
from autola_analysis.study.agreement import check_same_files
from autola_analysis.study.file import ModelTable
from autola_analysis.study.models import load_models
from autola_analysis.study.plan import Plan, PlannedAnalysis
from tests.analyses.test_agreement import together
from tests.data.conftest import write_image
from tests.inference.launching import launch
from tests.robustness.commands import Command

STUDY = """
[data.images]
source = "folder:images"
class_order = "order.txt"
[models.SE]
path = "se.safetensors"
[[analyses]]
kind = "evaluate"
"""
NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)
        self.gain = 1.0

    def forward(self, x):
        return self.fc(self.layer1(x).relu().mean((2, 3)) * self.gain)
"""
ATTENTION = """
import torch

class Scale(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):
        return x * torch.sigmoid(self.weight)
"""
BOXES = {
    "images": [{"id": 1, "file_name": "cat/0.bmp"}],
    "annotations": [{"image_id": 1, "bbox": [2, 2, 9, 9]}],
}
MACHINE = ["--device", "cpu", "--cache", "cache", "--quiet", "--out", "out"]
IMAGES = ["--data", "folder:images", "--normalize", "none", *MACHINE]
COMMANDS = {
    "study": ["study", "study.toml", *MACHINE],
    "arch": ["evaluate", "--ckpt", "net.pth", "--arch", "net.py:Net", *IMAGES],
    "attention": ["evaluate", "--ckpt", "own.pth", "--attention", "attention.py:Scale", *IMAGES],
    "boxes": ["saliency", "--ckpt", "se.safetensors", "--boxes", "boxes.json", "--show", "1", *IMAGES],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints, images, code and a study, all named by relative paths."""
    folder = tmp_path / "one"
    for label, name in enumerate(("cat", "dog")):
        for number in range(4):
            write_image(folder / "images" / name / f"{number}.bmp", (60 * number, 200 * label, 9), (32, 32))
    torch.manual_seed(0)
    write_checkpoint(folder)
    code: dict[str, object] = {}
    exec(NET, code)
    torch.save(code["Net"]().state_dict(), folder / "net.pth")  # type: ignore[operator]
    exec(ATTENTION, code)
    own = ModelSpec("resnet20", "none", 2, {"width": 4}).build().state_dict()
    for stage, block in product((1, 2, 3), range(3)):
        own[f"layer{stage}.{block}.attention.weight"] = torch.zeros(4 * 2 ** (stage - 1), 1, 1)
    torch.save(own, folder / "own.pth")
    for name, text in {
        "study.toml": STUDY,
        "order.txt": "dog\ncat\n",
        "net.py": NET,
        "attention.py": ATTENTION,
        "boxes.json": json.dumps(BOXES),
    }.items():
        (folder / name).write_text(text)
    return folder


def write_checkpoint(folder: Path) -> None:
    spec = ModelSpec("resnet20", "se", 2, {"width": 4})
    save_model(folder / "se.safetensors", spec.build(), spec, preprocessing=Preprocessing())


def edited(name: str, old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def with_other_pixels(folder: Path) -> None:
    path = folder / "images" / "cat" / "0.bmp"
    size = path.stat().st_size
    write_image(path, (1, 2, 3), (32, 32))
    assert path.stat().st_size == size


DIFFERENCES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "weights": ("study", write_checkpoint, "checkpoint of SE, code or weights of SE"),
    "an image more": (
        "study",
        lambda folder: write_image(folder / "images" / "cat" / "9.bmp"),
        "names, sizes or classes of the images of folder",
    ),
    "an image of the same size": ("study", with_other_pixels, "contents of the images of folder"),
    "an option": (
        "study",
        edited("study.toml", "[data.images]", "seed = 1\n[data.images]"),
        "seed of the study (1, not 0)",
    ),
    "an option in one only": (
        "study",
        edited("study.toml", '"evaluate"', '"evaluate"\nlimit = 6'),
        "analyses.0.limit of the study (6, not all)",
    ),
    "the order of classes": (
        "study",
        edited("order.txt", "dog\ncat", "cat\ndog"),
        "names, sizes or classes of the images of folder",
    ),
    "a network's code": ("arch", edited("net.py", "gain = 1.0", "gain = -3.0"), "code or weights of net"),
    "an attention's code": ("attention", edited("attention.py", "sigmoid", "tanh"), "code or weights of own"),
    "a box": ("boxes", edited("boxes.json", "9, 9", "9, 8"), "boxes of saliency"),
}


def shared(arguments: Sequence[str], folders: Sequence[Path]) -> list[Command]:
    """Run a command in a process per folder, as a launcher starts them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": str(len(folders)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    commands = [
        Command(arguments, folder, {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank, folder in enumerate(folders)
    ]
    for command in commands:
        command.status()
    return commands


@pytest.mark.parametrize("name", list(DIFFERENCES))
def test_processes_with_any_one_input_different_are_refused(name: str, folder: Path) -> None:
    command, edit, sentence = DIFFERENCES[name]
    other = Path(shutil.copytree(folder, folder.with_name("two")))
    edit(other)
    before = set(folder.parent.rglob("*"))
    commands = shared(COMMANDS[command], [folder, other])
    said = "".join(each.said() for each in commands)
    host = socket.gethostname()
    assert [each.status() for each in commands] == [2, 2], said
    assert said == (
        f"autola-analyze: process 1 of 2 on {host} does not have the same as process 0 on {host}: {sentence}; give all "
        "processes of a run the same files, options and versions.\n"
    )
    assert {path.name for path in set(folder.parent.rglob("*")) - before} <= {"one.log", "two.log"}


@pytest.mark.parametrize("name", ["study", "arch", "boxes"])
def test_processes_with_equal_copies_share_a_run(name: str, folder: Path) -> None:
    other = Path(shutil.copytree(folder, folder.with_name("two"), copy_function=shutil.copy))  # with times of its own
    commands = shared(COMMANDS[name], [folder, other])
    assert [(each.status(), each.said()) for each in commands] == [(0, ""), (0, "")]
    assert not (other / "out").exists()
    (folder / "out").rename(folder / "shared")
    alone = Command(COMMANDS[name], folder)
    assert alone.status() == 0, alone.said()
    for table in (folder / "out" / "tables").glob("*.csv"):
        expected = pd.read_csv(table)
        pd.testing.assert_frame_equal(pd.read_csv(folder / "shared" / "tables" / table.name), expected, rtol=1e-9)


def test_processes_with_other_versions_are_refused(folder: Path, tmp_path: Path) -> None:
    information = tmp_path / "packages" / "pillow-1.2.3.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: Pillow\nVersion: 1.2.3\n")
    arguments = ["autola_analysis", "study", folder / "study.toml", *MACHINE[:-1], tmp_path / "out"]
    processes = launch(2, arguments, {1: {"PYTHONPATH": f"{information.parent}"}})
    assert [process.returncode for process in processes] == [2, 2]
    said = "".join(process.stderr for process in processes)
    assert said.count("autola-analyze: ") == 1
    assert "version of Pillow (1.2.3, not " in said
    assert not (tmp_path / "out").exists()


def test_the_first_process_that_differs_is_named_with_what_it_has() -> None:
    ours: dict[str, object] = {"version of torch": "2.9", "weights": "a" * 64}
    assert difference([("a", ours), ("b", dict(ours))]) == ""
    other = {**ours, "weights": "b" * 64, "kinds": ["gates"]}
    assert difference([("a", ours), ("b", ours), ("c", other), ("d", {})]) == (
        "process 2 of 4 on c does not have the same as process 0 on a: weights, kinds (['gates'], not None); give all "
        "processes of a run the same files, options and versions."
    )


FILES: dict[tuple[str, str], Callable[[Path], object]] = {
    ("context", "boxes"): lambda path: path,
    ("saliency", "boxes"): lambda path: path,
    ("saliency", "images"): lambda path: [path],
    ("search", "searches"): lambda path: [path.parent],
    ("evaluate", "detections"): lambda path: [f"theirs={path}"],
    ("evaluate", "boxes"): str,
}
"""Options of analyses that name files -> their value for a file."""


def test_every_option_that_names_files_is_tried() -> None:
    named = {
        (registration.name, name)
        for registration in registrations().values()
        for name, field in registration.options_class().model_fields.items()
        if any(word in str(field.json_schema_extra) for word in ("PATH", "FILE", "DIR"))
    }
    assert named == FILES.keys()


@pytest.mark.parametrize(("kind", "option"), list(FILES))
def test_processes_with_other_files_of_an_analysis_are_refused(kind: str, option: str, tmp_path: Path) -> None:
    calls = []
    for name in ("one", "two"):
        path = tmp_path / name / "file.json"
        path.parent.mkdir()
        path.write_text(name)
        options = registration_of(kind).options_class()(**{option: FILES[kind, option](path)})
        calls.append(partial(check_same_files, Plan(cast(Any, None), [], [planned(kind, options)])))
    said = together(*calls)
    assert f": {option}" in said[0]
    assert said[0] == said[1]


def planned(kind: str, options: AnalysisOptions) -> PlannedAnalysis:
    return PlannedAnalysis(analysis_of(kind), options, [], None, cast(Any, None))


def with_genotype(folder: Path, source: int) -> dict[str, str]:
    pairs = RELEASED.to_pairs()
    pairs[2][1] = source
    (folder / "genotype.json").write_text(json.dumps(pairs))
    return {"path": "hoga.pth", "arch": "resnet20", "genotype": "genotype.json"}


def with_classes(folder: Path, source: int) -> dict[str, str]:
    (folder / "classes.txt").write_text("\n".join(f"class {number * source}" for number in range(1, 11)))
    return {"path": "hoga.pth", "arch": "resnet20", "classes": "classes.txt"}


@pytest.mark.parametrize(
    ("write", "found"),
    [(with_genotype, "preprocessing or wiring of HOGA, code or weights of HOGA"), (with_classes, "classes of HOGA")],
    ids=["genotype", "classes"],
)
def test_processes_with_other_files_beside_a_checkpoint_are_refused(
    write: Callable[[Path, int], dict[str, str]], found: str, tmp_path: Path
) -> None:
    weights = ModelSpec("resnet20", "hoga", 10, {"width": 16}).build().state_dict()
    calls = []
    for number in (0, 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        torch.save(weights, folder / "hoga.pth")
        models = load_models({"HOGA": ModelTable(**write(folder, number))}, folder)  # type: ignore[arg-type]
        calls.append(partial(check_same_files, Plan(cast(Any, None), models, [])))
    said = together(*calls)
    assert f": {found}; give all" in said[0]
    assert said[0] == said[1]
