"""Where the matrices of joints stand."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.saliency.joints.figure import plot_joint_matrix
from autola_analysis.analyses.saliency.joints.result import DIFFERENCES, MATRIX, JointSaliencyResult

JOINTS = ["head", "left_shoulder", "right_shoulder"]


def result(variants: int) -> JointSaliencyResult:
    pairs = [{"joint": joint, "other": other} for joint in JOINTS for other in JOINTS]
    about = {"method": "grad-cam", "layer": "", "run": "1", "images": 2}
    models = [f"model {number}" for number in range(variants)]
    matrix = [{**about, "model": name, **pair, "energy": 0.3} for name in models for pair in pairs]
    about["against"] = models[0]
    differences = [{**about, "model": name, **pair, "difference": 0.1} for name in models[1:] for pair in pairs]
    nothing = pd.DataFrame()
    return JointSaliencyResult(
        joints=nothing,
        metrics=nothing,
        matrix=pd.DataFrame(matrix).reindex(columns=MATRIX.names),
        differences=pd.DataFrame(differences).reindex(columns=DIFFERENCES.names),
        shares={},
        settings={"names": JOINTS},
    )


@pytest.mark.parametrize("variants", [2, 4])
def test_matrices_of_a_row_stand_equally_far_apart_and_differences_below_their_variants(variants: int) -> None:
    figure = plot_joint_matrix(result(variants))
    figure.draw_without_rendering()
    panels = [ax.get_position() for ax in figure.axes[: 2 * variants]]
    upper, lower = panels[:variants], panels[variants + 1 :]
    gaps = [right.x0 - left.x1 for left, right in pairwise(upper)]
    assert max(gaps) * figure.get_figwidth() < 0.25
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-6)
    np.testing.assert_allclose([below.x0 for below in lower], [above.x0 for above in upper[1:]], atol=1e-6)
    written = [text.get_text() for text in figure.axes[variants + 1].texts]
    assert written == ["head", "l. shoulder", "r. shoulder"]
