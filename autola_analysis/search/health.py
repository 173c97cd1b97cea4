"""Signs that a search has gone wrong, as sentences with their numbers."""

from __future__ import annotations

import pandas as pd
from scipy.stats import binom

from autola_analysis.search.curvature import MEANS_OVER, SHARPER, sharpened
from autola_analysis.search.edges import LAST_EPOCHS

SKIP = "skip_connect"
MANY_SKIPS = 5
MANY_UNDECIDED = 6
LEAST_TRAVEL = 3.0
"""Adam moves alpha by at most about its learning rate in a step."""


def warnings_of(edges: pd.DataFrame, epochs: pd.DataFrame, travel: float, choices: int) -> tuple[str, ...]:
    """Return what a reader of the wiring has to know.

    Args:
        edges: A row per edge, as `edge_rows` makes them.
        epochs: A row per epoch.
        travel: Steps of alpha times its learning rate.
        choices: Operations that can be chosen on an edge.
    """
    found = []
    skips = int((edges["operation"] == SKIP).sum())
    if skips >= MANY_SKIPS:
        chance = binom.sf(skips - 1, len(edges), 1 / choices)
        found.append(
            f"{SKIP} was chosen on {skips} of {len(edges)} edges, which a uniform draw does with probability "
            f"{chance:.4f}: a search that collapses to it looks like this."
        )
    nothing = float(edges["none_weight"].mean())
    if nothing > 0.5:
        found.append(
            f"the mean weight of none is {nothing:.2f}, so that the choices rest on the remaining {1 - nothing:.2f}."
        )
    undecided = int((~edges["decided"]).sum())
    if len(epochs) < LAST_EPOCHS:
        found.append(
            f"how noisy margins are is known from {LAST_EPOCHS} epochs on: with {len(epochs)}, no edge is decided."
        )
    elif undecided >= MANY_UNDECIDED:
        found.append(
            f"the search has not decided: on {undecided} of {len(edges)} edges the margin is below twice its standard "
            "deviation over the last five epochs."
        )
    if travel < LEAST_TRAVEL:
        found.append(
            f"alpha can have moved by {travel:.2f} at most, its steps times their rate, which is too short to leave "
            "its start; search longer, or with a higher --set alpha_learning_rate."
        )
    measured = epochs.dropna(subset=["eigenvalue"])
    if sharper := sharpened(measured["epoch"].tolist(), measured["eigenvalue"].tolist()):
        late, early = sharper
        found.append(
            f"the loss has become sharper in alpha: by epoch {late} the mean of {MEANS_OVER} largest eigenvalues is "
            f"above {SHARPER:g} times that of epoch {early}, whose weights (search_alphas.csv) may make a "
            "better wiring."
        )
    clipped = float(epochs["clipped"].mean())
    if clipped > 0.1:
        found.append(
            f"{100 * clipped:.0f}% of the weight steps were clipped, so that the step that second order looks through "
            "is not the one that was taken."
        )
    return tuple(found)
