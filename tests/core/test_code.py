"""Which rooms of this package address what is cached."""

from autola_analysis.core.code import NUMERICAL, PACKAGE


def test_every_room_that_numbers_of_a_pass_come_from_addresses_them() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    shown_or_made_before = {"cli", "report", "study", "search", "training"}
    assert rooms - set(NUMERICAL) == shown_or_made_before
