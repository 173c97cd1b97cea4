from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from autola_analysis import ModelSpec, create_model, inspect_checkpoint, load_model, save_model
from autola_analysis.core.errors import CheckpointError, OptionError
from autola_analysis.study.command import model_tables, per_variant, split_named_path
from autola_analysis.study.models import StudyModel, load_models
from autola_analysis.study.networks import loading_warnings


def loaded(checkpoints: Sequence[str], **how: Sequence[str]) -> list[StudyModel]:
    """Load the checkpoints of a command line."""
    return load_models(model_tables(checkpoints, how), Path())


def test_an_existing_file_is_a_path_and_otherwise_the_first_equals_sign_splits(tmp_path: Path) -> None:
    odd = tmp_path / "epoch=9-step=90.ckpt"
    assert split_named_path(f"HOGA={odd}") == ("HOGA", odd)
    odd.write_bytes(b"")
    assert split_named_path(str(odd)) == ("epoch=9-step=90", odd)
    assert split_named_path(f"HOGA={odd}") == ("HOGA", odd)
    assert split_named_path("a/b.pth") == ("b", Path("a/b.pth"))


def test_one_name_with_several_files_makes_training_runs(checkpoint: Callable[..., Path]) -> None:
    files = [checkpoint("se", 0), checkpoint("se", 1), checkpoint("none", 0)]
    models = loaded([f"SE={files[0]}", f"SE={files[1]}", f"plain={files[2]}"])
    assert [(m.variant.name, m.variant.run) for m in models] == [("SE", "1"), ("SE", "2"), ("plain", "1")]


def test_the_same_file_twice_is_refused(checkpoint: Callable[..., Path]) -> None:
    file = checkpoint("se")
    with pytest.raises(OptionError, match="are the same checkpoint; give each training once"):
        loaded([f"A={file}", f"B={file}"])
    with pytest.raises(OptionError, match="no checkpoint was given"):
        loaded([])


def test_two_sets_of_weights_of_one_file_are_two_variants(tmp_path: Path) -> None:
    networks = [create_model("resnet20", num_classes=4, width=4) for _ in range(2)]
    file = tmp_path / "both.pth"
    torch.save({"model": networks[0].state_dict(), "model_ema": networks[1].state_dict()}, file)
    with pytest.raises(CheckpointError, match="'model', 'model_ema'"):
        loaded([f"plain={file}"])
    models = loaded([f"plain={file}", f"EMA={file}"], weights=["plain=model", "EMA=model_ema"])
    for model, network in zip(models, networks, strict=True):
        assert torch.equal(model.variant.model.fc.weight, network.fc.weight)
    with pytest.raises(OptionError, match="are the same checkpoint"):
        loaded([f"A={file}", f"B={file}"], weights=["model"])


def test_a_missing_file_is_named_whole(tmp_path: Path) -> None:
    for text in (f"{tmp_path}/epoch=9-step=90.ckpt", "epoch=9-step=90.ckpt", f"SE={tmp_path}/se.pth"):
        with pytest.raises(CheckpointError, match="there is no checkpoint file") as refused:
            loaded([text])
        assert text in str(refused.value)
    with pytest.raises(CheckpointError, match=r"there is no checkpoint file absent\.pth; check the path"):
        loaded(["absent.pth"])


def test_a_path_may_begin_with_the_home_directory(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = checkpoint("se")
    monkeypatch.setenv("HOME", str(file.parent))
    short = f"~/{file.name}"
    (model,) = loaded([f"SE={short}"])
    assert model.loaded.path == file
    assert load_model(short).path == inspect_checkpoint(short).path == file
    for call in (load_model, inspect_checkpoint, lambda path: loaded([path])):
        with pytest.raises(OptionError, match="home of a user that is not known here; write it out"):
            call("~nobody-of-this-name/m.pth")


def test_files_that_would_share_a_name_and_runs_of_different_networks_are_refused(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    for folder, attention in (("a", "se"), ("b", "none")):
        (tmp_path / folder).mkdir()
        checkpoint(attention).rename(tmp_path / folder / "last.safetensors")
    files = [str(tmp_path / folder / "last.safetensors") for folder in ("a", "b")]
    with pytest.raises(OptionError, match="would both be called 'last'; give NAME=PATH"):
        loaded(files)
    with pytest.raises(OptionError, match="different networks and cannot be runs of one variant 'X'"):
        loaded([f"X={file}" for file in files])
    assert len(loaded([f"A={files[0]}", f"B={files[1]}"])) == 2


@pytest.mark.parametrize("name", ["None", "nan", "a\nb", "x" * 61])
def test_names_that_tables_or_figures_would_lose_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="cannot name a variant"):
        loaded([f"{name}=a.pth"])


def test_options_are_for_all_variants_or_for_one() -> None:
    names = ["A", "B"]
    assert per_variant(["imagenet"], names, "--normalize") == {"": "imagenet"}
    assert per_variant(["A=none", "imagenet"], names, "--normalize") == {"A": "none", "": "imagenet"}
    assert per_variant(["epoch=9=none"], ["epoch", "epoch=9"], "--normalize") == {"epoch=9": "none"}
    with pytest.raises(OptionError, match="no --ckpt is named 'C'; names: A, B"):
        per_variant(["C=none"], names, "--normalize")
    with pytest.raises(OptionError, match="--normalize is given twice for A: none, imagenet"):
        per_variant(["A=none", "A=imagenet"], names, "--normalize")


def test_normalization_reaches_the_variant_it_was_given_for(checkpoint: Callable[..., Path]) -> None:
    files = [checkpoint("se"), checkpoint("none")]
    first, second = loaded([f"A={files[0]}", f"B={files[1]}"], normalize=["A=imagenet"])
    assert first.variant.preprocessing.mean == (0.485, 0.456, 0.406)
    assert second.variant.preprocessing.mean == (0.0, 0.0, 0.0)


def test_one_training_saved_three_times_is_no_three_runs(tmp_path: Path) -> None:
    network = create_model("resnet20", num_classes=4, width=4)
    files = []
    for epoch in (7, 8, 9):
        files.append(tmp_path / f"epoch{epoch}.pth")
        torch.save({"epoch": epoch, "state_dict": network.state_dict()}, files[-1])
    with pytest.raises(OptionError, match=r"epoch8\.pth and .*epoch7\.pth hold the same weights; give each"):
        loaded([f"plain={file}" for file in files])


def test_epochs_of_one_training_are_warned_about_by_their_seed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = ModelSpec("resnet20", "se", 4, {"width": 4})
    files = []
    for number, seed in enumerate((3, 3, 4)):
        files.append(tmp_path / f"{number}.safetensors")
        save_model(files[-1], model=spec.build(), spec=spec, recipe={"name": "mine", "epochs": 2}, seed=seed)
    models = loaded([f"SE={files[0]}", f"SE={files[1]}", f"SE={files[2]}"])
    (warning,), left_out = loading_warnings(models, [])
    assert left_out == []
    assert warning.startswith("SE: 0.safetensors and 1.safetensors record the same training (seed 3); ")
    apart = loaded([f"A={files[0]}", f"B={files[1]}"])
    assert loading_warnings(apart, []) == ([], [])
