import pytest

from autola_analysis.attention import list_attentions
from autola_analysis.report.style import (
    VARIANT_COLOURS,
    colours_of_report,
    grid_shape,
    legend_columns,
    paper_style,
    variant_colours,
)


@pytest.mark.parametrize(
    ("panels", "most", "shape"), [(1, 4, (1, 1)), (4, 4, (1, 4)), (5, 4, (2, 3)), (4, 3, (2, 2)), (7, 3, (3, 3))]
)
def test_rows_of_panels_are_as_equally_full_as_can_be(panels: int, most: int, shape: tuple[int, int]) -> None:
    assert grid_shape(panels, most) == shape


@pytest.mark.parametrize(
    ("labels", "inches", "columns"),
    [
        (["SE", "CBAM", "HOGA", "two runs of one variant"], 5.5, 4),  # one long label among short ones
        (["two runs of one variant"] * 4, 5.5, 3),
        (["SE", "CBAM", "HOGA", "two runs of one variant"], 3.25, 2),
        (["a very long name of a variant"] * 2, 1.5, 1),
    ],
)
def test_a_legend_has_as_many_columns_as_fit(labels: list[str], inches: float, columns: int) -> None:
    with paper_style():
        assert legend_columns(labels, inches) == columns


def test_a_variant_of_every_attention_beside_controls_has_a_colour_of_its_own() -> None:
    names = [*list_attentions(), "plain"]
    assert len(set(variant_colours(names).values())) == len(names)


def test_a_variant_keeps_its_colour_in_a_report_whichever_are_drawn() -> None:
    first, second, third, fourth, *_ = VARIANT_COLOURS
    assert variant_colours(["SE", "HOGA"]) == {"SE": first, "HOGA": second}
    with colours_of_report(["none", "SE", "HOGA", "HOGA"]):
        assert variant_colours(["HOGA", "mean pose", "SE"]) == {"HOGA": third, "mean pose": fourth, "SE": second}
    assert variant_colours(["HOGA"]) == {"HOGA": first}
