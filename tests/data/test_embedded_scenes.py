"""What the embedded data sets of objects share."""

import pytest

from autola_analysis.data.cluttered_scenes import MOST_DIGITS, ClutteredScenes
from autola_analysis.data.digit_puppets import MOST_FIGURES, DigitPuppets
from autola_analysis.data.embedded_scenes import KEPT_SCENES


@pytest.mark.parametrize(("kind", "most"), [(ClutteredScenes, MOST_DIGITS), (DigitPuppets, MOST_FIGURES)])
def test_a_test_split_is_remembered_whole_and_within_190_megabytes(
    kind: type[ClutteredScenes] | type[DigitPuppets], most: int
) -> None:
    scene = kind("test", 1).scene(0)
    assert kind.lengths["test"] <= KEPT_SCENES
    assert KEPT_SCENES * (scene.pixels.nbytes + most * scene.masks[0].nbytes) < 190e6
