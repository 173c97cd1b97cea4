"""Which images the linked panels show."""

import numpy as np

from autola_analysis.analyses.embedding.shown import POINTS, shown_points


def test_panels_show_all_images_or_two_thousand_of_them() -> None:
    assert sorted(shown_points(10)) == list(range(10))
    many = shown_points(5000)
    assert len(many) == len(set(many)) == POINTS == 2000
    np.testing.assert_array_equal(many, shown_points(5000))
