"""The section about the paper's claims."""

from pathlib import Path

import pandas as pd

from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.statistics.compare import COMPARISON_TABLE
from autola_analysis.study.comparison.controls import CONTROLS_TABLE
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE
from autola_analysis.study.comparison.section import claims_section


def claim(model: str, against: str, verdict: str = "supported") -> list[object]:
    return [
        "less class selective in depth", 'it is "less"', "mean_selectivity", "layer3", model, against, -0.1, -0.15,
        -0.05, -0.17, -0.03, 0.02, 0.09, -0.0025, 1.225, 1.219, "3 v 3", "modules", "equivalent", verdict,
    ]  # fmt: skip


def section_of(
    claims: pd.DataFrame, folder: Path, comparison: pd.DataFrame | None = None, searched: pd.DataFrame | None = None
) -> Section:
    """Return the section of some claims, whose tables are empty where none are given."""
    comparison = COMPARISON_TABLE.frame() if comparison is None else comparison
    searched = SEARCH_RANDOM_TABLE.frame() if searched is None else searched
    return claims_section(comparison, claims, Sheet(folder, "data"), CONTROLS_TABLE.frame(), searched)


def test_claims_are_a_row_group_with_a_verdict_and_a_figure_per_candidate(tmp_path: Path) -> None:
    claims = pd.DataFrame(
        [claim("HOGA", "SE"), claim("HOGA", "CBAM"), claim("other", "SE", "undecided")], columns=CLAIMS_TABLE.names
    )
    section = section_of(claims, tmp_path)
    assert list(section.figures) == ["claims-1", "claims-2"]
    assert (tmp_path / "figures" / "claims-2.pdf").exists()
    assert section.tables == {}
    assert section.body.count("<tbody>") == 2
    assert section.body.count('class="verdict supported"') == 1
    assert "-0.1000" in section.body
    assert "[-0.1500, -0.0500]" in section.body
    assert "0.090" in section.body
    assert section.body.count("3 v 3 runs, modules as trained here;") == 3
    assert section.body.count("top-1 -0.25 points, parameters +22.5 %, multiply-adds +21.9 %") == 3
    assert section.body.count('<td class="text">does not hold: equivalent</td>') == 3
    assert "&#34;less&#34;" in section.body


def test_what_stands_beside_a_claim_about_detectors_is_shown_with_it(tmp_path: Path) -> None:
    name = "masks cover the object more precisely (extended to detectors)"
    row = [name, *claim("HOGA", "SE")[1:]]
    row[2:4] = ["grad-cam precision", "backbone.layer3"]
    claims = pd.DataFrame([row], columns=CLAIMS_TABLE.names)
    other = {"analysis": "saliency", "model": "HOGA", "against": "SE", "runs": "1 v 1", "scope": "checkpoints"}
    comparison = COMPARISON_TABLE.frame(
        [
            {**other, "layer": layer, "statistic": statistic, "value": value, "ci_low": value - 1, "ci_high": value + 1}
            for layer, statistic, value in (
                ("backbone.layer3", "grad-cam odi", -0.25),
                ("backbone.layer2", "grad-cam odi", 0.5),
                ("backbone.layer3", "grad-cam iou", 0.75),
            )
        ]
    )
    section = section_of(claims, tmp_path, comparison)
    assert (
        "multiply-adds +21.9 %; Grad-CAM object discrimination index -0.2500 [-1.2500, +0.7500]</span>" in section.body
    )
    assert section.figures["claims"].startswith(
        "The paper's claims, and what it says of classifiers extended to detectors: HOGA minus each other variant"
    )
    assert any("try on detectors" in sentence for sentence in section.reading)
    assert "try on detectors" in section.methods


def test_without_a_claim_the_section_says_so(tmp_path: Path) -> None:
    section = section_of(CLAIMS_TABLE.frame(), tmp_path)
    assert section.figures == {}
    assert "No claim was decided" in section.body
