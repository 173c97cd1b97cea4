"""Networks for joints evaluated: planted ones whose errors are known, decodings, several runs, saving, refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from autola_analysis.analyses.evaluate.analysis import Evaluate, EvaluationResults
from autola_analysis.analyses.evaluate.keypoints.numbers import joint_sums
from autola_analysis.analyses.evaluate.keypoints.observer import Mirrored
from autola_analysis.analyses.evaluate.keypoints.people import People
from autola_analysis.analyses.evaluate.keypoints.result import CONTROL, KeypointResult
from autola_analysis.analyses.evaluate.keypoints.rows import keypoint_lines, keypoint_statistics, rows_over_runs
from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.core.cache import cache_folder
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.objects import Objects
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.data import ClutteredDigits
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.detectors.joint_decoding import JOINT_DECODINGS
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.resampled import image_weights
from tests.analyses.evaluate.detection.planted import FindsColours
from tests.analyses.evaluate.keypoints.planted import AS_IT_IS, JOINTS, READING, Dots, FindsDots

ZOOM = 64 / (50 * 1.25)
"""Pixels of the crop per pixel of the image: a box of 51 pixels is 50 wide in the coordinates of pixel centres"""


def planted(off: int = 0, name: str = "model", run: str = "1") -> Variant:
    return Variant(FindsDots(off).eval(), name, run, preprocessing=AS_IT_IS)


def by_joint(result: KeypointResult) -> pd.DataFrame:
    return result.per_joint.set_index("joint")


def test_a_network_that_finds_the_joints_has_a_precision_of_one_and_one_that_is_off_its_known_error() -> None:
    exact, off, control = evaluate([planted(0, "a"), planted(2, "b")], Dots(), reading=READING, flip_test=False)
    values = exact.metrics.set_index("metric")
    assert values["value"][["ap", "ap50", "ap75", "ar", "ap_medium"]].tolist() == [1] * 5
    assert np.isnan(values["value"]["ap_large"])
    assert (values["images"]["ap"], values["people"]["ap"]) == (5, 6)  # nobody in the last image has a labelled joint
    assert by_joint(exact)["labelled"].tolist() == [6, 6, 5, 17]
    assert by_joint(exact)["mean_error_px"].max() < 0.3
    # Two cells of two pixels to the right, in pixels of the image.
    assert by_joint(off)["mean_error_px"].to_numpy() == pytest.approx(4 / ZOOM, abs=0.3)
    assert by_joint(off)["within_oks50"].tolist() == [1] * 4
    likeness = np.exp(-((4 / ZOOM) ** 2) / (2 * 51**2 * 0.2**2))
    assert 0.90 < likeness < 0.95  # right at the nine thresholds 0.50 to 0.90
    assert off.metrics.set_index("metric")["value"]["ap"] == pytest.approx(0.9)
    assert control.model == CONTROL
    assert by_joint(control)["mean_error_px"]["left_hand"] == pytest.approx(0, abs=1e-9)  # always at one place
    heads = np.array([0, 1, 1, 2, 3, 3])  # rows at which heads are labelled, but for a constant
    assert by_joint(control)["mean_error_px"]["head"] == pytest.approx(np.abs(heads - heads.mean()).mean())


def test_mirrored_crops_are_brought_back_with_left_and_right_exchanged() -> None:
    """The maps of a crop and those of its mirror image are the same once they are brought back exactly."""

    class Sided(FindsDots):
        """Knows sides only by the red dot's: where it is in the left half, green and blue mean the other hands."""

        def forward(self, images):
            maps = super().forward(images)
            left = maps[:, 0].amax(1).argmax(1) < maps.shape[-1] / 2
            return torch.where(left[:, None, None, None], maps[:, [0, 2, 1]], maps)

    class Shifted(Dots):
        """The head lies beside the middle."""

        def objects(self, index):
            found = super().objects(index)
            found.keypoints[:, 0, 0] += 12 * (found.keypoints[:, 0, 2] > 0)
            return found

    errors = {}
    for decoding in ("quarter", "subpixel"):
        network = Variant(Sided().eval(), preprocessing=AS_IT_IS)
        result, _ = evaluate(network, Shifted(), reading=READING, decode_joints=decoding)
        errors[decoding] = by_joint(result)["mean_error_px"]
    assert (errors["subpixel"] < 0.4).all()
    assert errors["subpixel"]["all"] < 0.7 * errors["quarter"]["all"]
    plain, alone = (evaluate(planted(), Shifted(), reading=READING, flip_test=each)[0] for each in (True, False))
    ratios = plain.found.joint_scores[:3] / alone.found.joint_scores[:3]
    assert ratios[:, 0] == pytest.approx(1, abs=0.1)
    assert ratios[:, 1:] == pytest.approx(0.5, abs=0.05)  # in its mirrored maps right is where left is


