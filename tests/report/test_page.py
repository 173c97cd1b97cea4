from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
from PIL import Image

from autola_analysis.report.page import _limits_of_runs, write_page
from autola_analysis.report.section import Section
from autola_analysis.report.templating import format_cell


class Outline(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(tmp_path: Path, name: str) -> Outline:
    (tmp_path / "figures").mkdir()
    Image.new("RGB", (600, 300)).save(tmp_path / "figures" / "f.png")
    write_page(
        tmp_path,
        title=f"About {name}",
        sections=[
            Section(
                "one",
                f"Section of {name}",
                figures={"f": f"Caption of {name}"},
                tables={f"Table of {name}": pd.DataFrame({"model": [name], "mean": [0.123456], "units": [1234]})},
                reading=[f"Read {name} so"],
            ),
            Section("two", "Two"),
        ],
        accuracy=pd.DataFrame({"model": [name], "run": ["1"], "top1": [0.5]}),
        data=f"images of {name}",
        record={"warnings": [f"{name} is odd"], "command": ["run", name], "written": "now"},
    )
    outline = Outline()
    outline.feed((tmp_path / "index.html").read_text())
    return outline


def test_names_are_shown_as_text_wherever_they_stand(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    outline = page(tmp_path, evil)
    images = [attributes for tag, attributes in outline.tags if tag == "img"]
    assert len(images) == 1
    assert str(images[0]["src"]).startswith("data:image/png;base64,")
    assert outline.text.count(evil) == 14


def test_the_page_asks_for_nothing_from_anywhere(tmp_path: Path) -> None:
    for _, attributes in page(tmp_path, "SE").tags:
        for attribute in ("src", "href"):
            assert str(attributes.get(attribute, "data:")).startswith(("data:", "#"))


def test_numbers_are_shown_with_four_digits_and_separated_thousands(tmp_path: Path) -> None:
    assert "0.1235" in page(tmp_path, "SE").text
    assert format_cell(1234) == "1,234"
    assert (format_cell(True), format_cell(False)) == ("yes", "no")
    assert format_cell(float("nan")) == format_cell(pd.NA) == ""


def test_variants_with_few_runs_are_named_among_the_limits() -> None:
    runs = [("SE", str(run)) for run in range(3)] + [("HOGA", "1")]
    _, said = _limits_of_runs(pd.DataFrame(runs, columns=["model", "run"]))
    assert "are here of HOGA;" in said
    assert len(_limits_of_runs(pd.DataFrame(runs[:3], columns=["model", "run"]))) == 1
