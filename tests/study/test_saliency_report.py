import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.measure import SaliencyOptions
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError, BadImageError, DataError, OptionError
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.study.saliency import Explaining, SaliencyRequest, saliency_report
from autola_analysis.study.sources import DataOptions

QUIET = Reading(Settings(device="cpu", quiet=True))
FEW = Explaining(show=2, sanity=2)


@pytest.fixture
def report(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    files = [checkpoint("none", 0), checkpoint("hoga", 0), checkpoint("hoga", 1)]
    checkpoints = [f"none={files[0]}", f"HOGA={files[1]}", f"HOGA={files[2]}"]
    out = tmp_path / "report"
    saliency_report(SaliencyRequest(checkpoints, out, explaining=FEW, data=DataOptions(limit=10), reading=QUIET))
    return out


def test_the_report_holds_what_programs_and_readers_need(report: Path) -> None:
    images = pd.read_csv(report / "tables" / "saliency_images.csv")
    assert images.columns.tolist() == [
        "model", "run", "image", "label", "predicted", "target", "score", "method", "layer", "status",
        "energy", "pointing", "iou",
    ]  # fmt: skip
    assert len(images) == 3 * 2 * 10 + 2 * 10
    metrics = pd.read_csv(report / "tables" / "saliency_metrics.csv")
    assert metrics.columns.tolist() == [
        "model", "method", "layer", "metric", "subset", "images", "mean", "ci_low", "ci_high",
    ]  # fmt: skip
    sanity = pd.read_csv(report / "tables" / "sanity.csv")
    assert {"model", "method", "randomised_to", "rank_correlation"} <= set(sanity.columns)
    assert len(sanity) == 3 * 2 * 6
    accuracy = pd.read_csv(report / "tables" / "accuracy.csv")
    right = images[images["model"] == "none"].drop_duplicates("image")
    assert accuracy["top1"][0] == pytest.approx((right["label"] == right["predicted"]).mean())
    with np.load(report / "arrays" / "saliency_maps.npz") as arrays:
        assert arrays["0/HOGA/2/grad-cam/layer3"].shape == (32, 32)
        assert arrays["1/none/1/guided-backprop/"].shape == (3, 32, 32)
    for name in ("saliency", "sanity"):
        for suffix in ("png", "pdf", "caption.txt"):
            assert (report / "figures" / f"{name}.{suffix}").stat().st_size > 50
    record = json.loads((report / "run.json").read_text())
    assert record["settings"]["target"] == "label"
    assert record["settings"]["networks"]["HOGA"]["guided_relus"] == 109
    assert any("no better than chance" in warning for warning in record["warnings"])

    caption = (report / "figures" / "saliency.caption.txt").read_text()
    for part in (
        "none, HOGA on 2 images",
        "All networks explain each image's label",
        "0.5 + 0.1 (g - mean(g)) / std(g)",
        "ReLUs inside attention gates are guided",
        "outline of the object",
    ):
        assert part in caption
    page = (report / "index.html").read_text()
    assert "Guided backpropagation is known to fail the sanity check" in page
    assert page.count('<article class="card">') == 2
    assert page.count("<figure>") == 1


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
    result = saliency_report(
        SaliencyRequest(
            [str(checkpoint("se"))],
            tmp_path / "out",
            images=[folder],
            explaining=Explaining(SaliencyOptions(("layer-cam",), ["layer1"]), tmp_path / "boxes.json"),
            reading=QUIET,
        )
    )
    assert len(result.pictures) == 3
    assert [picture.label for picture in result.pictures] == ["", "", ""]
    assert set(result.metrics["images"]) == {1}
    assert result.settings["target"] == "predicted"
    assert pd.read_csv(tmp_path / "out" / "tables" / "accuracy.csv")["top1"].isna().all()
    assert (
        "class that the first network predicts" in (tmp_path / "out" / "figures" / "saliency.caption.txt").read_text()
    )


def test_an_anonymous_report_holds_no_path_of_anybodys_machine(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    for index in range(2):
        ClutteredDigits("test", 2).image(index).save(folder / f"{index}.png")
    request = SaliencyRequest([str(checkpoint("se"))], tmp_path / "out", images=[folder], reading=QUIET, anonymous=True)
    saliency_report(request)
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    with np.load(tmp_path / "out" / "arrays" / "saliency_maps.npz") as arrays:
        written += str(arrays["about"]).encode() + str(arrays["images"]).encode()
    assert b"Guided backpropagation is known to fail" in written  # also without a sanity check
    assert b"secret" not in written
    assert str(tmp_path).encode() not in written
    assert json.loads((tmp_path / "out" / "run.json").read_text())["machine"].keys() == {"system"}
    assert set(pd.read_csv(tmp_path / "out" / "tables" / "saliency_images.csv")["image"]) == {"0.png", "1.png"}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": [Path("no.png")]}, DataError, "there is no image no.png"),
        (
            {"images": [Path("x.png")], "data": DataOptions("cluttered-digits")},
            OptionError,
            "--images or --data, not both",
        ),
        ({"scale": "both"}, OptionError, "--scale is own or shared; found 'both'"),
        ({"width": "huge"}, OptionError, "width is"),
        ({"explaining": Explaining(show=0)}, OptionError, "--show needs at least 1"),
        ({"explaining": Explaining(SaliencyOptions(("grad",)))}, AutolaError, "unknown saliency method 'grad'"),
        ({"explaining": Explaining(SaliencyOptions(target=10))}, OptionError, "class 10 is out of range"),
        ({"explaining": Explaining(boxes=Path("no.json"))}, DataError, "cannot read no.json"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    checkpoint: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], error: type[AutolaError], message: str
) -> None:
    request: dict[str, Any] = {"data": DataOptions(limit=4), "reading": QUIET, **changes}
    with pytest.raises(error, match=message):
        saliency_report(SaliencyRequest([str(checkpoint("se"))], tmp_path / "out", **request))
    assert not (tmp_path / "out").exists()


def test_an_image_that_cannot_be_decoded_stops_the_run_with_its_name(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"not an image")
    with pytest.raises(BadImageError, match=r"broken.png cannot be read"):
        saliency_report(
            SaliencyRequest([str(checkpoint("se"))], tmp_path / "out", images=[tmp_path / "broken.png"], reading=QUIET)
        )


def test_every_flag_of_the_command_reaches_the_request(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    seen: list[SaliencyRequest] = []

    def record(request: SaliencyRequest) -> None:
        seen.append(request)

    monkeypatch.setattr("autola_analysis.study.saliency.saliency_report", record)
    file = str(checkpoint("se"))
    assert entry._run(["saliency", "--ckpt", file, "--quiet"], False) == 0
    arguments = (
        f"saliency --ckpt A={file} --images a.png --images b --method gradient,layer-cam --layer layer1,layer2 "
        "--target 3 --show 4 --scale shared --boxes b.json --faithfulness --sanity 5 --plain-gates --limit 9 "
        "--seed 2 --batch-size 3 --device cpu --workers 1 --width cvpr --overwrite --anonymous --quiet "
        f"--out {tmp_path}"
    )
    assert entry._run(arguments.split(), False) == 0
    plain, full = seen
    assert (plain.images, plain.scale) == ((), "own")
    assert plain.explaining == Explaining(SaliencyOptions(["grad-cam", "guided-backprop"]), None, 6, 0, 0)
    options = SaliencyOptions(
        ["gradient", "layer-cam"], ["layer1", "layer2"], 3, guide_gates=False, faithfulness=True, seed=2
    )
    assert full.explaining == Explaining(options, Path("b.json"), 4, 5, 2)
    assert list(full.images) == [Path("a.png"), Path("b")]
    assert (full.scale, full.width, full.overwrite) == ("shared", "cvpr", True)
    assert (plain.anonymous, full.anonymous) == (False, True)
    assert (full.reading.batch_size, full.reading.workers, full.data.limit, full.data.seed) == (3, 1, 9, 2)
