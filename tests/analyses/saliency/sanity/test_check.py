from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.sanity.check import sanity_check
from autola_analysis.analyses.saliency.sanity.correlations import crossed_interval, pairs_interval
from autola_analysis.analyses.saliency.sanity.result import (
    BASELINES,
    OTHER_IMAGES,
    OTHER_RUNS,
    SANITY,
    ComparedMaps,
    SanityResult,
)
from autola_analysis.analyses.saliency.sanity.weights import cascade, randomise
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import DataError, OptionError
from tests.inference.networks import Tiny
from tests.inference.state import state_of

IMAGES = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_parts_are_randomised_from_the_head_down() -> None:
    model = create_model("resnet20", "se", 10, width=8)
    assert cascade(model) == ["fc", "layer3", "layer2", "layer1", "bn1", "conv1"]
    assert cascade(nn.Sequential(nn.Identity(), nn.Sequential(Tiny()))) == ["1.0.fc", "1.0.layer2", "1.0.layer1"]


@pytest.mark.parametrize("attention", ["none", "se", "cbam", "hoga"])
def test_randomising_leaves_no_parameter_as_it_was_and_depends_on_the_seed_alone(attention: str) -> None:
    model = create_model("resnet20", attention, 10, width=8)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    model.scale = nn.Parameter(torch.randn(5))
    before = {name: value.clone() for name, value in model.named_parameters()}
    random_state = torch.get_rng_state()
    randomise(model, 0)
    assert torch.equal(torch.get_rng_state(), random_state)
    once = {name: value.clone() for name, value in model.named_parameters()}
    assert [name for name in once if once[name].numel() and torch.equal(once[name], before[name])] == []
    randomise(model, 0)
    changed = [name for name, value in model.named_parameters() if not torch.equal(value, once[name])]
    assert changed == ["scale"]  # drawn with its own spread
    with torch.inference_mode():
        copy = create_model("resnet20", attention, 10, width=8)
    assert sanity_check(copy, IMAGES, "gradient", draws=1).table["images"].tolist() == [3] * 6


def spearman(first: torch.Tensor, second: torch.Tensor) -> float:
    """Of two gradients ``(3, H, W)``, by their largest absolute value over channels."""
    return float(stats.spearmanr(first.abs().amax(0).flatten(), second.abs().amax(0).flatten()).statistic)


def test_every_stage_of_every_draw_is_compared_with_the_original() -> None:
    model = Tiny().train()
    before = state_of(model)
    found = sanity_check(model, IMAGES, ("grad-cam", "gradient"), "layer1", seed=3, draws=2)
    assert state_of(model) == before
    parts = ["fc", "layer2", "layer1"]
    targets = explain(model, IMAGES, "gradient").targets
    original = explain(model, IMAGES, "gradient").maps["gradient", None]
    for draw in range(2):
        other = Tiny()
        other.load_state_dict(model.state_dict())
        for place, part in enumerate(parts):
            randomise(other.get_submodule(part), 3 + 3 * draw + place)
            maps = explain(other, IMAGES, "gradient", target=targets).maps["gradient", None]
            expected = [spearman(one, another) for one, another in zip(original, maps, strict=True)]
            values = found.correlations[ComparedMaps("model", "1", "gradient", "", part)]
            assert values.shape == (2, 3)
            np.testing.assert_allclose(values[draw], expected)
    pairs = found.correlations[ComparedMaps("model", "1", "gradient", "", OTHER_IMAGES, True)]
    expected = [np.mean([spearman(original[i], original[j]) for j in range(3) if j != i]) for i in range(3)]
    np.testing.assert_allclose(pairs, expected)


