"""A detector whose evidence is known: maps lie on it, and the numbers say so."""

import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult
from autola_analysis.inference.run import Settings
from tests.analyses.saliency.objects.planted import LAYER, Squares, planted

READING = Reading(Settings(device="cpu", quiet=True), batch_size=2)
METHODS = ["grad-cam", "odam", "gradient"]


def measured(source: Squares, **options: object) -> ObjectSaliencyResult:
    return measure_saliency(planted(), source, reading=READING, methods=METHODS, layers=[LAYER], **options)


def rows(result: ObjectSaliencyResult, method: str, name: str, image: str = "square 0") -> pd.DataFrame:
    table = result.objects
    return table[(table["method"] == method) & (table["class"] == name) & (table["image"] == image)]


@pytest.mark.parametrize("target", ["object", "detection"])
def test_the_map_of_a_red_square_lies_on_it_and_on_no_other_object(target: str) -> None:
    result = measured(Squares(1), target=target)
    for method in METHODS:
        (row,) = rows(result, method, "red").to_dict("records")
        assert (row["pointing"], row["pointing_strict"], row["odi"], row["energy_other"]) == (1, 1, 0, 0)
        assert (row["candidate_iou"] == pytest.approx(1)) or target == "detection"
        assert (row["offset_x"], row["offset_y"]) == pytest.approx((0, 0), abs=1e-6)
        assert (row["detected"], row["status"]) == (True, "ok")
    exact = rows(result, "gradient", "red").iloc[0]
    assert exact[["precision", "energy_box", "energy_mask", "iou", "energy_predicted"]].tolist() == [1] * 5
    # Interpolated, a cell falls off linearly to both sides: three quarters of the sum lie in its own 8 of 16 pixels.
    assert rows(result, "odam", "red").iloc[0]["energy_box"] == pytest.approx((3 / 4) ** 2)
    assert rows(result, "odam", "red").iloc[0]["support"] == pytest.approx(1 / 64)


def test_evidence_from_another_object_has_a_discrimination_index_of_one() -> None:
    result = measured(Squares(1))
    for method in METHODS:
        (row,) = rows(result, method, "blue").to_dict("records")
        assert (row["odi"], row["energy_box"], row["pointing"], row["pointing_strict"]) == (1, 0, 0, 0)
        assert row["detected"]
    assert rows(result, "gradient", "blue").iloc[0]["energy_other"] == 1


def test_grad_cam_is_evidence_for_a_class_and_odam_for_an_object() -> None:
    result = measured(Squares(2))
    first = {method: rows(result, method, "red", "square 1").iloc[0] for method in METHODS}
    assert first["grad-cam"]["energy_same"] == pytest.approx((3 / 4) ** 2 / 2)
    assert first["grad-cam"]["odi"] == pytest.approx(0.5)
    assert (first["odam"]["energy_same"], first["odam"]["odi"]) == (0, 0)


def test_what_knows_nothing_is_worse_and_a_predicted_box_as_good_as_it_lies() -> None:
    result = measured(Squares(2))
    uniform, box = (rows(result, method, "red").iloc[0] for method in ("uniform", "predicted-box"))
    assert (uniform["model"], box["model"]) == ("chance", "planted")
    assert uniform["energy_box"] == pytest.approx(1 / 64)
    assert (box["energy_box"], box["precision"], box["odi"]) == (1, 1, 0)
    assert rows(result, "uniform", "red").iloc[0]["odi"] == pytest.approx(0.5)


@pytest.mark.parametrize("large", [1, 3])
def test_boxes_are_in_pixels_of_the_stored_image_and_shares_do_not_depend_on_its_size(large: int) -> None:
    result, own = (measured(Squares(2, large=each)) for each in (large, 1))
    boxes = rows(result, "odam", "red")[["x1", "y1", "x2", "y2"]].to_numpy(float)
    assert boxes[0] / large == pytest.approx([8, 8, 16, 16], abs=1e-4)
    columns = ["odi", "pointing", "candidate_iou", "detected"]
    pd.testing.assert_frame_equal(result.objects[columns], own.objects[columns], atol=1e-5)
    blurred = result.objects["energy_box"] - own.objects["energy_box"]  # by bringing a large image to size
    assert blurred.abs().max() < 0.03


def test_where_masks_are_missing_boxes_stand_for_them() -> None:
    with_masks, without = (measured(Squares(2, masks=each)) for each in (True, False))
    assert without.objects["energy_mask"].isna().all()
    rest = [name for name in without.objects if name != "energy_mask"]
    pd.testing.assert_frame_equal(with_masks.objects[rest], without.objects[rest])
