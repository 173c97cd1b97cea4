"""Whatever a checkpoint file holds, reading it ends in a result or in one sentence, soon, and in little memory."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autola_analysis.checkpoints import inspect_checkpoint, load_model
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError, CheckpointError, OptionError
from autola_analysis.data import Preprocessing

from .checkpoint_files import Case, cases
from .conftest import chosen
from .limits import MEGABYTE, memory_growth
from .sound_files import FOREIGN

LONGEST_MESSAGE = 1000  # characters, beside the path

pytestmark = [
    pytest.mark.timeout(10),
    pytest.mark.filterwarnings("ignore:.*(deprecated|quantiz|Sparse).*"),  # torch, on what the cases make with it
]


def written(case: Case, bases: Path, folder: Path) -> Path:
    if case.base in FOREIGN and not (bases / case.base).exists():
        pytest.skip("AUTOLA_TEST_CHECKPOINTS is not set to the folder with other projects' checkpoints")
    return case.write(bases, folder)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def result_or_sentence(call: Callable[[Path], object], path: Path) -> None:
    with memory_growth() as growth:
        try:
            call(path)
        except AutolaError as error:
            check_sentence(str(error), path)
    assert growth.bytes <= 2 * size_of(path) + 64 * MEGABYTE


def check_sentence(message: str, path: Path) -> None:
    assert str(path) in message
    assert message.isprintable()
    assert message.endswith(".")
    assert "Traceback" not in message
    assert len(message) - len(str(path)) < LONGEST_MESSAGE


@pytest.mark.parametrize("case", chosen(cases(), 11), ids=str)
def test_any_file_is_read_or_refused_in_one_sentence(case: Case, bases: Path, tmp_path: Path) -> None:
    path = written(case, bases, tmp_path)
    result_or_sentence(lambda file: inspect_checkpoint(file).to_text(), path)
    result_or_sentence(lambda file: inspect_checkpoint(file)._repr_html_(), path)
    result_or_sentence(lambda file: load_model(file, device="cpu"), path)


@pytest.mark.parametrize("case", chosen(cases()[::9], 13), ids=str)
def test_the_command_writes_a_report_or_says_why_not(
    case: Case, bases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(case, bases, tmp_path)
    out = tmp_path / "out"
    status = entry._run(
        ["selectivity", "--ckpt", str(path), "--data", "cluttered-digits", "--normalize", "none", "--limit", "20",
         "--layers", "layer3", "--device", "cpu", "--quiet", "--out", str(out)],
        debug=False,
    )  # fmt: skip
    said = capsys.readouterr().err
    if status == 0:
        assert (out / "run.json").exists()
    else:
        assert status == 2
        assert said.startswith("autola-analyze: ")
        assert said.count("\n") == 1
        assert [entry.name for entry in tmp_path.iterdir()] == ([path.name] if os.path.lexists(path) else [])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("sparse", "holds sparse tensors (conv1.weight)"),
        ("quantised", "holds quantised tensors (conv1.weight)"),
        ("meta tensors", "holds empty (meta) tensors (conv1.weight)"),
        ("expanded head", "its tensors (fc.weight ...) would take"),
        ("aliased many times", "its tensors (layer4.0.conv1.weight ...) would take"),
        ("float64 overflow", "holds NaN or infinite values in layer1.0.conv1.weight"),
        ("negative variance", "holds negative variances in bn1.running_var"),
        ("odd names", r"holds a tensor with an impossible name ('a\nb\x1b[31m')"),
        ("within itself in many ways", "holds no tensors"),
        ("names that are numbers", "holds no tensors that have texts for names (its keys: 0, 1, 2, 3, 4)"),
        ("wide stem of a plain network", "bn1.weight has the shape (8,), the network's has (65536,)"),
        ("complex", "quantised and complex networks cannot be analysed"),
        ("spec of an unknown backbone", "describes a network that cannot be built here (unknown backbone 'resnet21'"),
        ("spec of reduction zero", "describes a network that cannot be built here"),
        ("spec of an endless width", "bn1.bias has the shape (8,), the network's has (16777216,)"),
        ("spec of a genotype", "wrong or incomplete record of its network (a genotype has 10"),
        ("record with two classes", "2 classes do not name the 10 outputs of the head"),
        ("record with metadata of a text", "metadata is 'fine', not of the kind dict"),
        ("record that is nested", "wrong or incomplete record of its network"),
        ("archive bomb", "the records inside would take"),
        ("archive of unreadable names", "is a damaged zip archive"),
        ("legacy pickle without a storage", "is damaged, truncated or not written by torch.save"),
    ],
)
def test_what_is_wrong_is_said(bases: Path, tmp_path: Path, kind: str, said: str) -> None:
    case = next(case for case in cases() if case.kind == kind)
    with pytest.raises(CheckpointError) as caught:
        load_model(case.write(bases, tmp_path), device="cpu")
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["counters that are floats", "odd leftovers", "slice of a large storage", "expanded"])
def test_what_is_only_odd_is_read(bases: Path, tmp_path: Path, kind: str) -> None:
    path = Case(kind, "zip.pth").write(bases, tmp_path)
    assert load_model(path, device="cpu").spec is not None
    assert inspect_checkpoint(path).problem is None
    assert inspect_checkpoint(path).to_text().replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "values",
    [{"resize": 0}, {"crop": -4}, {"crop": 3.5}, {"mean": "grey"}, {"std": (1.0, 0.0, 1.0)}, {"mean": (0.5,)},
     {"std": (1.0, float("nan"), 1.0)}, {"interpolation": "best"}],
)  # fmt: skip
def test_a_preprocessing_that_is_not_possible_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=f"^({'|'.join(values)}) "):
        Preprocessing.from_dict(values)
    with pytest.raises(OptionError):
        dataclasses.replace(Preprocessing(), **values)


def test_memory_growth_sees_what_is_freed_again() -> None:
    with memory_growth() as growth:
        torch.empty(100 * MEGABYTE, dtype=torch.uint8).fill_(1)
    assert 95 * MEGABYTE < growth.bytes < 130 * MEGABYTE
