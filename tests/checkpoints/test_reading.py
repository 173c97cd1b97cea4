import argparse
import gzip
import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from autola_analysis.checkpoints import load_model, reading
from autola_analysis.checkpoints.formats import FileFormat
from autola_analysis.checkpoints.reading import check_finite, implausible_weights, read_checkpoint
from autola_analysis.core.errors import CheckpointError


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n <!DOCTYPE html><html>Sign in</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n", "git lfs pull"),
        (gzip.compress(b"weights", mtime=0), "gzip"),
        (b"\x89HDF\r\n\x1a\n and more", "Keras"),
        (b"just some text", "is not a checkpoint"),
        (b"\x80", "is not a checkpoint"),
        (pickle.dumps({"epoch": 3}), "torch.save did not write"),
        ((10**6).to_bytes(8, "little") + b'{"a":', "truncated"),
        ((5).to_bytes(8, "little") + b"{nojs", "damaged or truncated safetensors"),
    ],
)
def test_other_files_are_refused_with_what_they_are(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint):
        read_checkpoint(path)


def test_missing_file_and_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint file"):
        read_checkpoint(tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match="is a directory"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kept", [0.01, 0.3, 0.6, 0.99])
def test_truncated_file_is_refused(saved, tiny, zipped: bool, kept: float) -> None:
    path = saved(tiny.state_dict(), _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CheckpointError, match=r"truncated|damaged"):
        read_checkpoint(path)


def test_truncated_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    content = safetensors.torch.save({"a": torch.zeros(100)})
    path.write_bytes(content[:-30])
    with pytest.raises(CheckpointError, match="truncated safetensors"):
        read_checkpoint(path)


def test_one_flipped_bit_in_a_weight_is_noticed(saved) -> None:
    path = saved({"weight": torch.full((1000,), 7.0)})
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((4,), 7.0).numpy().tobytes()) + 400] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"record .model/data/0. does not match its checksum"):
        read_checkpoint(path)


def test_other_zip_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/model.txt", "x")
    with pytest.raises(CheckpointError, match=r"no data\.pkl"):
        read_checkpoint(path)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("ts/data.pkl", "ts/constants.pkl", "ts/code/module.py"):
            archive.writestr(name, "x")
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_checkpoint(path)


def test_recompressed_archive_reads_the_same_values(saved, tmp_path: Path) -> None:
    weights = torch.arange(5000.0)
    path, packed = saved({"weight": weights}), tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert torch.equal(read_checkpoint(packed).content["weight"], weights)


class Payload:
    ran = False

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (_run, ("payload",))


def _run(text: str) -> str:
    Payload.ran = True
    return text


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_a_file_is_named_and_does_not_run_unless_trusted(saved, zipped: bool) -> None:
    Payload.ran = False
    path = saved({"a": Payload()}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"_run\).*--trust-checkpoint"):
        read_checkpoint(path)
    assert not Payload.ran
    assert read_checkpoint(path, trust=True).content == {"a": "payload"}
    assert Payload.ran


@pytest.mark.parametrize(
    ("content", "blocked"), [(argparse.Namespace(lr=1), "argparse.Namespace"), (nn.ReLU(), "activation.ReLU")]
)
def test_refusal_names_the_blocked_class(saved, content: object, blocked: str) -> None:
    with pytest.raises(CheckpointError, match=blocked):
        read_checkpoint(saved({"args": content}))


def test_trusted_file_whose_code_is_absent_says_so(saved, monkeypatch) -> None:
    path = saved({"a": Payload()})
    monkeypatch.delitem(globals(), "_run")
    with pytest.raises(CheckpointError, match="needs code that is not installed"):
        read_checkpoint(path, trust=True)


FORMATS = ["zip", "legacy", "safetensors"]


@pytest.fixture
def weights(saved, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, bytes]:
    """A file of ones in a format, and what it would be with zeros."""
    contents = []
    for value in (0.0, 1.0):
        state = {"a": torch.full((50_000,), value)}
        path = tmp_path / "weights.pth"
        if request.param == "safetensors":
            path.write_bytes(safetensors.torch.save(state))
        else:
            path = saved(state, _use_new_zipfile_serialization=request.param == "zip")
        contents.append(path.read_bytes())
    assert len(contents[0]) == len(contents[1])
    os.utime(path, (10**9, 10**9))  # two writes within a tick of the system's clock have one time
    return path, contents[0]


