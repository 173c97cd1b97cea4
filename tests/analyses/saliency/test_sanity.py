from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.result import SANITY
from autola_analysis.analyses.saliency.sanity import (
    SanityResult,
    cascade,
    randomise,
    rank_correlations,
    sanity_check,
)
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import DataError
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
    assert sanity_check(copy, IMAGES, "gradient").table["images"].tolist() == [3] * 6


def test_rank_correlations_are_spearmans() -> None:
    first, second = torch.rand(4, 6, 6), torch.rand(4, 6, 6)
    second[1] = first[1] * 2
    second[2] = 0
    first[3] = (first[3] * 4).round()  # ties
    found = rank_correlations(first, second)
    expected = [stats.spearmanr(first[i].flatten(), second[i].flatten()).statistic for i in (0, 1, 3)]
    np.testing.assert_allclose(found[[0, 1, 3]], expected)
    assert np.isnan(found[2])


def test_the_table_compares_every_stage_with_the_original() -> None:
    model = Tiny().train()
    before = state_of(model)
    found = sanity_check(model, IMAGES, ("grad-cam", "gradient"), "layer1", seed=3)
    assert state_of(model) == before
    table = found.table
    assert list(table.columns) == SANITY.names
    assert table["method"].tolist() == ["grad-cam"] * 3 + ["gradient"] * 3
    assert table["randomised_to"].tolist() == ["fc", "layer2", "layer1"] * 2
    other = Tiny()
    other.load_state_dict(model.state_dict())
    targets = explain(model, IMAGES, "gradient").targets
    original = explain(model, IMAGES, "gradient").maps["gradient", None]
    for index, part in enumerate(["fc", "layer2", "layer1"]):
        randomise(other.get_submodule(part), 3 + index)
        maps = explain(other, IMAGES, "gradient", target=targets).maps["gradient", None]
        assert table["rank_correlation"].iloc[3 + index] == pytest.approx(rank_correlations(original, maps).mean())


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
    assert found.table["undefined"].tolist() == [3, 3, 3]
    assert found.table["rank_correlation"].isna().all()
    found.save(tmp_path)
    loaded = SanityResult.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.table, found.table)
    assert (loaded.model, loaded.settings) == (found.model, found.settings)
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
