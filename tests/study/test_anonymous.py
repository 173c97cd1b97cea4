"""An anonymous report: no byte of it names a place, a person or a key of a checkpoint."""

import getpass
import io
import json
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from autola_analysis.backbones import ModelSpec
from autola_analysis.study.run import run_study
from tests.data.conftest import write_image
from tests.study.asked import QUIET

ATTENTION = """
from torch import nn
class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Conv2d(channels, channels, 1)
    def forward(self, x):
        return x * self.inner(x).sigmoid()
"""
ANALYSES: dict[str, dict[str, Any]] = {
    "selectivity": {"permutations": 1, "folds": 2},
    "saliency": {"show": 2, "methods": ["grad-cam"]},
    "embedding": {"method": "pca"},
    "evaluate": {},
    "gates": {},
}
FEW = ("selectivity", "embedding")
SECRETS = ("zqsecret", "zquser", "zqhost", "zqkey", "zqtext", "..\\", "../")


def every_byte(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the contents of all files, archives unpacked, and their names."""
    for path in folder.rglob("*"):
        yield path.name, str(path.relative_to(folder)).encode()
        if path.is_file():
            content = path.read_bytes()
            yield path.name, content
            if zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(path) as archive:
                    for name in archive.namelist():
                        array = archive.read(name)
                        yield f"{path.name}/{name}", array.replace(b"\0\0\0", b"")  # text in UTF-32
                        yield f"{path.name}/{name}", array


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a blank in its name, of a user on a host, with weights, images and an attention module."""
    folder = tmp_path / "zqsecret proj"
    for number, name in enumerate(("cat", "dog")):
        for image in range(6):
            write_image(folder / "my pets" / name / f"{image}.png", (90 * number, 40 * image, 9), (32, 32))
    (folder / "my pets" / "dog" / "broken.png").write_bytes(b"x")
    (folder / "nets").mkdir()
    (folder / "nets" / "att.py").write_text(ATTENTION)
    torch.manual_seed(0)
    own = ModelSpec("resnet20", "se", 2, {"width": 8}).build().state_dict()
    own = {name: tensor for name, tensor in own.items() if ".attention." not in name}
    for stage in range(1, 4):
        for block in range(3):
            width = 8 * 2 ** (stage - 1)
            start = f"layer{stage}.{block}.attention.inner"
            own |= {f"{start}.weight": torch.randn(width, width, 1, 1), f"{start}.bias": torch.zeros(width)}
    path = folder / "nets" / "own.pth"
    torch.save(
        {"zqkey_state": own, "zqkey_args": {"out": "/home/zquser/zqtext"}, "zqkey_note": "zqtext of zquser"}, path
    )
    monkeypatch.setattr(getpass, "getuser", lambda: "zquser")
    monkeypatch.setattr(socket, "gethostname", lambda: "zqhost")
    work = folder / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder


@pytest.mark.parametrize("relative", [False, True])
def test_no_byte_names_a_place_a_person_or_a_key(place: Path, relative: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Path("..") if relative else place
    attention = f"{start / 'nets' / 'att.py'}:Scale"
    network = str(start / "nets" / "own.pth")
    monkeypatch.setattr(
        sys, "argv", ["/zqsecret/bin/x", "study", f"--attention={attention}", "--ckpt", f"own={network}"]
    )
    study = {
        "title": "A / B",
        "data": {"pets": {"source": f"folder:{start / 'my pets'}", "skip_bad_images": True}},
        "models": {"own": {"paths": [network], "attention": attention, "normalize": "none"}},
        "analyses": [{"kind": kind, **options} for kind, options in ANALYSES.items() if not relative or kind in FEW],
    }
    run_study(study, "out", QUIET, anonymous=True)
    for name, content in every_byte(Path("out")):
        for secret in SECRETS:
            place_of = content.find(secret.encode())
            assert place_of < 0, f"{secret} in {name}: {content[max(0, place_of - 99) : place_of + 99]!r}"
    record = json.loads((Path("out") / "run.json").read_text())
    assert record["study"]["title"] == "A / B"
    assert record["command"] == ["x", "study", "--attention=att.py:Scale", "--ckpt", "own=own.pth"]
    assert "1 warnings about" in str(record["warnings"]) or "left out" in str(record["warnings"])
