"""Recipes of detectors: the numbers of the paper's supplement."""

from autola_analysis.backbones import ModelSpec
from autola_analysis.training.recipes import RECIPES

SUPPLEMENT = {
    "ssd300": {
        "backbone": "resnet50",
        "epochs": 65,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "factor": 0.1,
        "milestones": [43, 54],
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "decay": "weights",
        "warmup_epochs": 1.0,
        "warmup_steps": 0,
        "frozen_stages": 0,
    },
    "faster-rcnn": {
        "backbone": "resnet50",
        "epochs": 14,
        "batch_size": 2,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "factor": 0.1,
        "milestones": [8, 11],
        "momentum": 0.9,
        "weight_decay": 0.0001,
        "decay": "all",
        "warmup_epochs": 0.0,
        "warmup_steps": 500,
        "warmup_start": 0.001,
        "frozen_stages": 1,
        "norm_eval": True,
        "flip": True,
        "crop": False,
    },
}


def test_the_supplements_recipes_are_as_published() -> None:
    for name, expected in SUPPLEMENT.items():
        values = RECIPES.get(name).to_dict()
        assert {key: values[key] for key in expected} == expected


def test_the_supplements_detectors_have_their_parameters() -> None:
    for name, parameters in (("ssd300", 22_894_902), ("faster-rcnn", 41_753_056)):
        assert RECIPES.get(name).network(ModelSpec("resnet50", num_classes=0), 80).parameters == parameters


def test_the_small_ssd_has_2140_default_boxes() -> None:
    options = RECIPES.get("scenes-ssd").to_dict()["options"]
    assert 4 * (20**2 + 10**2 + 5**2 + 3**2 + 1) == 2140
    assert [len(options[key]) for key in ("steps", "scales", "ratios", "extras")] == [5, 6, 5, 4]
