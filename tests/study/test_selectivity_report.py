import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.result import SUMMARY, UNITS
from autola_analysis.core.errors import DataError, LayerError, OptionError, ReportError, UnknownNameError
from autola_analysis.core.files import sha256_of
from autola_analysis.core.results import read_arrays
from autola_analysis.inference.run import Settings
from autola_analysis.report.thumbnails import read_thumbnails
from autola_analysis.study.file import DataTable
from autola_analysis.study.sources import open_data
from tests.data.conftest import write_image
from tests.pictures import assert_drawn
from tests.small_networks import write_network
from tests.study.asked import asked


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    files = [write_network(folder, attention, seed) for attention, seed in (("none", 0), ("hoga", 0), ("hoga", 1))]
    checkpoints = [f"none={files[0]}", f"HOGA={files[1]}", f"HOGA={files[2]}"]
    out = folder / "report"
    asked("selectivity", checkpoints, out, limit=40)
    return out


def test_the_report_holds_what_other_programs_read(report: Path) -> None:
    units = pd.read_csv(report / "tables" / "selectivity.csv")
    summary = pd.read_csv(report / "tables" / "selectivity_summary.csv")
    accuracy = pd.read_csv(report / "tables" / "accuracy.csv")
    assert units.columns.tolist() == UNITS.names
    assert summary.columns.tolist() == SUMMARY.names
    assert accuracy.columns.tolist() == ["model", "run", "images", "top1", "top5", "parameters", "macs"]
    assert summary[["model", "run"]].drop_duplicates().to_numpy().tolist() == [["none", 1], ["HOGA", 1], ["HOGA", 2]]
    assert len(units) == 3 * (8 + 16 + 32)
    assert accuracy["images"].tolist() == [40] * 3
    assert accuracy["parameters"][0] < accuracy["parameters"][1]
    assert_drawn(report / "figures" / "selectivity")
    with np.load(report / "arrays" / "class_means.npz") as arrays:
        assert arrays["HOGA/2/layer3"].shape == (32, 10)


def test_the_record_says_where_the_numbers_come_from(report: Path) -> None:
    record = json.loads((report / "run.json").read_text())
    assert [model["spec"]["attention"] for model in record["models"]] == ["none", "hoga", "hoga"]
    assert len({model["sha256"] for model in record["models"]}) == 3
    asked_for = {name: value for name, value in SelectivityOptions(limit=40).model_dump().items() if value is not None}
    assert record["study"]["analyses"] == [{"kind": "selectivity", **asked_for}]
    assert record["data"]["images"]["name"] == "cluttered-digits"
    (only,) = record["passes"]
    assert only["images"] == 40
    assert [each["images_per_class"] for each in record["settings"]["selectivity"]] == [
        {str(number): 4 for number in range(10)}
    ] * 3
    assert record["versions"]["torch"]
    assert record["outputs"]["tables/selectivity.csv"] == sha256_of(report / "tables" / "selectivity.csv")
    assert any("chance" in warning for warning in record["warnings"])


def test_contents_of_the_images_are_hashed_only_when_asked_for(
    report: Path, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    assert json.loads((report / "run.json").read_text())["data"]["images"]["contents"] is None
    asked("selectivity", [checkpoint("se")], tmp_path / "other", data=DataTable(limit=12, hash_contents=True))
    contents = json.loads((tmp_path / "other" / "run.json").read_text())["data"]["images"]["contents"]
    assert len(contents) == 64


def test_the_pdf_embeds_truetype_text(report: Path) -> None:
    content = (report / "figures" / "selectivity.pdf").read_bytes()
    assert b"/Type3" not in content
    assert b"/FontFile2" in content


def test_the_caption_says_what_is_drawn_without_anybodys_path(report: Path) -> None:
    caption = (report / "figures" / "selectivity.caption.txt").read_text()
    for part in ("layer1, layer2, layer3", "40 images of 10 classes", "cluttered-digits, test split", "none, HOGA"):
        assert part in caption
    assert str(report.parent) not in caption


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"layers": ["layer4"]}, UnknownNameError, "no layer 'layer4'; the nearest: layer3"),
        ({"layers": ["layer1.0.bn1"]}, LayerError, "negative activity.*'layer1.0.relu'|negative activity.*nearest"),
        ({"data": DataTable(source="folder:/nowhere")}, DataError, "/nowhere"),
        ({"data": DataTable(source="cifar10:/nowhere")}, DataError, "/nowhere"),
        ({"data": DataTable(source="mnist")}, UnknownNameError, "mnist"),
        ({"limit": 0}, OptionError, "limit is a number from 1 on, or all; found 0"),
        ({"width": "wide"}, OptionError, "width is"),
        ({"how": {"normalize": ["mean"]}}, UnknownNameError, "unknown normalization 'mean'"),
        ({"reading": Reading(Settings(device="gpu", quiet=True))}, OptionError, "device is 'auto', 'cpu'"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    checkpoint: Callable[..., Path], tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments = {"limit": 20, **changes}
    file = checkpoint("se")
    with pytest.raises(error, match=message) as raised:
        asked("selectivity", [file], tmp_path / "out", **arguments)
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_report_that_is_there_is_refused_before_any_work(report: Path, checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(ReportError, match="holds a report already"):
        asked("selectivity", ["missing.pth"], report)


def test_images_that_cannot_be_decoded_stop_the_run_or_are_listed(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    for index, name in enumerate(("cat", "dog")):
        for number in range(3):
            write_image(tmp_path / "pets" / name / f"{number}.png", colour=(200 * index, 40 * number, 0), size=(32, 32))
    (tmp_path / "pets" / "dog" / "1.png").write_bytes(b"no image")
    file = checkpoint("none", num_classes=2)
    data = f"folder:{tmp_path / 'pets'}"
    with pytest.raises(DataError, match=r"dog/1\.png"):
        asked("selectivity", [file], tmp_path / "out", data=DataTable(source=data))
    assert not (tmp_path / "out").exists()
    asked("selectivity", [file], tmp_path / "out", data=DataTable(source=data, skip_bad_images=True))
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["data"]["images"]["images"] == 5
    assert [Path(path).name for path in record["data"]["images"]["left_out"]] == ["1.png"]
    assert any("cannot be decoded" in warning for warning in record["warnings"])


def test_captions_call_a_folder_by_its_name(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        write_image(tmp_path / "pets" / name / "0.png", size=(40, 30))
    data = open_data("images", DataTable(), f"folder:{tmp_path / 'pets'}", Path(), 0)
    assert data.left_out == ()
    assert data.title == f"folder pets, {data.source.split} split"
    assert data.source.split


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_page_shows_the_images_that_drive_units_by_their_names(
    checkpoint: Callable[..., Path], tmp_path: Path, anonymous: bool
) -> None:
    for index, name in enumerate(("cat", "dog")):
        for number in range(3):
            write_image(tmp_path / "pets" / name / f"{number}.png", colour=(90 * index, 40 * number, 9), size=(32, 32))
    data = DataTable(source=f"folder:{tmp_path / 'pets'}")
    file = checkpoint("none", num_classes=2)
    asked("selectivity", [file], tmp_path / "out", data=data, anonymous=anonymous, folds=0)
    names = {f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(3)}
    if anonymous:
        names = {f"{number}.png ({which})" for number in range(3) for which in (1, 2)}
    thumbnails = read_thumbnails(tmp_path / "out")
    assert set(thumbnails.places("selectivity")) == names
    assert set(read_arrays(tmp_path / "out", "top_images").about["ids"].values()) == names
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("data-thumbnail=") > 6
    assert (str(tmp_path) in page) is not anonymous
