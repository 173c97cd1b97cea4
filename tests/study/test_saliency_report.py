import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.result import IMAGES, METRICS_TABLE, metric_table
from autola_analysis.analyses.saliency.sanity.result import BASELINES, SANITY
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError, BadImageError, DataError, OptionError, UnknownNameError
from autola_analysis.core.tables import read_table
from autola_analysis.data import ClutteredDigits
from autola_analysis.study.file import DataTable, StudyFile
from tests.pictures import assert_drawn
from tests.study.asked import asked


@pytest.fixture
def report(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    files = [checkpoint("none", 0), checkpoint("hoga", 0), checkpoint("hoga", 1)]
    checkpoints = [f"none={files[0]}", f"HOGA={files[1]}", f"HOGA={files[2]}"]
    out = tmp_path / "report"
    asked("saliency", checkpoints, out, limit=10, show=2, sanity=2, sanity_draws=3)
    return out


def test_the_report_holds_what_programs_and_readers_need(report: Path) -> None:
    images = pd.read_csv(report / "tables" / "saliency_images.csv")
    assert images.columns.tolist() == [
        *IMAGES.names, "precision", "auc", "energy", "effective_area", "pointing", "iou", "offset_x", "offset_y",
        "ceiling",
    ]  # fmt: skip
    assert IMAGES.names == [
        "model", "run", "image", "label", "predicted", "target", "score", "method", "layer", "status",
    ]  # fmt: skip
    assert len(images) == 3 * 2 * 10 + 2 * 10
    metrics = pd.read_csv(report / "tables" / "saliency_metrics.csv")
    assert metrics.columns.tolist() == METRICS_TABLE.names == [
        "model", "method", "layer", "metric", "subset", "images", "mean", "ci_low", "ci_high",
    ]  # fmt: skip
    again = metric_table(read_table(report, IMAGES), images.columns[len(IMAGES.names) :])
    pd.testing.assert_frame_equal(again, read_table(report, METRICS_TABLE), check_exact=True)
    sanity = pd.read_csv(report / "tables" / "sanity.csv")
    assert sanity.columns.tolist() == SANITY.names
    assert len(sanity) == 2 * 2 * 6  # of the first run of each variant
    baselines = pd.read_csv(report / "tables" / "sanity_baselines.csv")
    assert baselines.columns.tolist() == BASELINES.names
    assert baselines["baseline"].tolist() == ["other images"] * 2 + ["other images", "other runs"] * 2
    with np.load(report / "arrays" / "sanity_check.npz") as arrays:
        assert arrays["HOGA/1/grad-cam/layer3/fc"].shape == (3, 2)
    accuracy = pd.read_csv(report / "tables" / "accuracy.csv")
    right = images[images["model"] == "none"].drop_duplicates("image")
    assert accuracy["top1"][0] == pytest.approx((right["label"] == right["predicted"]).mean())
    with np.load(report / "arrays" / "saliency_maps.npz") as arrays:
        assert arrays["0/HOGA/2/grad-cam/layer3"].shape == (32, 32)
        assert arrays["1/none/1/guided-backprop/"].shape == (3, 32, 32)
    for name in ("saliency", "sanity"):
        assert_drawn(report / "figures" / name)
    record = json.loads((report / "run.json").read_text())
    assert record["settings"]["saliency"]["target"] == "label"
    assert record["settings"]["saliency"]["networks"]["HOGA"]["guided_relus"] == 37
    assert any("no better than chance" in warning for warning in record["warnings"])

    caption = (report / "figures" / "saliency.caption.txt").read_text()
    for part in (
        "none, HOGA on 2 images",
        "All networks explain each image's label",
        "The images are drawn at random, classes in proportion (seed 0), before any map was made.",
        "Of each variant the first run is shown (none: run 1 of 1, HOGA: run 1 of 2).",
        "a layer's cells divide the image among them",
        "0.5 + 0.1 (g - mean(g)) / std(g)",
        "ReLUs inside attention gates are guided",
        "outline of the object",
    ):
        assert part in caption
    page = (report / "index.html").read_text()
    assert "Guided backpropagation is known to fail the sanity check" in page
    assert page.count('<article class="card">') == 2
    assert page.count("<figure>") == 2  # of the claims and of the sanity check


def test_image_files_are_explained_without_labels_and_with_boxes(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(3):
        ClutteredDigits("test", 3).image(index).save(folder / f"{index}.png")
    coco = {
        "images": [{"id": 1, "file_name": "0.png"}],
        "annotations": [{"image_id": 1, "bbox": [4, 4, 20, 20]}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    report = asked(
        "saliency",
        [checkpoint("se")],
        tmp_path / "out",
        images=[folder],
        methods=["layer-cam"],
        layers=["layer1"],
        boxes=tmp_path / "boxes.json",
    )
    result = report.results.of["saliency"]
    assert len(result.pictures) == 3
    assert [picture.label for picture in result.pictures] == ["", "", ""]
    assert set(result.metrics["images"]) == {1}
    assert result.settings["target"] == "predicted"
    assert pd.read_csv(tmp_path / "out" / "tables" / "accuracy.csv")["top1"].isna().all()
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {name: each["images"] for name, each in record["data"].items()} == {"image files": 3}
    assert (
        "class that the first network predicts" in (tmp_path / "out" / "figures" / "saliency.caption.txt").read_text()
    )


def test_an_anonymous_report_holds_no_path_of_anybodys_machine(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "secret" / "photographs"
    folder.mkdir(parents=True)
    (tmp_path / "secret" / "boxes.json").write_text('{"images": [], "annotations": []}')
    for index in range(2):
        ClutteredDigits("test", 2).image(index).save(folder / f"{index}.png")
    asked(
        "saliency",
        [checkpoint("se")],
        tmp_path / "out",
        images=[folder],
        boxes=tmp_path / "secret" / "boxes.json",
        anonymous=True,
    )
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    with np.load(tmp_path / "out" / "arrays" / "saliency_maps.npz") as arrays:
        written += str(arrays["about"]).encode() + str(arrays["images"]).encode()
    assert b"Guided backpropagation is known to fail" in written  # also without a sanity check
    assert b"secret" not in written
    assert str(tmp_path).encode() not in written
    assert json.loads((tmp_path / "out" / "run.json").read_text())["machine"].keys() == {"system"}
    assert set(pd.read_csv(tmp_path / "out" / "tables" / "saliency_images.csv")["image"]) == {"0.png", "1.png"}


def test_photographs_without_labels_are_spoken_of_as_such_and_bad_ones_left_out(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(2)]
    for index, path in enumerate(paths):
        ClutteredDigits("test", 2).image(index).save(path)
    (tmp_path / "broken.png").write_bytes(b"not an image")
    report = asked(
        "saliency",
        [checkpoint("se"), checkpoint("none")],
        tmp_path / "out",
        images=[*paths, tmp_path / "broken.png"],
        methods=["gradient"],
        data=DataTable(skip_bad_images=True),
    )
    assert [picture.image for picture in report.results.of["saliency"].pictures] == list(map(str, paths))
    page = (tmp_path / "out" / "index.html").read_text()
    assert "2 images, without labels" in page
    for absent in ("0 classes", "wrong</span>", '<th scope="col">top1', "Precision and AUC"):
        assert absent not in page
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["data"]["image files"]["left_out"] == [str(tmp_path / "broken.png")]
    assert any("1 images cannot be decoded and are left out" in warning for warning in record["warnings"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": ["no.png"]}, DataError, r"there is no image no\.png"),
        ({"scale": "both"}, OptionError, "scale is one of own, shared; found 'both'"),
        ({"grid": "half"}, OptionError, "grid is one of stretched, receptive-field; found 'half'"),
        ({"width": "huge"}, OptionError, "width is"),
        ({"show": 0}, OptionError, "show is a number from 1 on; found 0"),
        ({"methods": ["grad"]}, UnknownNameError, "saliency: unknown saliency method 'grad'"),
        ({"target": 10}, OptionError, "saliency: target class 10 is out of range"),
        ({"boxes": "no.json"}, DataError, r"cannot read no\.json"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    error: type[AutolaError],
    message: str,
) -> None:
    monkeypatch.setattr(ClutteredDigits, "image", lambda *_: pytest.fail("an image was decoded"))
    with pytest.raises(error, match=message) as raised:
        asked("saliency", [checkpoint("se")], tmp_path / "out", **{"limit": 4, **changes})
    assert "\n" not in str(raised.value)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


def test_images_and_a_data_source_together_are_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    file = str(checkpoint("se"))
    ClutteredDigits("test", 1).image(0).save(tmp_path / "x.png")
    arguments = ["saliency", "--ckpt", file, "--images", str(tmp_path / "x.png"), "--data", "cluttered-digits"]
    with pytest.raises(OptionError, match="saliency names images of its own and data; give one of them"):
        entry._run([*arguments, "--quiet", "--out", str(tmp_path / "out")], True)
    assert not (tmp_path / "out").exists()


def test_an_image_that_cannot_be_decoded_stops_the_run_with_its_name(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"not an image")
    with pytest.raises(BadImageError, match=r"broken.png cannot be read"):
        asked("saliency", [checkpoint("se")], tmp_path / "out", images=[tmp_path / "broken.png"])
    assert not (tmp_path / "out").exists()


def test_every_flag_of_the_command_reaches_the_study(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    seen: list[tuple[StudyFile, Path, Reading, dict[str, Any]]] = []
    monkeypatch.setattr("autola_analysis.study.run.run_study", lambda *given, **how: seen.append((*given, how)))
    file = str(checkpoint("se"))
    assert entry._run(["saliency", "--ckpt", file, "--quiet"], False) == 0
    arguments = (
        f"saliency --ckpt A={file} --images a.png --images b --method gradient,layer-cam --layer layer1,layer2 "
        "--target 3 --show 4 --grid receptive-field --scale shared --boxes b.json --faithfulness --sanity 5 "
        "--sanity-draws 7 --plain-gates --limit 9 --seed 2 --batch-size 3 --device cpu --workers 1 --width cvpr "
        f"--overwrite --anonymous --quiet --out {tmp_path}"
    )
    assert entry._run(arguments.split(), False) == 0
    (plain, *_, plain_how), (full, out, reading, how) = seen
    assert plain.analyses[0].options == SaliencyOptions()
    assert full.analyses[0].options == SaliencyOptions(
        images=["a.png", "b"],
        methods=["gradient", "layer-cam"],
        layers=["layer1", "layer2"],
        grid="receptive-field",
        target=3,
        show=4,
        scale="shared",
        boxes="b.json",
        faithfulness=True,
        sanity=5,
        sanity_draws=7,
        guide_gates=False,
        limit=9,
    )
    assert (full.seed, full.width, out, list(full.models)) == (2, "cvpr", tmp_path, ["A"])
    of_a_command = {"base": None, "only": None}
    assert how == {"overwrite": True, "anonymous": True, **of_a_command}
    assert plain_how == {"overwrite": False, "anonymous": False, **of_a_command}
    assert (reading.batch_size, reading.workers, reading.settings.device) == (3, 1, "cpu")