@pytest.mark.parametrize("weights", FORMATS, indirect=True)
@pytest.mark.parametrize("kept", [1.0, 0.5, 0.0], ids=["rewritten", "cut off", "emptied"])
@pytest.mark.parametrize("moment", ["before it is hashed", "after it is hashed", "after it is loaded"])
def test_a_file_that_is_written_to_while_it_is_read_is_refused(
    weights: tuple[Path, bytes], kept: float, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = weights

    def write() -> None:
        path.write_bytes(other[: int(kept * len(other))])

    interfere(monkeypatch, moment, write)
    with pytest.raises(CheckpointError, match=r"was written to while it was read.*wait until it is complete"):
        read_checkpoint(path)


@pytest.mark.parametrize("weights", FORMATS, indirect=True)
@pytest.mark.parametrize("moment", ["before it is hashed", "after it is hashed"])
def test_of_a_file_that_is_replaced_the_one_that_was_opened_is_hashed_and_loaded(
    weights: tuple[Path, bytes], moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = weights
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    newer = path.with_name("newer")
    newer.write_bytes(other)
    interfere(monkeypatch, moment, lambda: newer.replace(path))
    found = read_checkpoint(path)
    assert found.sha256 == digest
    assert isinstance(found.content, dict)
    assert torch.equal(found.content["a"], torch.ones(50_000))
    assert hashlib.sha256(path.read_bytes()).hexdigest() != digest


def interfere(monkeypatch: pytest.MonkeyPatch, moment: str, act: Callable[[], object]) -> None:
    """Do something to the file once, at a moment of reading it."""
    original, load = hashlib.file_digest, {torch: torch.load, reading: reading.load}
    acted: list[object] = []

    def act_once() -> None:
        if not acted:
            acted.append(act())

    def hashing(file: Any, name: str) -> Any:
        if moment.startswith("before"):
            act_once()
        found = original(file, name)
        if moment == "after it is hashed":
            act_once()
        return found

    monkeypatch.setattr(hashlib, "file_digest", hashing)
    for module, function in load.items():

        def loading(*arguments: Any, function: Any = function, **options: Any) -> Any:
            found = function(*arguments, **options)
            act_once()
            return found

        monkeypatch.setattr(module, "load", loading)


def test_suffix_does_not_decide_the_format(tmp_path: Path, saved) -> None:
    wrong = tmp_path / "weights.pth"
    wrong.write_bytes(safetensors.torch.save({"a": torch.ones(2)}))
    assert read_checkpoint(wrong).format is FileFormat.SAFETENSORS
    assert read_checkpoint(saved({"a": torch.ones(2)}, "weights.safetensors")).format is FileFormat.TORCH_ZIP


def test_non_finite_weights_are_named() -> None:
    state = {"good": torch.ones(2), "bad": torch.tensor([1.0, float("nan")]), "worse": torch.tensor(float("-inf"))}
    with pytest.raises(CheckpointError, match="in bad, worse;"):
        check_finite(state, Path("file"))
    check_finite({"good": torch.ones(2), "count": torch.tensor(3)}, Path("file"))


def test_model_with_a_nan_weight_does_not_load(saved, tiny) -> None:
    state = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"layer2\.0\.conv1\.weight"):
        load_model(saved(state))


def test_a_flipped_bit_of_an_exponent_is_warned_about() -> None:
    bits = torch.tensor([-0.22, 0.01]).view(torch.int32)
    bits[0] ^= 1 << 30
    damaged = bits.view(torch.float32)
    assert torch.isfinite(damaged).all()
    sound = {"bn.running_var": torch.tensor([1e9]), "count": torch.tensor(10**15), "none": torch.empty(0)}
    assert implausible_weights(sound) == []
    assert implausible_weights({"conv.weight": damaged, **sound}) == [
        "conv.weight holds values beyond 1e+12; the file may be damaged"
    ]


def test_half_precision_is_too_narrow_for_a_damaged_exponent_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(tensor: torch.Tensor) -> None:
        pytest.fail(f"{tensor.dtype} was converted")

    monkeypatch.setattr(torch.Tensor, "float", refused)
    half = {"half": torch.tensor([-65504.0], dtype=torch.float16)}
    assert implausible_weights(half) == []
    assert implausible_weights({**half, "brain": torch.tensor([1.0, -1e20], dtype=torch.bfloat16)}) == [
        "brain holds values beyond 1e+12; the file may be damaged"
    ]
