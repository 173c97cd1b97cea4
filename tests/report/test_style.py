import pytest

from autola_analysis.report.style import grid_shape


@pytest.mark.parametrize(
    ("panels", "most", "shape"), [(1, 4, (1, 1)), (4, 4, (1, 4)), (5, 4, (2, 3)), (4, 3, (2, 2)), (7, 3, (3, 3))]
)
def test_rows_of_panels_are_as_equally_full_as_can_be(panels: int, most: int, shape: tuple[int, int]) -> None:
    assert grid_shape(panels, most) == shape
