from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
from PIL import Image

from autola_analysis.report.page import _limits_of_runs, write_page
from autola_analysis.report.references import citation_text
from autola_analysis.report.section import Section
from autola_analysis.report.templating import breakable, format_cell
from autola_analysis.report.variants import variant_rows


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


def accuracy_of(*networks: tuple[str, str, float, float]) -> pd.DataFrame:
    """Return the accuracy of networks, given as model, run, top-1 and top-5, on 2,000 images."""
    frame = pd.DataFrame(networks, columns=["model", "run", "top1", "top5"])
    return frame.assign(images=2000, parameters=272_474, macs=40_813_184)


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
        accuracy=accuracy_of((name, "1", 0.5, 0.75)),
        data=f"images of {name}",
        named={name: f"what {name} is"},
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
    assert outline.text.count(evil) == 17


def test_the_page_asks_for_nothing_from_anywhere(tmp_path: Path) -> None:
    for _, attributes in page(tmp_path, "SE").tags:
        for attribute in ("src", "href"):
            assert str(attributes.get(attribute, "data:")).startswith(("data:", "#"))


def test_numbers_are_shown_with_four_digits_and_separated_thousands(tmp_path: Path) -> None:
    assert "0.1235" in page(tmp_path, "SE").text
    assert format_cell(1234) == "1,234"
    assert (format_cell(True), format_cell(False)) == ("yes", "no")
    assert format_cell(float("nan")) == format_cell(pd.NA) == ""


def test_a_sentence_in_a_table_may_be_broken_a_name_may_not(tmp_path: Path) -> None:
    sentence = "no other wiring of HOGA; a population has three or more of them, drawn at random"
    of_long = [attributes.get("class") for tag, attributes in page(tmp_path, sentence).tags if tag == "td"]
    assert "text sentence" in of_long
    (tmp_path / "short").mkdir()
    assert not any("sentence" in str(attributes) for _, attributes in page(tmp_path / "short", "SE").tags)


def test_variants_with_few_runs_are_named_among_the_limits() -> None:
    runs = [("SE", str(run)) for run in range(3)] + [("HOGA", "1")]
    _, said = _limits_of_runs(pd.DataFrame(runs, columns=["model", "run"]))
    assert "are here of HOGA;" in said
    assert len(_limits_of_runs(pd.DataFrame(runs[:3], columns=["model", "run"]))) == 1


def test_a_variant_has_a_row_with_mean_and_spread_in_per_cent_and_its_runs_folded_below(tmp_path: Path) -> None:
    outline = page(tmp_path, "SE")
    cells = ["SE", "50.00 %", "0.27 M", "41 M", "1", "2,000"]
    assert "".join(cells) in outline.text
    folded = [attributes for tag, attributes in outline.tags if tag == "details"]
    assert "open" not in folded[0]
    assert "272,474" in outline.text


def test_the_spread_is_the_standard_deviation_over_runs_and_missing_accuracy_is_said() -> None:
    runs = [("SE", "1", 0.90, 0.99), ("SE", "2", 0.92, 0.99), ("HOGA", "1", 0.5, float("nan"))]
    missing = ("none", "1", float("nan"), float("nan"))
    of_se, of_hoga, of_none = variant_rows(accuracy_of(*runs, missing))
    assert of_se.top1 == "91.00 ± 1.41 %"  # 2 / sqrt(2) points
    assert of_se.runs[1] == ("2", "92.00 %", "99.00 %", "272,474", "40,813,184")
    assert (of_hoga.top1, of_hoga.runs[0][2]) == ("50.00 %", "")
    assert of_none.top1 == "not measured"


def test_runs_of_unlike_size_have_the_smallest_and_the_largest_and_data_sets_rows_of_their_own() -> None:
    frame = accuracy_of(("HOGA", "1", 0.5, 1.0), ("HOGA", "2", 0.5, 1.0), ("HOGA", "1", 0.4, 1.0))
    frame["parameters"] = [270_000, 1_310_000, 270_000]
    frame["images"] = [2000, 2000, 300]
    first, second = variant_rows(frame)
    assert first.parameters == "0.27 M to 1.3 M"
    assert (second.images, second.parameters, second.top1) == (300, "0.27 M", "40.00 %")


def test_a_citation_reads_as_authors_title_place_and_year() -> None:
    entry = "@inproceedings{lee2001,\n  author = {Lee, Ann and Ng, Bo and Oz, Cy},\n  title = {{CBAM}: A \\& B},\n"
    entry += "  booktitle = {A Conference},\n  year = {2001},\n}"
    assert citation_text(entry) == "Lee, Ng and Oz, “CBAM: A & B”, A Conference, 2001"
    assert citation_text("@book{a,\n  author = {Lee, Ann},\n  title = {B},\n  year = {1},\n}") == "Lee, “B”, 1"


def test_names_of_columns_may_break_behind_an_underscore_and_stay_text() -> None:
    assert breakable("rank_<b>") == "rank_<wbr>&lt;b&gt;"
