from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.checkpoints import inspect_checkpoint, load_model, save_model
from autola_analysis.core.errors import CheckpointError


def test_report_holds_everything_that_was_found(saved, tiny) -> None:
    path = saved({"epoch": 7, "state_dict": {f"module.{n}": t for n, t in tiny.state_dict().items()}})
    report = inspect_checkpoint(path)
    assert report.problem is None
    assert report.spec == ModelSpec("resnet20", "none", 10, {"width": 4})
    assert report.wrappers == ("dictionary key 'state_dict'", "name prefix 'module.'")
    assert report.leftovers == ("epoch: 7",)
    assert report.dialect == "torchvision"
    assert report.tensors == len(tiny.state_dict())
    assert report.parameters == sum(parameter.numel() for parameter in tiny.parameters())
    assert (report.formats, report.size) == (("float32",), path.stat().st_size)
    assert report.sha256 == load_model(path).sha256


def test_text_shows_network_evidence_and_leftovers(saved, tiny) -> None:
    text = inspect_checkpoint(saved({"epoch": 7, "state_dict": tiny.state_dict()})).to_text()
    assert "resnet20, width=4; attention none; 10 classes" in text
    assert "epoch: 7" in text
    assert "backbone resnet20: 3x3 stem" in text


def test_recorded_facts_are_shown(tmp_path: Path, tiny) -> None:
    spec = ModelSpec("resnet20", num_classes=10, options={"width": 4})
    path = save_model(tmp_path / "m.safetensors", tiny, spec, classes="abcdefghij", source="cifar10", seed=3)
    report = inspect_checkpoint(path)
    assert (report.spec, report.classes, report.source, report.metadata) == (
        spec,
        tuple("abcdefghij"),
        "cifar10",
        {"seed": 3},
    )
    assert "cifar10" in report.to_text()


def test_html_is_escaped(saved, tiny) -> None:
    html = inspect_checkpoint(
        saved({"note": "<script>alert(1)</script>", "state_dict": tiny.state_dict()})
    )._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_names_of_recorded_facts_are_escaped(tmp_path: Path, tiny) -> None:
    spec = ModelSpec("resnet20", num_classes=10, options={"width": 4})
    report = inspect_checkpoint(save_model(tmp_path / "m.safetensors", tiny, spec))
    named = replace(report, metadata={"<script>": 1, "\x1b[2J": 2})
    assert "<script>" not in named._repr_html_()
    assert named.to_text().replace("\n", "").isprintable()


def test_a_file_whose_name_drives_terminals_is_shown_as_text(saved, tiny) -> None:
    path = saved({"state_dict": tiny.state_dict()})
    odd = path.rename(path.with_name("a\x1b]0;title\x07\nsha256  0.pth"))
    text = inspect_checkpoint(odd).to_text()
    assert text.replace("\n", "").isprintable()
    assert text.count("\nsha256  ") == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: state.pop("fc.bias"), "fc.bias"),
        (lambda state: state["fc.bias"].fill_(float("nan")), "NaN"),
        (lambda state: state.pop("conv1.weight"), "no conv1.weight"),
    ],
    ids=["missing", "nan", "no stem"],
)
def test_file_that_would_not_load_gets_a_report_with_the_reason(saved, change, problem: str) -> None:
    state = create_model("resnet20", "none", 10, width=4).state_dict()
    change(state)
    path = saved({"epoch": 1, "state_dict": state})
    report = inspect_checkpoint(path)
    assert problem in report.problem
    assert report.problem in report.to_text()
    assert report.leftovers == ("epoch: 1",)
    with pytest.raises(CheckpointError) as failure:
        load_model(path)
    assert str(failure.value) == report.problem


def test_unknown_network_gets_a_report_without_a_spec(saved) -> None:
    report = inspect_checkpoint(saved({"blocks.0.weight": torch.ones(3)}))
    assert report.spec is None
    assert "not identified" in report.to_text()
    assert "--arch" in report.problem


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_text("<html>")
    with pytest.raises(CheckpointError, match="web page"):
        inspect_checkpoint(tmp_path / "model.pth")
