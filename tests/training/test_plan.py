"""The schedule and the optimiser that detectors and poses share."""

import pytest
import torch
from torch import nn

from autola_analysis.core.errors import OptionError
from autola_analysis.training.recipes import RECIPES


def plan(**values: str):
    return RECIPES.get("scenes-ssd").overridden({"warmup_steps": "0", **values})


def test_the_rate_falls_at_the_end_of_the_named_epochs() -> None:
    recipe = plan(milestones="[2, 3]", factor="0.5")
    rates = [recipe.rate_at(step, 4) for step in (0, 7, 8, 11, 12, 100)]
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("length", [{"warmup_epochs": "2"}, {"warmup_steps": "8"}])
def test_a_warm_up_rises_linearly_from_its_start(length: dict[str, str]) -> None:
    recipe = plan(warmup_start="0.2", milestones="[]", **length)
    assert [recipe.rate_at(step, 4) for step in (0, 4, 8, 9)] == pytest.approx([0.2, 0.6, 1, 1])


def test_decay_of_weights_leaves_out_biases_and_batch_norms() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    decaying, kept = plan(decay="weights", weight_decay="0.5").optimizer_of(model).param_groups
    assert [each.shape for each in decaying["params"]] == [(4, 3, 1, 1)]
    assert (decaying["weight_decay"], kept["weight_decay"]) == (0.5, 0)
    assert len(kept["params"]) == 3
    every, nothing = plan(decay="all", weight_decay="0.5").optimizer_of(model).param_groups
    assert (len(every["params"]), every["weight_decay"], nothing["params"]) == (4, 0.5, [])


def test_parameters_that_are_frozen_are_not_optimised() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    groups = plan(optimizer="adam").optimizer_of(model).param_groups
    assert {id(each) for group in groups for each in group["params"]} == {id(each) for each in model[1].parameters()}


def test_each_optimiser_takes_its_numbers() -> None:
    model = nn.Linear(3, 4)
    adam = plan(optimizer="adam", learning_rate="0.25", momentum="0.8").optimizer_of(model)
    assert isinstance(adam, torch.optim.Adam)
    assert (adam.param_groups[0]["lr"], adam.param_groups[0]["betas"]) == (0.25, (0.8, 0.999))
    descent = plan(learning_rate="0.25", momentum="0.8").optimizer_of(model)
    assert isinstance(descent, torch.optim.SGD)
    assert (descent.param_groups[0]["lr"], descent.param_groups[0]["momentum"]) == (0.25, 0.8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "lamb"}, "optimizer is one of sgd, adam; found 'lamb'"),
        ({"decay": "some"}, "decay is one of all, weights"),
        ({"warmup_steps": "3", "warmup_epochs": "1"}, "in epochs or in steps"),
        ({"milestones": "[0]"}, "numbers of epochs, from 1 on"),
        ({"milestones": "8"}, r"milestones takes a list such as \[8, 11\]; found '8'"),
        ({"options": "[1]"}, "options takes a JSON object"),
        ({"factor": "0"}, "factor must be positive"),
        ({"clip_gradient": "-1"}, "clip_gradient cannot be negative"),
        ({"batch_size": "1"}, "its batch norm needs more than one value; found batch_size=1"),
        ({"detector": "yolo"}, "unknown detector 'yolo'"),
    ],
)
def test_values_that_are_not_possible_are_one_sentence(values: dict[str, str], message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        plan(**values)
    assert isinstance(caught.value, OptionError) or "unknown detector" in message


def test_a_plan_is_the_same_after_json() -> None:
    import json

    values = RECIPES.get("ssd300").to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["milestones"] == [43, 54]
