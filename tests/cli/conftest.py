"""The report of all analyses serves the tests of what the terminal shows, too."""

from tests.report.conftest import study, written

__all__ = ["study", "written"]
