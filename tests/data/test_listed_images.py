from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autola_analysis.core.errors import BadImageError, DataError
from autola_analysis.data.listed import ListedImages
from tests.data.conftest import write_image


def test_files_come_as_given_and_folders_sorted(tmp_path: Path) -> None:
    for name in (
        "b.png",
        "folder/z.png",
        "folder/deep/a.png",
        "folder/.hidden.png",
        "folder/__MACOSX/._z.png",
        "folder/__MACOSX/z.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5, 6, 3), len(name), np.uint8)).save(tmp_path / name)
    (tmp_path / "folder" / "notes.txt").write_text("no image")
    source = ListedImages([tmp_path / "b.png", tmp_path / "folder"])
    assert [Path(name).name for name in source.ids] == ["b.png", "a.png", "z.png"]
    assert source.labels.tolist() == [-1, -1, -1]
    assert source.image(0).size == (6, 5)
    before = source.fingerprint()
    write_image(tmp_path / "b.png")
    assert source.fingerprint() == before  # it is taken once
    with pytest.raises(DataError, match="changed while they were read"):
        source.check_unchanged()
    assert ListedImages([tmp_path / "b.png", tmp_path / "folder"]).fingerprint() != before
    assert source.contents(0) == (tmp_path / "b.png").read_bytes()


def test_what_is_not_there_or_no_image_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no image .*nothing.png"):
        ListedImages([tmp_path / "nothing.png"])
    with pytest.raises(DataError, match="holds no image"):
        ListedImages([tmp_path])
    with pytest.raises(DataError, match="no image was given"):
        ListedImages([])
    (tmp_path / "broken.png").write_bytes(b"not an image")
    with pytest.raises(BadImageError, match=r"broken.png cannot be read as an image"):
        ListedImages([tmp_path / "broken.png"]).image(0)
