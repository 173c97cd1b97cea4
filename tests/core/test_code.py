"""Which rooms of this package address what is cached."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autola_analysis.core import code
from autola_analysis.core.code import NUMERICAL, PACKAGE, numerical_code


def test_every_room_that_numbers_of_a_pass_come_from_addresses_them() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    shown_or_made_before = {"cli", "report", "study", "search", "training"}
    assert rooms - set(NUMERICAL) == shown_or_made_before


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of one file in each of its rooms, in the place of this one."""
    for path in PACKAGE.glob("*/__init__.py"):
        (tmp_path / path.parent.name).mkdir()
        (tmp_path / path.parent.name / "room.py").write_text("BATCH = 1\n")
    monkeypatch.setattr(code, "PACKAGE", tmp_path)
    yield tmp_path
    numerical_code.cache_clear()


@pytest.mark.parametrize("room", ["detectors", *(room for room in NUMERICAL if room != "detectors")])
def test_an_edit_of_a_room_is_another_address(package: Path, room: str) -> None:
    def code_now() -> dict[str, str]:
        numerical_code.cache_clear()
        return numerical_code()

    before = code_now()
    assert code_now() == before
    (package / room / "room.py").write_text("BATCH = 2\n")
    assert code_now() != before
