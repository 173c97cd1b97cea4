"""Figure 3 for the screen: what the cards show, and that names are text."""

import base64
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from autola_analysis.analyses.saliency.gallery import gallery
from autola_analysis.analyses.saliency.result import Panel, Picture


def panel(variant: str, values: float, predicted: str = "cat", run: str = "1", status: str = "ok") -> Panel:
    map_ = np.full((8, 8), values, dtype=np.float32)
    map_[0, 0] = 2 * values
    return Panel(variant, run, "grad-cam", "layer3", map_, predicted, 0.75, 3.0, status)


def picture(*panels: Panel, side: int = 8) -> Picture:
    mask = np.zeros((side, side), dtype=bool)
    mask[2:5, 3:6] = True
    return Picture("<i>.png", np.full((side, side, 3), 90, dtype=np.uint8), mask, "cat", "cat", list(panels))


def shown_in(body: str) -> list[np.ndarray]:
    uris = re.findall(r'src="data:image/png;base64,([^"]+)"', body)
    return [np.asarray(Image.open(BytesIO(base64.b64decode(uri)))) for uri in uris]


def test_the_gallery_sets_the_first_runs_of_the_variants_side_by_side() -> None:
    body = gallery([picture(panel("SE", 1), panel("HOGA", 2, "dog"), panel("HOGA", 3, "bird", run="2"))], "A caption")
    assert re.findall(r'<th scope="col">(\w+)</th>', body) == ["SE", "HOGA"]
    assert "Grad-CAM, layer3" in body
    assert body.count("cat (0.75)") == 1
    assert 'class="wrong">dog (0.75), wrong' in body
    assert "bird" not in body  # of the second run
    assert "&lt;i&gt;.png" in body
    assert "<i>" not in body
    assert body.count("<img") == 3


@pytest.mark.parametrize("label", ["", "dog"])
def test_a_prediction_of_an_image_that_has_no_label_or_another_is_not_wrong(label: str) -> None:
    body = gallery([replace(picture(panel("SE", 1), panel("HOGA", 2, "dog")), label=label)], "")
    assert "dog (0.75), differs from the explained class" in body
    assert "wrong" not in body


def test_a_map_that_says_nothing_is_marked() -> None:
    assert "zero map" in gallery([picture(panel("SE", 0, status="zero"))], "")


def test_small_images_are_enlarged_by_a_whole_factor_with_the_outline_of_the_object() -> None:
    shown, _ = shown_in(gallery([picture(panel("SE", 1))], ""))
    assert shown.shape == (128, 128, 3)
    assert (shown[32, 48:96] == 255).all()  # the upper edge of the object
    assert (shown[31, 48:96] == 0).all()  # beside it
    assert (shown[40:70, 60:80] == 90).all()  # inside


def test_a_shared_scale_divides_by_the_largest_of_the_variants() -> None:
    one = picture(panel("SE", 1), panel("HOGA", 2))
    _, own_weak, own_strong = shown_in(gallery([one], "", "own"))
    _, weak, strong = shown_in(gallery([one], "", "shared"))
    np.testing.assert_array_equal(own_weak, own_strong)
    np.testing.assert_array_equal(strong, own_strong)
    assert not np.array_equal(weak, strong)


def test_photographs_are_stored_as_jpeg_and_are_not_enlarged() -> None:
    photograph = Panel("SE", "1", "grad-cam", "layer3", np.eye(100, dtype=np.float32), "cat", 0.75, 3.0, "ok")
    large = gallery([picture(photograph, side=100)], "")
    (stored,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)" alt="The image', large)
    assert Image.open(BytesIO(base64.b64decode(stored))).size == (100, 100)


def test_a_variant_without_a_map_of_a_method_leaves_its_place_empty() -> None:
    lonely = Panel("HOGA", "1", "gradient", None, np.ones((3, 8, 8), np.float32), "cat", 0.5, 1.0, "constant")
    body = gallery([picture(panel("SE", 1), lonely)], "")
    assert re.findall(r'<th scope="row">([^<]+)</th>', body) == ["Grad-CAM, layer3", "Gradient"]
    assert len(re.findall(r"<td></td>", body)) == 1 + 2  # above the titles, and where there is no map
