"""Networks for joints by their commands: checkpoints and people; evaluation and saliency, drawn again."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from autola_analysis.analyses.evaluate.keypoints.result import CONTROL, JOINT_TABLE, KEYPOINT_TABLE
from autola_analysis.analyses.saliency.joints.result import DIFFERENCES, JOINTS, MATRIX
from autola_analysis.cli import main as entry
from autola_analysis.data.coco_export import export_coco
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.detectors import create_detector
from autola_analysis.study.redraw import redraw
from tests.pictures import assert_drawn

NAMES = ((r"^backbone\.", ""), (r"^deconvs\.", "deconv_layers."), (r"^final\.", "final_layer."))
"""From our names to those of Microsoft's code"""


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two random networks for nine joints in Microsoft's names, and five images of people in COCO's format."""
    folder = tmp_path_factory.mktemp("poses")
    for name in ("none", "se"):
        torch.manual_seed(0)
        model = create_detector("pose", "resnet18", name, 9, backbone_options={"width": 4}, channels=8)
        state = model.state_dict()
        for pattern, replacement in NAMES:
            state = {re.sub(pattern, replacement, key): tensor for key, tensor in state.items()}
        torch.save(state, folder / f"{name}.pth")
    export_coco(DigitPuppets("test", 5), folder)
    return folder


def command(kind: str, folder: Path, out: Path, *more: str) -> None:
    data = f"objects:{folder / 'annotations' / 'instances_test.json'}"
    checkpoints = ["--ckpt", f"plain={folder / 'none.pth'}", "--ckpt", f"SE={folder / 'se.pth'}"]
    reading = ["--no-cache", "--no-progress", "--device", "cpu"]
    assert entry._run([kind, *checkpoints, "--data", data, "--out", str(out), *reading, *more], False) == 0


def test_the_report_of_an_evaluation_holds_every_joint_and_the_control(poses: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command("evaluate", poses, out, "--decode-joints", "quarter", "--no-flip-test")
    metrics, joints = (pd.read_csv(out / "tables" / f"{each.name}.csv") for each in (KEYPOINT_TABLE, JOINT_TABLE))
    assert metrics.columns.tolist() == KEYPOINT_TABLE.names
    assert metrics["model"].unique().tolist() == ["plain", "SE", CONTROL]
    assert joints["joint"].unique().tolist() == [*DigitPuppets.joints.names, "all"]
    accuracy = pd.read_csv(out / "tables" / "accuracy.csv")
    assert (accuracy["top1"].isna().all(), accuracy["images"].tolist()) == (True, [5, 5])
    compared = pd.read_csv(out / "tables" / "comparison.csv")
    assert compared[compared["statistic"] == "mean_error_px"][["model", "against"]].to_numpy().tolist() == [
        ["SE", "plain"]
    ]
    record = json.loads((out / "run.json").read_text())
    assert [model["spec"]["kind"] for model in record["models"]] == ["pose"] * 2
    caption = (out / "figures" / "joints.caption.txt").read_text()
    assert "of the crops as they are by the way 'quarter'" in caption
    for name in ("keypoint_precision", "joints"):
        assert_drawn(out / "figures" / name)
    assert "How well the networks find joints" in (out / "index.html").read_text()
    redraw(out, quiet=True)
    assert (out / "figures" / "joints.caption.txt").read_text() == caption


def test_the_report_of_saliency_holds_the_joint_to_joint_matrix(poses: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command("saliency", poses, out, "--limit", "2", "--method", "odam", "--show", "1")
    joints, matrix, changes = (
        pd.read_csv(out / "tables" / f"{each.name}.csv") for each in (JOINTS, MATRIX, DIFFERENCES)
    )
    assert joints.columns.tolist()[: len(JOINTS.names)] == JOINTS.names
    assert matrix.columns.tolist() == MATRIX.names
    assert (len(matrix), len(changes)) == (2 * 81, 81)
    assert changes["against"].unique().tolist() == ["plain"]
    page = (out / "index.html").read_text()
    assert "Where the networks look when they find joints" in page
    for name in ("saliency_joints", "joint_matrix_odam"):
        assert_drawn(out / "figures" / name)
    caption = (out / "figures" / "joint_matrix_odam.caption.txt").read_text()
    redraw(out, quiet=True)
    assert (out / "figures" / "joint_matrix_odam.caption.txt").read_text() == caption
