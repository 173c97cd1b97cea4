"""Saved results: what comes back, what is refused, what is left after a failure."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest

from autola_analysis.core import results as module
from autola_analysis.core.columns import number, text
from autola_analysis.core.errors import AutolaError, CacheError, DataError, ReportError
from autola_analysis.core.results import (
    MANIFEST,
    Arrays,
    Format,
    SavedResult,
    Stored,
    load_result,
    read_arrays,
    read_stored,
    save_result,
    write_arrays,
    write_stored,
)
from autola_analysis.core.tables import Table

VALUES = Table("values", (text("model"), text("run"), number("value")))
EXTRA = Table("extra", (text("model"),), optional=True)
FORMAT = Format("thing", (VALUES, EXTRA), ("means", "maps"), ("features",))
NAMES = ["None", "NA", "a/b", "nan", "1"]


def stored() -> Stored:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"model": NAMES, "run": "1", "value": [*generator.random(4), float("nan")]})
    means = {f"{name}/1/layer.0": generator.random((2, 3)) for name in NAMES}
    about = [{"model": name, "run": "1", "settings": {"seed": 0, "limit": None}} for name in NAMES]
    return Stored(
        {"values": frame},
        {"means": Arrays({**means, "classes": np.array(["None", "é"])}, about)},
        {"features": generator.random((40, 3)).astype(np.float32)},
    )


def assert_same(found: Stored, expected: Stored) -> None:
    assert found.tables.keys() == expected.tables.keys()
    for name, frame in expected.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], frame, check_exact=True)
    assert found.arrays.keys() == expected.arrays.keys()
    for name, arrays in expected.arrays.items():
        assert found.arrays[name].about == arrays.about
        assert found.arrays[name].values.keys() == arrays.values.keys()
        for key, array in arrays.values.items():
            np.testing.assert_array_equal(found.arrays[name].values[key], array)
            assert found.arrays[name].values[key].dtype == array.dtype
    for name, array in expected.large.items():
        np.testing.assert_array_equal(found.large[name], array)


def test_tables_and_arrays_come_back_exactly_whatever_models_are_called(tmp_path: Path) -> None:
    save_result(tmp_path / "deep" / "saved", FORMAT, stored())
    found = load_result(tmp_path / "deep" / "saved", FORMAT)
    assert_same(found, stored())
    assert isinstance(found.large["features"], np.memmap)
    manifest = json.loads((tmp_path / "deep" / "saved" / MANIFEST).read_text())
    assert set(manifest["files"]) == {"tables/values.csv", "arrays/means.npz", "arrays/features.npy"}


def test_a_report_holds_the_same_without_a_manifest(tmp_path: Path) -> None:
    write_stored(tmp_path, FORMAT, stored())
    assert_same(read_stored(tmp_path, FORMAT), stored())
    assert not (tmp_path / MANIFEST).exists()


def test_a_result_of_its_own_class_is_saved_and_loaded(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Thing(SavedResult):
        FORMAT = Format("thing", (), ("means",))
        means: np.ndarray

        def stored(self) -> Stored:
            return Stored(arrays={"means": Arrays({"a/b": self.means})})

        @classmethod
        def restored(cls, stored: Stored) -> Self:
            return cls(stored.arrays["means"].values["a/b"])

    Thing(np.arange(3)).save(tmp_path / "saved")
    np.testing.assert_array_equal(Thing.load(str(tmp_path / "saved")).means, np.arange(3))


DAMAGE = {
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
    "manifest cut": lambda folder: (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:20]),
    "manifest of another shape": lambda folder: (folder / MANIFEST).write_text("[1]"),
    "manifest without files": lambda folder: (folder / MANIFEST).write_text('{"kind": "thing", "files": 3}'),
    "manifest is no text": lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe\x00"),
    "table gone": lambda folder: (folder / "tables" / "values.csv").unlink(),
    "table changed": lambda folder: (folder / "tables" / "values.csv").write_text("model,run,value\na,1,2\n"),
    "arrays gone": lambda folder: (folder / "arrays" / "means.npz").unlink(),
    "arrays cut": lambda folder: (folder / "arrays" / "means.npz").write_bytes(b"PK"),
    "large array gone": lambda folder: (folder / "arrays" / "features.npy").unlink(),
    "a file too many": lambda folder: (folder / "arrays" / "maps.npz").write_bytes(b"x"),
    "a folder in a file's place": lambda folder: (
        (folder / "arrays" / "means.npz").unlink(), (folder / "arrays" / "means.npz").mkdir()
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_missing_or_damaged_is_one_sentence_that_names_the_directory(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "saved"
    save_result(folder, FORMAT, stored())
    DAMAGE[damage](folder)
    with pytest.raises(DataError) as raised:
        load_result(folder, FORMAT)
    assert str(folder) in str(raised.value)
    assert "thing" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("place", ["missing", "file"])
def test_a_place_without_a_result_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"holds no saved thing result: result\.json is missing or damaged"):
        load_result(tmp_path / place, FORMAT)


def test_files_that_are_what_the_manifest_says_and_yet_unreadable_are_one_sentence(tmp_path: Path) -> None:
    save_result(tmp_path, FORMAT, stored())
    for name, content in (("means.npz", b"PK"), ("features.npy", b"\x93NUMPY")):
        kept = (tmp_path / "arrays" / name).read_bytes()
        (tmp_path / "arrays" / name).write_bytes(content)
        manifest = json.loads((tmp_path / MANIFEST).read_text())
        manifest["files"] = module._hashes(tmp_path, FORMAT)
        (tmp_path / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(DataError, match="cannot be read: arrays/") as raised:
            load_result(tmp_path, FORMAT)
        assert "\n" not in str(raised.value)
        (tmp_path / "arrays" / name).write_bytes(kept)


def test_a_result_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_result(tmp_path, FORMAT, stored())
    with pytest.raises(DataError, match="holds a thing result, not a gates result"):
        load_result(tmp_path, Format("gates", (VALUES,)))


def fails(*arguments: object) -> None:
    raise RuntimeError("killed on purpose")


def test_an_exception_while_writing_leaves_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "write_arrays", fails)
    with pytest.raises(RuntimeError, match="killed on purpose"):
        save_result(tmp_path / "saved", FORMAT, stored())
    assert not list((tmp_path / "saved").iterdir())
    with pytest.raises(DataError, match="holds no saved thing result"):
        load_result(tmp_path / "saved", FORMAT)


@pytest.mark.parametrize("step", ["write_arrays", "_hashes"])
def test_an_old_result_is_whole_until_the_new_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    save_result(tmp_path, FORMAT, stored())
    monkeypatch.setattr(module, step, fails)
    with pytest.raises(RuntimeError, match="killed on purpose"):
        save_result(tmp_path, FORMAT, Stored({"values": stored().tables["values"][:2]}, stored().arrays))
    monkeypatch.undo()
    assert_same(load_result(tmp_path, FORMAT), stored())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays", "result.json", "tables"]


def test_an_old_manifest_goes_before_any_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_result(tmp_path, FORMAT, stored())
    original, moved = Path.replace, []

    def second_fails(path: Path, target: Path) -> Path:
        assert not (tmp_path / MANIFEST).exists()
        moved.append(target)
        return fails() or target if len(moved) == 2 else original(path, target)

    monkeypatch.setattr(Path, "replace", second_fails)
    with pytest.raises(RuntimeError, match="killed on purpose"):
        save_result(tmp_path, FORMAT, stored())
    monkeypatch.undo()
    with pytest.raises(DataError, match="holds no saved thing result"):
        load_result(tmp_path, FORMAT)
    save_result(tmp_path, FORMAT, stored())
    assert_same(load_result(tmp_path, FORMAT), stored())


def test_a_result_may_be_saved_over_the_files_that_it_is_mapped_from(tmp_path: Path) -> None:
    save_result(tmp_path, FORMAT, stored())
    save_result(tmp_path, FORMAT, load_result(tmp_path, FORMAT))
    assert_same(load_result(tmp_path, FORMAT), stored())


def test_a_second_result_in_the_same_place_is_the_whole_of_it(tmp_path: Path) -> None:
    """What the second result does not have is not left over from the first."""
    first = stored()
    more = {**first.arrays, "maps": Arrays({"x/y": np.ones(2)})}
    save_result(tmp_path, FORMAT, Stored(first.tables, more, first.large))
    save_result(tmp_path, FORMAT, first)
    assert_same(load_result(tmp_path, FORMAT), first)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot write the thing result into") as raised:
        save_result(tmp_path / "file" / "saved", FORMAT, stored())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "there is no arrays/means.npz in the report; run the analysis again."),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "arrays/means.npz is damaged"),
        (lambda path: path.write_bytes(b""), "arrays/means.npz is damaged"),
        (lambda path: np.savez(path, x=np.ones(2)), "comes from a version that could not redraw"),
        (lambda path: np.savez(path, about=np.array("{")), "arrays/means.npz is damaged"),
        (lambda path: np.savez(path, about=np.array([object()])), "arrays/means.npz is damaged"),
    ],
)  # fmt: skip
def test_a_missing_or_damaged_array_file_is_one_sentence(tmp_path: Path, spoil: object, message: str) -> None:
    write_arrays(tmp_path, "means", Arrays({"x/y": np.ones(2)}, {"a": None}))
    assert read_arrays(tmp_path, "means").about == {"a": None}
    spoil(tmp_path / "arrays" / "means.npz")
    with pytest.raises(ReportError) as raised:
        read_arrays(tmp_path, "means")
    assert message in str(raised.value)
    assert isinstance(raised.value, AutolaError)
    assert "\n" not in str(raised.value)
