"""Data tables of a study: where annotated images lie, what is done with bad boxes, and what the report says of it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from autola_analysis.core.errors import OptionError
from autola_analysis.report.anonymous import Cleaner
from autola_analysis.study.file import DataTable, parse_study
from autola_analysis.study.networks import loading_warnings, recorded_data
from autola_analysis.study.sources import open_data

SECRET = "clinic of st mary"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with annotations, two boxes of which leave their image, and the images elsewhere."""
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "bbox": box}
            for number, box in enumerate(([10, 10, 40, 10], [50, 10, 10, 10], [0, 0, 20, 20]))
        ],
    }
    (tmp_path / SECRET).mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / SECRET / "a.png")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.json").write_text(json.dumps(content))
    return tmp_path / "study"


@pytest.mark.parametrize("kind", ["", "object-crops:"])
def test_images_lie_elsewhere_and_the_number_of_changed_boxes_is_recorded_and_said(base: Path, kind: str) -> None:
    table = DataTable(source=f"{kind}objects:mine.json", images_root=f"../{SECRET}", bad_boxes="clip")
    data = open_data("images", table, str(table.source), base, 0)
    assert data.source.image(0).size == ((30, 30) if kind else (40, 30))
    assert recorded_data(data)["box_changes"] == {"clipped": 1, "left_out": 1}
    _, (said,) = loading_warnings([], [data])
    assert said.endswith("1 annotated box is cut at the border and 1 annotated box is left out, since "
                         "they reach beyond their images or have no area.")  # fmt: skip
    assert SECRET not in said


def test_a_source_of_images_with_labels_has_no_use_for_annotations(base: Path) -> None:
    for table in (
        DataTable(source="cluttered-digits", images_root="x"),
        DataTable(source="digit-puppets", bad_boxes="drop"),
    ):
        with pytest.raises(OptionError, match=f"is for data in COCO's format, .* and {table.source} is not"):
            open_data("images", table, str(table.source), base, 0)


def test_a_study_file_takes_both_and_an_anonymous_report_has_no_path(base: Path) -> None:
    values = {"source": "objects:mine.json", "images_root": f"/{SECRET}/images", "bad_boxes": "drop"}
    rest = {"models": {"a": {"path": "a.pth"}}, "analyses": [{"kind": "evaluate"}]}
    study = parse_study({"data": {"d": values}, **rest}).values()
    assert study["data"]["d"] | values == study["data"]["d"]
    record = {"study": study, "models": [], "warnings": [f"/{SECRET}/images/b.png is there twice"], "command": []}
    cleaned = json.dumps(Cleaner(record, base).record(record))
    assert SECRET not in cleaned
    with pytest.raises(OptionError, match=r"data\.d\.bad_boxes"):
        parse_study({"data": {"d": {**values, "bad_boxes": "keep"}}, **rest})
