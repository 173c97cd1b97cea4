import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autola_analysis.core.errors import TrainingError
from autola_analysis.training.classification import ClassifierTraining
from autola_analysis.training.settings import Machine
from autola_analysis.training.state import WholeFiles, open_state, state_of
from autola_analysis.training.trainer import run_training
from tests.training.conftest import QUIET, short

pytestmark = pytest.mark.usefixtures("few_images")


@pytest.fixture
def unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A training that was killed after its first epoch: the checkpoint to write and the state folder."""
    out = tmp_path / "se.safetensors"
    original = ClassifierTraining.training_step

    def dies(self: ClassifierTraining, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierTraining, "training_step", dies)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            run_training(short(), out, QUIET)
    return out, tmp_path / "se.safetensors.training"


@pytest.mark.parametrize(
    ("file", "damage", "what"),
    [
        ("settings.json", lambda path: path.write_bytes(path.read_bytes()[:50]), "it is not JSON"),
        ("settings.json", lambda path: path.write_bytes(b""), "it is not JSON"),
        ("settings.json", lambda path: path.write_bytes(b"\xff\xfe{"), "it is not JSON"),
        ("settings.json", lambda path: path.write_text("[1]"), "it holds no settings"),
        ("settings.json", lambda path: path.write_text("[" * 100_000), "it is not JSON"),
        ("settings.json", lambda path: path.unlink(), "it is missing"),
        ("last.ckpt", lambda path: path.write_bytes(path.read_bytes()[:-500]), "it cannot be read"),
        ("last.ckpt", lambda path: path.write_bytes(b""), "it cannot be read"),
        ("last.ckpt", lambda path: path.write_bytes(_one_byte_changed(path.read_bytes())), "it cannot be read"),
        ("last.ckpt", lambda path: torch.save({"state_dict": {}}, path), "it holds no state of a training"),
        ("last.ckpt", lambda path: _with_state(path, {}), "it holds other tensors than the network"),
        ("last.ckpt", lambda path: _with_state(path, [1]), "it holds other tensors than the network"),
    ],
)
def test_a_damaged_folder_is_one_sentence_and_left_as_it_is(
    unfinished: tuple[Path, Path], file: str, damage: Callable[[Path], None], what: str
) -> None:
    out, state = unfinished
    damage(state / file)
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    with pytest.raises(TrainingError) as caught:
        run_training(short(), out, QUIET)
    assert str(caught.value) == (
        f"{state / file} is damaged ({what}), so the unfinished training cannot go on; "
        f"remove the folder {state} to start over, or choose another --out."
    )
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before


def test_settings_that_are_a_pipe_do_not_block(tmp_path: Path) -> None:
    state = tmp_path / "x.training"
    state.mkdir()
    os.mkfifo(state / "settings.json")
    with pytest.raises(TrainingError, match=r"settings\.json is damaged \(it cannot be read\)"):
        open_state(tmp_path / "x", {"seed": 1})


def _with_state(path: Path, tensors: object) -> None:
    torch.save({**torch.load(path, weights_only=True), "state_dict": tensors}, path)


def _one_byte_changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def test_settings_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, text: str) -> None:
        with self.open("w") as file:
            file.write(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        open_state(tmp_path / "x", {"seed": 1, "name": "a long one"})
    assert list((tmp_path / "x.training").iterdir()) == []


def test_a_state_is_written_whole_or_not_at_all(unfinished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    out, state = unfinished
    before = (state / "last.ckpt").read_bytes()

    whole = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "last.ckpt" not in path.name:
            return whole(path, content)
        whole(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        run_training(short(), out, QUIET)
    assert (state / "last.ckpt").read_bytes() == before
    assert sorted(path.name for path in state.iterdir()) == ["last.ckpt", "settings.json"]


def test_settings_stay_as_they_were_written(unfinished: tuple[Path, Path]) -> None:
    _, state = unfinished
    record = json.loads((state / "settings.json").read_text())
    assert list(record)[-5:] == ["normalize", "attention", "attention_options", "seed", "images"]


def test_a_loss_that_is_not_finite_ends_the_training_in_its_step(tmp_path: Path) -> None:
    out = tmp_path / "se.safetensors"
    with pytest.raises(TrainingError) as caught:
        run_training(short(learning_rate="1e30", warmup_epochs="0"), out, QUIET)
    assert re.fullmatch(
        r"the loss is (nan|inf) in epoch 1, step [2-5] of 5, so the training has stopped; no epoch was finished, so "
        r"nothing is kept; train again with a lower --set learning_rate, a longer --set warmup_epochs\.",
        str(caught.value),
    )
    assert list(tmp_path.iterdir()) == []


def test_the_last_good_state_is_kept(
    unfinished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out, state = unfinished
    before = (state / "last.ckpt").read_bytes()
    original = ClassifierTraining.training_step

    def breaks_the_weights(self: ClassifierTraining, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> object:
        loss = original(self, batch, index)
        return loss * float("inf") if index == 4 else loss  # the loss looked at is finite, the last update is not

    monkeypatch.setattr(ClassifierTraining, "training_step", breaks_the_weights)
    with pytest.raises(TrainingError) as caught:
        run_training(short(), out, Machine(device="cpu", precision="bf16-mixed", quiet=True))
    message = str(caught.value)
    assert message.startswith("the weights are not finite after epoch 2, step 5 of 5, so the training has stopped; ")
    assert f"{state} keeps the state after the last whole epoch; train again with" in message
    assert message.endswith(", --precision 32-true and another --out.")
    assert (state / "last.ckpt").read_bytes() == before
    monkeypatch.setattr(ClassifierTraining, "training_step", original)
    assert run_training(short(), out, QUIET)["accuracy"] >= 0
    assert out.exists()


def test_a_folder_with_other_files_is_not_taken_for_a_training(tmp_path: Path) -> None:
    state = tmp_path / "net.safetensors.training"
    state.mkdir()
    (state / "notes.md").write_text("mine")
    with pytest.raises(TrainingError, match=r"holds notes\.md and no unfinished training; move that away"):
        run_training(short(), tmp_path / "net.safetensors", QUIET)
    assert [path.name for path in state.iterdir()] == ["notes.md"]


def test_what_a_training_did_not_write_stays_when_it_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "net.safetensors"
    state = state_of(out)
    original = WholeFiles.save_checkpoint

    def with_a_note(self: WholeFiles, *arguments: Any, **options: Any) -> None:
        (state / "notes.md").write_text("mine")
        original(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WholeFiles, "save_checkpoint", with_a_note)
        run_training(short(epochs="1"), out, QUIET)
    assert out.exists()
    assert [path.name for path in state.iterdir()] == ["notes.md"]
    assert (state / "notes.md").read_text() == "mine"
    assert "stays, since it holds notes.md, which no training wrote" in caplog.text
