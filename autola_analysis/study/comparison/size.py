"""What else differs between the candidate and the others: accuracy and size, which may explain a difference as well."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.study.networks import Network, accuracy_frame, of_largest_pass


def with_size(claims: pd.DataFrame, networks: Sequence[Network]) -> pd.DataFrame:
    """Return claims with the difference of accuracies and the ratios of sizes, of means over runs.

    Args:
        claims: Rows of `claims.CLAIMS_TABLE`.
        networks: All networks of a study.
    """
    means = accuracy_frame(of_largest_pass(networks)).groupby("model")[["top1", "parameters", "macs"]].mean()
    ours, theirs = (means.reindex(claims[column]).set_axis(claims.index) for column in ("model", "against"))
    return claims.assign(
        accuracy_difference=ours["top1"] - theirs["top1"],
        parameters_ratio=ours["parameters"] / theirs["parameters"],
        macs_ratio=ours["macs"] / theirs["macs"],
    )
