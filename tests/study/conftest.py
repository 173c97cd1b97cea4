"""The report of all analyses serves the tests of drawing it again, too."""

from tests.report.conftest import make_report, study, written

__all__ = ["make_report", "study", "written"]