def test_the_tables_are_means_and_intervals_of_the_correlations() -> None:
    torch.manual_seed(0)
    found = sanity_check(
        Tiny(), IMAGES, ("grad-cam", "gradient"), "layer1", draws=4, other_runs=[Tiny(), Variant(Tiny(), run="3")]
    )
    assert list(found.table.columns) == SANITY.names
    assert found.table["method"].tolist() == ["grad-cam"] * 3 + ["gradient"] * 3
    assert found.table["randomised_to"].tolist() == ["fc", "layer2", "layer1"] * 2
    assert list(found.baselines.columns) == BASELINES.names
    assert found.baselines[["method", "baseline", "runs"]].to_numpy().tolist() == [
        ["grad-cam", OTHER_IMAGES, 1], ["grad-cam", OTHER_RUNS, 2],
        ["gradient", OTHER_IMAGES, 1], ["gradient", OTHER_RUNS, 2],
    ]  # fmt: skip
    rows = [*found.table.to_dict("records"), *found.baselines.to_dict("records")]
    expected = sorted(found.correlations.items(), key=lambda pair: pair[0].baseline)
    for row, (what, values) in zip(rows, expected, strict=True):
        assert [row[name] for name in ("model", "run", "method", "layer")] == [
            what.model, what.run, what.method, what.layer,
        ]  # fmt: skip
        assert row["rank_correlation"] == pytest.approx(np.nanmean(values))
        interval = pairs_interval(values) if what.other == OTHER_IMAGES else crossed_interval(values)
        assert (row["ci_low"], row["ci_high"]) == interval
        assert (row["images"], row["undefined"]) == (3, np.isnan(values).sum())
        if not what.baseline:
            assert (row["draws"], len(values)) == (4, 4)


def test_maps_of_another_run_are_compared_image_by_image() -> None:
    torch.manual_seed(0)
    model, other, twin = Tiny(), Tiny(), Tiny()
    twin.load_state_dict(model.state_dict())
    found = sanity_check(model, IMAGES, "gradient", target=2, other_runs=[twin, other], draws=1)
    values = found.correlations[ComparedMaps("model", "1", "gradient", "", OTHER_RUNS, True)]
    ours, theirs = (explain(each, IMAGES, "gradient", target=2).maps["gradient", None] for each in (model, other))
    np.testing.assert_allclose(values[0], 1)
    np.testing.assert_allclose(values[1], [spearman(*pair) for pair in zip(ours, theirs, strict=True)])


@pytest.mark.parametrize(("draws", "images", "few"), [(5, 32, False), (4, 32, True), (5, 31, True)])
def test_few_draws_or_images_are_warned_about_in_one_sentence(draws: int, images: int, few: bool) -> None:
    many = torch.randn(images, 3, 8, 8)
    warnings = sanity_check(Tiny(), many, "grad-cam", draws=draws).warnings
    assert len(warnings) == few
    if few:
        assert f"{draws} draws of random weights and {images} images; take 5 draws and 32 images or more" in warnings[0]


def test_no_draw_is_refused() -> None:
    with pytest.raises(OptionError, match="draws is the number of draws of random weights, from 1 on; found 0"):
        sanity_check(Tiny(), IMAGES, "gradient", draws=0)


def test_a_map_that_ignores_the_head_keeps_its_rank_and_one_that_depends_on_it_loses_it() -> None:
    model = create_model("resnet20", "none", 10, width=8)
    table = sanity_check(model, IMAGES, ("guided-backprop", "gradient")).table
    at_the_head = table[table["randomised_to"] == "fc"].set_index("method")["rank_correlation"]
    at_the_stem = table[table["randomised_to"] == "conv1"].set_index("method")["rank_correlation"]
    assert at_the_head["guided-backprop"] > at_the_stem["guided-backprop"]
    assert at_the_stem.abs().max() < 0.5


def test_a_result_is_saved_and_loaded(tmp_path: Path) -> None:
    model = Tiny()
    with torch.no_grad():
        model.layer2[1].weight.zero_()
        model.layer2[1].bias.fill_(-1)
    found = sanity_check(model, IMAGES, "grad-cam")
    assert found.table["undefined"].tolist() == [15, 15, 15]  # of five draws
    assert found.table["rank_correlation"].isna().all()
    assert found.table["ci_low"].isna().all()
    found.save(tmp_path)
    loaded = SanityResult.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.table, found.table)
    pd.testing.assert_frame_equal(loaded.baselines, found.baselines)
    assert list(loaded.correlations) == list(found.correlations)
    for what, values in found.correlations.items():
        np.testing.assert_array_equal(loaded.correlations[what], values)
    assert (loaded.images, loaded.settings, loaded.warnings) == (found.images, found.settings, found.warnings)
    assert "grad-cam" in found._repr_html_()
    (tmp_path / "result.json").unlink()
    with pytest.raises(DataError, match="no saved sanity check"):
        SanityResult.load(tmp_path)


def test_a_score_that_a_function_reads_is_kept_while_weights_are_randomised() -> None:
    torch.manual_seed(0)
    model = Tiny()
    found, expected = (
        sanity_check(model, IMAGES, "gradient", target=target) for target in (lambda output: output[:, 3], 3)
    )
    pd.testing.assert_frame_equal(found.table, expected.table)
