"""The forest plot shows what the table of claims says."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.core.errors import OptionError
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.study.comparison import figure as module
from autola_analysis.study.comparison.figure import plot_claims
from autola_analysis.study.comparison.verdicts import claimed_directions
from tests.statistics.studies import CLAIMS


@pytest.fixture(autouse=True)
def known_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some analyses claim one thing of every kind."""
    monkeypatch.setattr(module, "claimed_directions", lambda: {claim.name: claim.direction for claim in CLAIMS})


def test_every_claim_of_every_analysis_has_its_direction() -> None:
    claims = [claim for name in registrations() for claim in analysis_of(name).claims]
    assert claimed_directions() == {claim.name: claim.direction for claim in claims}
    assert len({claim.name for claim in claims}) == len(claims) > 0


def table(others: tuple[str, ...] = ("none", "SE"), claims: int = len(CLAIMS), scope: str = "modules") -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = []
    for claim in CLAIMS[:claims]:
        for other in others:
            value = claim.direction * 0.03 + 0.01 * generator.normal()
            ends = [value - 0.01, value + 0.02]
            about = [claim.name, claim.quote, claim.statistic, "layer3", "HOGA", other]
            row = dict(zip(CLAIMS_TABLE.names, [*about, value, *ends], strict=False))
            rows.append({**row, "margin": claim.margin, "runs": "3 v 3", "scope": scope, "verdict": "undecided"})
    return CLAIMS_TABLE.frame(rows)


def panels(figure: Figure) -> list[Axes]:
    return [ax for ax in figure.axes if ax.get_visible()]


def points(ax: Axes, marker: str = "o") -> list[float]:
    return [float(np.asarray(line.get_xdata())[0]) for line in ax.lines if line.get_marker() == marker]


@pytest.mark.parametrize(("claims", "width"), [(1, "neurips"), (3, "column"), (5, "cvpr")])
def test_a_panel_per_claim_and_a_row_per_other_variant(claims: int, width: str) -> None:
    rows = table(claims=claims)
    found = panels(plot_claims(rows, width))
    assert [" ".join(ax.get_title().split()) for ax in found] == [claim.name for claim in CLAIMS[:claims]]
    for ax, claim in zip(found, CLAIMS, strict=False):
        mine = rows[rows["claim"] == claim.name]
        assert points(ax) == mine["value"].tolist()
        drawn = [np.asarray(line.get_xdata()).tolist() for line in ax.lines if len(line.get_xdata()) == 2]
        assert drawn[1:] == mine[["ci_low", "ci_high"]].to_numpy().tolist()
        assert "undecided" in [text.get_text() for text in ax.texts]
        low, high = ax.get_xlim()
        assert low < min(mine["ci_low"].min(), -claim.margin)
        assert high > max(mine["ci_high"].max(), claim.margin)
    assert [label.get_text() for label in found[0].get_yticklabels()] == ["v SE", "v none"]


def test_the_margin_is_shaded_and_the_arrow_points_where_the_claim_does() -> None:
    for ax, claim in zip(panels(plot_claims(table())), CLAIMS, strict=True):
        bands = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]
        assert bands == ([pytest.approx((-claim.margin, claim.margin))] if claim.margin else [])
        arrows = [text for text in ax.texts if hasattr(text, "arrow_patch")]
        assert len(arrows) == abs(claim.direction)
        for arrow in arrows:
            (end, _), (start, _) = arrow.xy, arrow.xyann
            assert np.sign(end - start) == claim.direction
            assert start == claim.direction * claim.margin


@pytest.mark.parametrize(("scope", "face"), [("modules", "black"), ("checkpoints", "white")])
def test_points_say_for_what_they_speak(scope: str, face: str) -> None:
    figure = plot_claims(table(scope=scope))
    for ax in panels(figure):
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        assert {to_rgb(dot.get_markerfacecolor()) for dot in dots} == {to_rgb(face)}
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [scope in word for word in words] == [True, False]


def test_missing_intervals_and_values_are_said() -> None:
    rows = table(claims=1)
    rows.loc[0, ["ci_low", "ci_high"]] = np.nan
    rows.loc[1, ["value", "ci_low", "ci_high"]] = np.nan
    figure = plot_claims(rows)
    (ax,) = panels(figure)
    assert points(ax, "x") == [rows.loc[0, "value"]]
    assert points(ax) == []
    assert "not measured" in [text.get_text() for text in ax.texts]
    assert "no interval" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_long_names_of_six_variants_do_not_overlap() -> None:
    others = ("none", "SE", "CBAM, trained with strong augmentation for 300 epochs", "HOGA random 1", "B" * 60, "C")
    figure = plot_claims(table(others), "neurips")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(OptionError, match="no claim to draw"):
        plot_claims(table(claims=0))