def test_mirrored_maps_are_those_of_the_decoding() -> None:
    network, images = FindsDots().eval(), torch.rand(2, 3, 64, 64)
    decoding = JOINT_DECODINGS["subpixel"]
    with torch.no_grad():
        found = Mirrored(network, JOINTS.pairs, decoding)(images)
        expected = decoding.averaged(network(images), network(images.flip(-1)), JOINTS.pairs, 2)
    torch.testing.assert_close(found, expected)


def test_batches_decide_nothing_and_the_model_is_as_before() -> None:
    model = FindsDots(1).train()
    variant = Variant(model, preprocessing=AS_IT_IS)
    one, _ = evaluate(variant, Dots(), reading=READING)
    other, _ = evaluate(variant, Dots(), reading=Reading(READING.settings, batch_size=5))
    for name, array in one.found.arrays().items():
        np.testing.assert_allclose(other.found.arrays()[name], array, atol=1e-4)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_pass_in_the_cache_is_found_again_and_one_of_another_decoding_is_not(tmp_path: Path) -> None:
    cached = replace(READING, cache=tmp_path)
    first, _ = evaluate(planted(), Dots(), reading=cached)
    again, _ = evaluate(planted(), Dots(), reading=cached)
    np.testing.assert_array_equal(again.found.joints, first.found.joints)
    assert len(list(cache_folder(tmp_path, "passes").iterdir())) == 1
    other, _ = evaluate(planted(), Dots(), reading=cached, decode_joints="quarter", flip_test=False)
    assert len(list(cache_folder(tmp_path, "passes").iterdir())) == 2
    assert not np.array_equal(other.found.joints, first.found.joints)


def test_intervals_are_over_images_and_can_be_recomputed_from_their_sums() -> None:
    result, _ = evaluate(planted(1), Dots(), reading=READING, seed=3)
    numbers = result.numbers
    weights = image_weights(5, 3)
    sums = numbers.within, numbers.strictly, numbers.errors
    with np.errstate(invalid="ignore"):
        drawn = np.stack([weights @ each / (weights @ numbers.labelled) for each in sums])
    np.testing.assert_allclose(numbers.joints_drawn, drawn)
    assert numbers.metrics_drawn.shape == (200, 10)
    assert numbers.labelled[:, -1].tolist() == [3, 6, 2, 6, 0]


def test_a_joint_is_found_where_its_own_oks_reaches_a_half_and_precisely_from_nine_tenths() -> None:
    sigma, area = 0.05, 400.0
    reach = [2 * sigma * np.sqrt(-2 * area * np.log(oks)) for oks in (0.91, 0.89, 0.51, 0.49)]
    truth = np.array([[[10.0, 20, 2]] * 4 + [[0.0, 0, 0]]])
    joints = truth[:, :, :2] + np.array([*reach, 0.0])[:, None] * np.array([0.6, -0.8])
    box, ids = np.array([[0.0, 0, 20, 20]]), np.zeros(1, np.int64)
    annotated = Objects(box, ids, np.array([area]), np.zeros(1, np.bool_), ids, truth)
    found = People(ids, ids, joints, np.ones((1, 5)), np.ones(1), np.ones(1, np.bool_))
    labelled, within, strictly, errors = joint_sums(found, [annotated], [sigma] * 5)
    assert labelled.tolist() == [[1, 1, 1, 1, 0, 4]]
    assert within.tolist() == [[1, 1, 1, 0, 0, 3]]
    assert strictly.tolist() == [[1, 0, 0, 0, 0, 1]]
    np.testing.assert_allclose(errors, [[*reach, 0, sum(reach)]])


