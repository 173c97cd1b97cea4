"""What else differs between the candidate and the others: accuracy and size, which may explain a difference as well."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.study.networks import Network, accuracy_frame, of_largest_pass

SIZE = ("top1", "parameters", "macs")


def with_size(claims: pd.DataFrame, networks: Sequence[Network]) -> pd.DataFrame:
    """Return claims with the differences of accuracy, parameters and multiply-adds, means over runs.

    Args:
        claims: Rows of `claims.CLAIMS_TABLE`.
        networks: All networks of a study.
    """
    means = accuracy_frame(of_largest_pass(networks)).groupby("model")[list(SIZE)].mean()
    ours, theirs = (means.reindex(claims[column]).to_numpy(float) for column in ("model", "against"))
    return claims.assign(**dict(zip(SIZE, (ours - theirs).T, strict=True)))
