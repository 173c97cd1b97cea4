"""What variants are compared by in maps: on the images that have an object, paired."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.claims import CLAIMS
from autola_analysis.analyses.saliency.compared import saliency_statistics
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.analyses.variants import Variant
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.inference.run import Settings
from autola_analysis.statistics.compare import Comparison, compare
from autola_analysis.statistics.intervals import bootstrap_interval
from tests.analyses.saliency.studies import saliency_result
from tests.inference.networks import Tiny
from tests.statistics.studies import about
from tests.statistics.test_compare import row_of


def compared(result: SaliencyResult) -> Comparison:
    return compare("HOGA", saliency_statistics(result), about(CLAIMS))


def test_the_claim_is_that_of_the_paper() -> None:
    assert [(each.analysis, each.statistic, each.stage, each.direction, each.margin) for each in about(CLAIMS)] == [
        ("saliency", "grad-cam precision", "last", 1, 0.02)
    ]


def test_maps_are_compared_on_the_images_that_have_an_object() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.random((2, 40)), generator.random((1, 40))
    ours[1, 3] = theirs[0, 5] = np.nan
    row = row_of(compared(saliency_result({"SE": theirs, "HOGA": ours})).table, "grad-cam precision")
    kept = [image for image in range(40) if image not in (3, 5)]
    apart = (ours.mean(0) - theirs[0])[kept]
    assert row["value"] == pytest.approx(apart.mean())
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval(apart))
    assert (row["analysis"], row["layer"], row["model"], row["against"]) == ("saliency", "layer3", "HOGA", "SE")


def test_the_order_of_rows_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    ordered = saliency_result({"SE": generator.random((3, 30)), "HOGA": generator.random((4, 30))})
    shuffled = replace(ordered, images=ordered.images.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(compared(ordered).table, compared(shuffled).table)


def test_what_is_measured_can_be_compared() -> None:
    variants = [Variant(Tiny(), name, preprocessing=Preprocessing()) for name in ("SE", "HOGA")]
    reading = Reading(Settings(device="cpu", quiet=True), batch_size=8)
    maps = measure_saliency(variants, ClutteredDigits("test", 24), None, reading, methods=["grad-cam", "gradient"])
    found = compare("HOGA", saliency_statistics(maps), about(CLAIMS), ["layer1", "layer2"])
    assert found.warnings == ()
    assert found.claims["claim"].tolist() == [claim.name for claim in about(CLAIMS)]
    metrics = maps.metrics[(maps.metrics["subset"] == "all") & (maps.metrics["method"] == "gradient")]
    means = metrics[metrics["metric"] == "energy"].set_index("model")["mean"]
    row = row_of(found.table, "gradient energy")
    assert row["value"] == pytest.approx(means["HOGA"] - means["SE"])
    assert row["layer"] == ""
    assert not found.table["statistic"].str.endswith("ceiling").any()  # of the layer, not of the networks
    assert ((found.table["ci_low"] <= found.table["value"]) & (found.table["value"] <= found.table["ci_high"])).all()