def test_variants_are_compared_by_metrics_and_joints_without_the_control() -> None:
    results = evaluate([planted(0, "a"), planted(2, "b")], Dots(), reading=READING, flip_test=False)
    statistics = {each.name: each for each in keypoint_statistics(results)}
    assert set(statistics["ap"].values) == {"a", "b"}
    assert "ap_large" not in statistics  # nobody is large
    error = statistics["mean_error_px"].differences("b", "a")["mean_error_px"]
    assert error.value == pytest.approx(4 / ZOOM, abs=0.4)
    assert error.interval[0] > 2
    header, rows = keypoint_lines(results).header, keypoint_lines(results).rows
    assert [row[0] for row in rows] == ["a", "b", CONTROL]
    assert len(header) == len(rows[0]) == 8


def test_results_survive_saving_and_a_report(tmp_path: Path) -> None:
    models = [planted(run, "a", str(run + 1)) for run in range(3)]
    results = EvaluationResults(poses=evaluate([*models, planted(3, "b")], Dots(), reading=READING))
    results.poses[1].save(tmp_path / "saved")
    loaded = KeypointResult.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.per_joint, results.poses[1].per_joint)
    np.testing.assert_array_equal(loaded.found.kept, results.poses[1].found.kept)
    assert len(rows_over_runs(results.poses)) == 1
    write_stored(tmp_path, Evaluate.format, Evaluate().store(results))
    again = Evaluate().restore(read_stored(tmp_path, Evaluate.format))
    assert [(each.model, each.run) for each in again.poses] == [(each.model, each.run) for each in results.poses]
    (section,) = Evaluate().sections(again, Sheet(tmp_path, "dots, test split"))
    assert section.title == "How well the networks find joints"
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == {"keypoint_precision", "joints"}


class Unread(Dots):
    """Dots whose images nobody may read: what is refused is refused before."""

    def image(self, index: int) -> None:
        raise AssertionError("the pass has begun")


class Imprecise(Unread):
    joints = replace(JOINTS, sigmas=None)


@pytest.mark.parametrize(
    ("model", "source", "values", "message"),
    [
        (FindsDots(joints=4), Unread(), {}, "model finds 4 joints, and the people of dots have 3"),
        (Variant(FindsDots(), classes=("head", "right_hand", "left_hand")), Unread(), {}, "'right_hand' where these"),
        (FindsDots(), ClutteredScenes("test", 2), {}, "the objects of cluttered-scenes have no joints"),
        (FindsDots(), Imprecise(), {}, "dots does not say how precisely its joints can be placed"),
        (FindsDots(), ClutteredDigits("test", 8), {}, "model finds joints, and the data have none"),
        (Variant(FindsDots(), CONTROL), Unread(), {}, "names what knows nothing but the boxes"),
        (FindsDots(), Unread(), {"detections": ["a=none.json"]}, "stands beside detectors"),
        ([FindsDots(), FindsColours(classes=1)], Unread(), {}, "model 2 finds objects, and model 1 joints"),
        (create_model("resnet8", num_classes=10), ClutteredDigits("test", 8), {"decode_joints": "dark"},
         "--decode-joints is for networks for joints"),
        (FindsDots(), Unread(), {"decode_joints": "best"}, "decode_joints is one of quarter, dark, subpixel"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_refused_before_the_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model, source, values, message: str
) -> None:
    (tmp_path / "none.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AutolaError, match=message):
        evaluate(model, source, reading=READING, **values)


def test_what_puts_out_no_heat_maps_is_refused() -> None:
    class Flat(FindsDots):
        def forward(self, images):
            return super().forward(images).mean((2, 3))

    with pytest.raises(AutolaError, match=r"must put out heat maps \(\d, joints, h, w\); found shape \(\d, 3\)"):
        evaluate(Variant(Flat(), preprocessing=AS_IT_IS), Dots(), reading=READING, flip_test=False)


def test_an_analysis_that_does_not_look_at_joints_says_so() -> None:
    from autola_analysis.analyses.context.measure import measure_context

    with pytest.raises(AutolaError, match="context does not look at networks for keypoints"):
        measure_context(nn.Sequential(FindsDots())[0], Unread(), reading=READING)
