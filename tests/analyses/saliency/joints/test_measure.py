"""Networks for joints explained: planted ones whose maps lie where they read, matrices, saving, refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.analysis import Saliency
from autola_analysis.analyses.saliency.explain_joints import HALF
from autola_analysis.analyses.saliency.joints.compared import joint_lines, joint_statistics
from autola_analysis.analyses.saliency.joints.localise import JOINT_METRICS, PREDICTED, localise_joint
from autola_analysis.analyses.saliency.joints.matrix import square
from autola_analysis.analyses.saliency.joints.result import JointSaliencyResult
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.core.tables import rows_of
from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.report.sheet import Sheet
from tests.analyses.evaluate.detection.planted import FindsColours
from tests.analyses.evaluate.keypoints.planted import AS_IT_IS, JOINTS, READING, Dots, FindsDots

AT = {"layers": ["layer1"], "reading": READING}


class Looks(FindsDots):
    """The maps of dots; that of the right hand is the mean of all red, so that its score looks at the head alone.

    Args:
        at_head: Whether the right hand's map is that of the head.
    """

    def __init__(self, at_head: bool = True) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
        self.layer1[0].weight.data = torch.eye(3)[..., None, None]
        self.at_head = at_head

    def forward(self, images: Tensor) -> Tensor:
        seen = self.layer1(images)
        maps = super().forward(seen)
        if self.at_head:
            head = seen[:, :1].mean((2, 3), keepdim=True).expand(-1, -1, *maps.shape[2:])
            maps = torch.cat([maps[:, :2], head], 1)
        return maps


def looking(at_head: bool = True, name: str = "model", run: str = "1") -> Variant:
    return Variant(Looks(at_head).eval(), name, run, preprocessing=AS_IT_IS)


@pytest.fixture(scope="module")
def result() -> JointSaliencyResult:
    models = [looking(False, "own"), looking(True, "head")]
    return measure_saliency(models, Dots(), methods=["grad-cam"], show=2, **AT)


def test_the_joint_whose_score_reads_another_has_the_one_cell_beside_the_diagonal(result: JointSaliencyResult) -> None:
    own, head = (square(rows_of(result.matrix, model=name), "energy", JOINTS.names) for name in ("own", "head"))
    np.testing.assert_allclose(own, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(head, [[1, 0, 0], [0, 1, 0], [1, 0, 0]], atol=1e-6)
    change = square(result.differences, "difference", JOINTS.names)
    np.testing.assert_allclose(change, head - own, atol=1e-6)
    people = square(rows_of(result.matrix, model="own"), "people", JOINTS.names)
    assert people.tolist() == [[6, 6, 5], [6, 6, 5], [5, 5, 5]]


def test_maps_lie_on_the_joint_that_is_read(result: JointSaliencyResult) -> None:
    rows = result.joints[(result.joints["method"] == "grad-cam")].set_index(["model", "joint"])
    assert (rows.loc[[("own", name) for name in JOINTS.names], "energy_disc"] > 0.999).all()
    of_hand = rows.loc[("head", "right_hand")]
    assert (of_hand["energy_disc"] < 1e-6).all()
    assert (of_hand["energy_partner"] < 1e-6).all()
    assert (of_hand["energy_other"] > 0.999).all()
    assert (of_hand["odi"] == 1).all()
    assert rows.loc[("head", "head"), "energy_partner"].isna().all()  # a head has no other side
    assert (
        rows.loc[("own", "head"), "support"].between(0.01, 0.1).all()
    )  # 9 x 9 of 64 x 64 cells, one of three channels
    assert (of_hand["support"] == 1).all()
    assert len(result.joints[result.joints["model"] == "chance"]) == 2 * 17


def test_the_explained_cell_and_the_error_are_in_pixels_of_the_stored_image(result: JointSaliencyResult) -> None:
    source = Dots()
    rows = rows_of(result.joints, model="own", method="grad-cam")
    for row in rows.to_dict("records"):
        people = source.objects(source.ids.index(row["image"]))
        x, y, _ = people.keypoints[row["person"], JOINTS.names.index(row["joint"])]
        assert np.hypot(row["x"] - x, row["y"] - y) < 1.5
        assert row["found"]
        assert row["error_px"] < 2
    assert rows_of(result.joints, model="head", method="grad-cam", joint="right_hand")["found"].sum() == 0


def test_metrics_of_a_joint_by_hand() -> None:
    """Four pixels: the joint's, its partner's, another joint's, nobody's."""
    discs = np.zeros((3, 1, 4), dtype=bool)
    discs[0, 0, 0] = discs[1, 0, 1] = discs[2, 0, 2] = True
    maps = np.array([[[0.4, 0.3, 0.2, 0.1]]])
    found = localise_joint(maps, discs, 0, 1, discs[2])
    assert list(found) == list(JOINT_METRICS)
    expected = {"precision": 1, "energy_disc": 0.4, "energy_partner": 0.3, "energy_other": 0.2, "odi": 0.5 / 0.9,
                "energy_predicted": 0.2, "pointing_strict": 1}  # fmt: skip
    assert {name: found[name][0] for name in expected} == pytest.approx(expected)
    discs[2, 0, :] = [True, True, True, False]  # what lies on two discs counts for the joint, then for its partner
    assert localise_joint(maps, discs, 0, 1, discs[2])["energy_other"][0] == pytest.approx(0.2)
    discs[2, 0, :2] = False
    alone = localise_joint(maps, discs, 2, None, discs[2])
    assert np.isnan(alone["energy_partner"][0])
    assert alone["energy_other"][0] == pytest.approx(0.7)


def test_batches_decide_nothing_and_the_model_is_as_before(result: JointSaliencyResult) -> None:
    model = Looks().train()
    variant = Variant(model, "head", preprocessing=AS_IT_IS)
    again = measure_saliency(
        variant, Dots(), methods=["grad-cam"], layers=["layer1"], reading=Reading(READING.settings, 5)
    )
    wanted = rows_of(result.joints, model="head", method="grad-cam")
    found = rows_of(again.joints, model="head", method="grad-cam")
    pd.testing.assert_frame_equal(found.reset_index(drop=True), wanted.reset_index(drop=True), atol=1e-6)
    assert model.training
    assert not model.layer1[0]._forward_hooks
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_people_are_cut_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, cut_out = [], PersonCrops.__init__

    def counted(self: PersonCrops, *given: object) -> None:
        made.append(given)
        cut_out(self, *given)

    monkeypatch.setattr(PersonCrops, "__init__", counted)
    variant = Variant(Looks(), preprocessing=AS_IT_IS)
    measure_saliency(variant, Dots(), methods=["gradient"], reading=READING)
    assert len(made) == 1


def test_peaks_are_explained_where_they_are_asked_for() -> None:
    off = Variant(FindsDots(4).eval(), preprocessing=AS_IT_IS)
    found = {
        target: measure_saliency(off, Dots(), methods=["gradient"], target=target, reading=READING)
        for target in ("label", "predicted")
    }  # fmt: skip
    label, peak = (rows_of(each.joints, method="gradient") for each in found.values())
    assert (peak["score"].to_numpy() == peak["peak"].to_numpy()).all()
    assert (label["score"] < label["peak"]).all()
    assert (peak["x"] - label["x"]).mean() == pytest.approx(8 / (64 / 62.5), abs=0.5)  # four cells of two pixels


def test_variants_are_compared_on_the_joints_that_all_find(result: JointSaliencyResult) -> None:
    statistics, remarks = joint_statistics(result)
    energy = next(each for each in statistics if each.name == "grad-cam energy_disc")
    assert set(energy.values) == {"own", "head"}
    assert "every network finds" in remarks[0]
    lines = joint_lines(result)
    assert [row[0] for row in lines.rows] == ["own", "own", "head", "head", "chance", "chance"]
    assert lines.rows[1][1] == PREDICTED


def test_what_the_result_keeps_gives_its_tables_again_and_survives_saving(
    result: JointSaliencyResult, tmp_path: Path
) -> None:
    shares = result.shares["head/1/grad-cam/layer1"]
    images = result.shares["images"]
    of_images = [np.nanmean(shares[images == image, 2, 0]) for image in (0, 1, 3)]
    row = rows_of(result.matrix, model="head", joint="right_hand", other="head")
    assert row["energy"].item() == pytest.approx(np.mean(of_images))
    write_stored(tmp_path, Saliency.format, Saliency().store(result))
    again = Saliency().restore(read_stored(tmp_path, Saliency.format))
    assert isinstance(again, JointSaliencyResult)
    pd.testing.assert_frame_equal(again.matrix, result.matrix)
    np.testing.assert_array_equal(again.pictures[0].panels[0].map, result.pictures[0].panels[0].map)
    options = SaliencyOptions(methods=["grad-cam"], show=2)
    (section,) = Saliency().sections(again, Sheet(tmp_path, "dots, test split", options=options))
    assert {"joint_matrix_grad-cam", "saliency_joints"} <= {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert " hand" in section.body


class Unread(Dots):
    """Dots whose images nobody may read: what is refused is refused before."""

    def image(self, index: int) -> None:
        raise AssertionError("the pass has begun")


class Imprecise(Unread):
    joints = replace(JOINTS, sigmas=None)


class Larger(Looks):
    input_size = (64, 96)


@pytest.mark.parametrize(
    ("model", "source", "values", "message"),
    [
        (FindsDots(joints=4), Unread(), {}, "model finds 4 joints, and the people of dots have 3"),
        (Looks(), Imprecise(), {}, "which tells what lies at a joint"),
        (Looks(), Unread(), {"layers": ["layer9"]}, "layer9"),
        (Looks(), Unread(), {"target": "object"}, "the target of joints is label or predicted; found 'object'"),
        (Looks(), Unread(), {"faithfulness": True}, "--faithfulness is for classifiers and detectors, and model finds"),
        (Looks(), Unread(), {"threshold": 0.1}, "--threshold is for detectors, and model finds joints"),
        (Variant(Looks(), "chance"), Unread(), {}, "names the maps that know nothing"),
        (Looks(), Unread(), {"shown": [9]}, "shown names person 9, and there are 6"),
        ([Looks(), Larger()], Unread(), {"layers": ["layer1"]}, "take crops of 64 x 64 and 64 x 96 pixels"),
        ([FindsColours(classes=1), Looks()], Unread(), {"faithfulness": True},
         "model 1 finds objects, and model 2 joints; analyse them one by one"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_refused_before_the_pass(model, source, values, message: str) -> None:
    with pytest.raises(AutolaError, match=message):
        measure_saliency(model, source, **{"layers": ["layer1"], "reading": READING, **values})


def test_the_disc_of_a_joint_is_where_its_oks_is_one_half() -> None:
    assert np.exp(-(HALF**2) / 2) == pytest.approx(0.5)
