import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.result import SUMMARY_COLUMNS, UNIT_COLUMNS
from autola_analysis.core.errors import DataError, LayerError, OptionError, ReportError, UnknownNameError
from autola_analysis.core.files import sha256_of
from autola_analysis.inference.run import Settings
from autola_analysis.study.models import LoadingOptions
from autola_analysis.study.selectivity import SelectivityRequest, selectivity_report
from autola_analysis.study.sources import DataOptions, title_of
from tests.data.conftest import write_image

QUIET = Reading(Settings(device="cpu", quiet=True))


@pytest.fixture
def report(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    files = [checkpoint("none", 0), checkpoint("hoga", 0), checkpoint("hoga", 1)]
    checkpoints = [f"none={files[0]}", f"HOGA={files[1]}", f"HOGA={files[2]}"]
    out = tmp_path / "report"
    selectivity_report(SelectivityRequest(checkpoints, out, data=DataOptions(limit=40), reading=QUIET))
    return out


def test_the_report_holds_what_other_programs_read(report: Path) -> None:
    units = pd.read_csv(report / "tables" / "selectivity.csv")
    summary = pd.read_csv(report / "tables" / "selectivity_summary.csv")
    accuracy = pd.read_csv(report / "tables" / "accuracy.csv")
    assert units.columns.tolist() == UNIT_COLUMNS
    assert summary.columns.tolist() == SUMMARY_COLUMNS
    assert accuracy.columns.tolist() == ["model", "run", "images", "top1", "top5", "parameters", "macs"]
    assert summary[["model", "run"]].drop_duplicates().to_numpy().tolist() == [["none", 1], ["HOGA", 1], ["HOGA", 2]]
    assert len(units) == 3 * (8 + 16 + 32)
    assert accuracy["images"].tolist() == [40] * 3
    assert accuracy["parameters"][0] < accuracy["parameters"][1]
    for name in ("selectivity.png", "selectivity.pdf", "selectivity.caption.txt"):
        assert (report / "figures" / name).stat().st_size > 100
    with np.load(report / "arrays" / "class_means.npz") as arrays:
        assert arrays["HOGA/2/layer3"].shape == (32, 10)


def test_the_record_says_where_the_numbers_come_from(report: Path) -> None:
    record = json.loads((report / "run.json").read_text())
    assert [model["spec"]["attention"] for model in record["models"]] == ["none", "hoga", "hoga"]
    assert len({model["sha256"] for model in record["models"]}) == 3
    assert record["data"]["name"] == "cluttered-digits"
    assert record["data"]["images"] == 40
    assert len(record["passes"]) == 1
    assert record["versions"]["torch"]
    assert record["outputs"]["tables/selectivity.csv"] == sha256_of(report / "tables" / "selectivity.csv")
    assert any("chance" in warning for warning in record["warnings"])


def test_contents_of_the_images_are_hashed_only_when_asked_for(
    report: Path, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    assert json.loads((report / "run.json").read_text())["data"]["contents"] is None
    data = DataOptions(limit=12, hash_contents=True)
    selectivity_report(SelectivityRequest([str(checkpoint("se"))], tmp_path / "other", data=data, reading=QUIET))
    contents = json.loads((tmp_path / "other" / "run.json").read_text())["data"]["contents"]
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
        ({"data": DataOptions("folder:/nowhere")}, DataError, "/nowhere"),
        ({"data": DataOptions("cifar10:/nowhere")}, DataError, "/nowhere"),
        ({"data": DataOptions("mnist")}, UnknownNameError, "mnist"),
        ({"data": DataOptions(limit=0)}, OptionError, "0"),
        ({"width": "wide"}, OptionError, "width is"),
        ({"loading": LoadingOptions(normalize={"": "mean"})}, UnknownNameError, "unknown normalization 'mean'"),
        ({"reading": Reading(Settings(device="gpu", quiet=True))}, OptionError, "device is 'auto', 'cpu'"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    checkpoint: Callable[..., Path], tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments = {"data": DataOptions(limit=20), "reading": QUIET, **changes}
    file = checkpoint("se")
    with pytest.raises(error, match=message) as raised:
        selectivity_report(SelectivityRequest([str(file)], tmp_path / "out", **arguments))
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_report_that_is_there_is_refused_before_any_work(report: Path, checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(ReportError, match="holds a report already"):
        selectivity_report(SelectivityRequest(["missing.pth"], report, reading=QUIET))


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
        selectivity_report(SelectivityRequest([str(file)], tmp_path / "out", data=DataOptions(data), reading=QUIET))
    assert not (tmp_path / "out").exists()
    request = SelectivityRequest(
        [str(file)], tmp_path / "out", data=DataOptions(data, skip_bad_images=True, quiet=True), reading=QUIET
    )
    selectivity_report(request)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["data"]["images"] == 5
    assert [Path(path).name for path in record["data"]["left_out"]] == ["1.png"]
    assert any("cannot be decoded" in warning for warning in record["warnings"])


def test_a_folder_needs_the_statistics_of_training(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    from autola_analysis.study.models import load_models
    from autola_analysis.study.sources import source_for

    for name in ("cat", "dog"):
        write_image(tmp_path / "pets" / name / "0.png", size=(40, 30))
    models = load_models([str(checkpoint("none"))], LoadingOptions())
    source, left_out = source_for(models, DataOptions(f"folder:{tmp_path / 'pets'}", quiet=True))
    assert left_out == ()
    assert title_of(source) == "folder pets, all split" or "pets" in title_of(source)
