"""What else differs beside each claim: accuracy and size."""

import numpy as np
import pandas as pd
import pytest

from autola_analysis.inference.cost import Cost
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.study.comparison.section import size_text
from autola_analysis.study.comparison.size import with_size
from autola_analysis.study.networks import Network, of_largest_pass
from tests.study.comparison.test_compared import DIGITS, models


def network(model: object, top1: float | None, cost: tuple[int, int], source: object = DIGITS) -> Network:
    return Network(model, source, Accuracy(len(source), top1, None), Cost(*cost))


def claims() -> pd.DataFrame:
    return CLAIMS_TABLE.frame([{"claim": "better", "model": "HOGA", "against": name} for name in ("SE", "none")])


def test_differences_and_ratios_are_of_means_over_runs() -> None:
    pair = models(all=["SE", "none", "HOGA"])
    networks = [
        network(pair[0], 0.8, (100, 1000)), network(pair[0], 0.9, (100, 1000)), network(pair[1], None, (90, 900)),
        network(pair[2], 0.95, (120, 1500)),
    ]  # fmt: skip
    found = with_size(claims(), networks).set_index("against")
    size = ["accuracy_difference", "parameters_ratio", "macs_ratio"]
    assert found.loc["SE", size].tolist() == pytest.approx([0.1, 1.2, 1.5])
    assert np.isnan(found.loc["none", "accuracy_difference"])
    assert size_text(found.loc["SE"]) == "top-1 +10.00 points, parameters +20.0 %, multiply-adds +50.0 %"
    assert size_text(found.loc["none"]) == "parameters +33.3 %, multiply-adds +66.7 %"


def test_accuracy_is_that_of_the_most_images() -> None:
    class Many(list):
        pass

    few, many = Many(range(300)), Many(range(2000))
    pair = models(all=["SE", "none", "HOGA"])
    networks = [network(model, 0.5 + 0.1 * place, (1, 1), few) for place, model in enumerate(pair)]
    networks += [network(model, 0.9 - 0.1 * place, (1, 1), many) for place, model in enumerate(pair)]
    assert [each.accuracy.images for each in of_largest_pass(networks)] == [2000] * 3
    assert with_size(claims(), networks)["accuracy_difference"].tolist() == pytest.approx([-0.2, -0.1])
    assert of_largest_pass([]) == []
    assert with_size(CLAIMS_TABLE.frame(), networks).columns.tolist() == CLAIMS_TABLE.names
