import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autola_analysis.analyses.comparison.claims import CLAIM_COLUMNS
from autola_analysis.analyses.comparison.compare import COMPARISON_COLUMNS
from autola_analysis.analyses.saliency.result import Panel, Picture
from autola_analysis.core.errors import ReportError
from autola_analysis.report.arrays import read_arrays
from autola_analysis.report.claims import claims_section, read_comparison, write_comparison
from autola_analysis.report.gallery import gallery
from autola_analysis.report.page import _limits_of_runs
from autola_analysis.report.panels import POINTS, shown_points
from autola_analysis.report.tables import read_table, side_by_side, write_table


def claim(model: str, against: str, verdict: str = "supported") -> list[object]:
    return [
        "less class selective in depth", 'it is "less"', "mean_selectivity", "layer3", model, against, -0.1, -0.15,
        -0.05, 0.02, "3 v 3", "modules", verdict,
    ]  # fmt: skip


def panel(variant: str, values: float, predicted: str = "cat", run: str = "1", status: str = "ok") -> Panel:
    map_ = np.full((8, 8), values, dtype=np.float32)
    map_[0, 0] = 2 * values
    return Panel(variant, run, "grad-cam", "layer3", map_, predicted, 0.75, 3.0, status)


def picture(*panels: Panel) -> Picture:
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:5, 3:6] = True
    return Picture("<i>.png", np.full((8, 8, 3), 90, dtype=np.uint8), mask, "cat", "cat", list(panels))


def shown_in(body: str) -> list[np.ndarray]:
    uris = re.findall(r'src="data:image/png;base64,([^"]+)"', body)
    return [np.asarray(Image.open(BytesIO(base64.b64decode(uri)))) for uri in uris]


def test_claims_are_a_row_group_with_a_verdict_and_a_figure_per_candidate(tmp_path: Path) -> None:
    claims = pd.DataFrame(
        [claim("HOGA", "SE"), claim("HOGA", "CBAM"), claim("other", "SE", "undecided")], columns=CLAIM_COLUMNS
    )
    write_comparison(tmp_path, pd.DataFrame(columns=COMPARISON_COLUMNS), claims)
    comparison, read = read_comparison(tmp_path)
    section = claims_section(tmp_path, comparison, read)
    assert list(section.figures) == ["claims-1", "claims-2"]
    assert (tmp_path / "figures" / "claims-2.pdf").exists()
    assert section.tables == {}
    assert section.body.count("<tbody>") == 2
    assert section.body.count('class="verdict supported"') == 1
    assert "-0.1000" in section.body
    assert "[-0.1500, -0.0500]" in section.body
    assert "3 v 3" in section.body
    assert "&#34;less&#34;" in section.body


def test_without_a_claim_the_section_says_so(tmp_path: Path) -> None:
    nothing = pd.DataFrame(columns=CLAIM_COLUMNS)
    section = claims_section(tmp_path, pd.DataFrame(columns=COMPARISON_COLUMNS), nothing)
    assert section.figures == {}
    assert "No claim could be decided" in section.body


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


def test_panels_show_all_images_or_two_thousand_of_them() -> None:
    assert sorted(shown_points(10)) == list(range(10))
    many = shown_points(5000)
    assert len(many) == len(set(many)) == POINTS
    np.testing.assert_array_equal(many, shown_points(5000))


def test_variants_with_few_runs_are_named_among_the_limits() -> None:
    runs = [("SE", str(run)) for run in range(3)] + [("HOGA", "1")]
    _, said = _limits_of_runs(pd.DataFrame(runs, columns=["model", "run"]))
    assert "are here of HOGA;" in said
    assert len(_limits_of_runs(pd.DataFrame(runs[:3], columns=["model", "run"]))) == 1


def test_tables_are_read_to_the_last_bit_and_names_stay_names(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "model": ["None", "NA", "", '1,"2'],
            "run": ["1", "01", "", "2"],
            "label": pd.array([1, pd.NA, 3, 4], dtype="Int64"),
            "dead": [True, False, True, True],
            "units": [1, 2, 3, 4],
            "mean": [0.1 + 0.2, np.nan, 1e-300, 1 / 3],
        }
    )
    write_table(tmp_path, "t", table)
    pd.testing.assert_frame_equal(read_table(tmp_path, "t"), table, check_exact=True, check_dtype=False)


def test_a_long_table_is_set_side_by_side_with_intervals() -> None:
    rows = [["SE", "energy", 0.5, 0.4, 0.6], ["SE", "iou", 0.25, np.nan, np.nan], ["HOGA", "energy", np.nan, 0.1, 0.2]]
    table = pd.DataFrame(rows, columns=["model", "metric", "mean", "ci_low", "ci_high"])
    wide = side_by_side(table, ["model"], "metric", "mean")
    assert wide.columns.tolist() == ["model", "energy", "iou"]
    assert wide.to_numpy().tolist() == [["SE", "0.5000 [0.4000, 0.6000]", "0.2500"], ["HOGA", "", ""]]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"there is no tables/t\.csv"):
        read_table(tmp_path, "t")
    with pytest.raises(ReportError, match=r"there is no arrays/a\.npz"):
        read_arrays(tmp_path, "a")
    (tmp_path / "arrays").mkdir()
    np.savez(tmp_path / "arrays" / "a.npz", x=np.ones(2))
    with pytest.raises(ReportError, match="a version that could not redraw"):
        read_arrays(tmp_path, "a")
