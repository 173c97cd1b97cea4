import pytest

from autola_analysis.core.errors import OptionError
from autola_analysis.training.recipes import RECIPES, Recipe


def test_the_papers_recipes_are_as_published() -> None:
    cifar10, cifar100, imagenet = (RECIPES.get(name) for name in ("cifar10", "cifar100", "imagenet"))
    assert (cifar10.learning_rate, cifar10.momentum, cifar10.weight_decay) == (0.1, 0.9, 5e-4)
    assert (cifar10.batch_size, cifar10.epochs, cifar10.schedule) == (256, 500, "cosine")
    assert (cifar10.crop_padding, cifar10.flip, cifar10.cutout) == (4, True, 0)
    assert (cifar100.width, cifar100.batch_size, cifar100.epochs) == (64, 128, 500)
    assert (imagenet.epochs, imagenet.batch_size, imagenet.weight_decay) == (100, 256, 1e-4)
    assert (imagenet.random_resized_crop, imagenet.flip) == (224, True)


def test_the_short_recipe_differs_from_the_papers_in_its_budget_alone() -> None:
    paper, short = RECIPES.get("cifar10").to_dict(), RECIPES.get("cifar10-short").to_dict()
    assert {name for name in paper if paper[name] != short[name]} == {
        "description",
        "epochs",
        "warmup_epochs",
        "normalize",  # the source's own statistics, by name: a folder of the same images has none
    }


def test_the_cosine_schedule_warms_up_and_ends_at_zero() -> None:
    recipe = Recipe("", data="x", epochs=11, warmup_epochs=1)
    assert [recipe.learning_rate_factor(epoch) for epoch in (0, 0.5, 1, 6, 11)] == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_the_step_schedule_divides_by_ten_every_30_epochs() -> None:
    recipe = RECIPES.get("imagenet")
    factors = [recipe.learning_rate_factor(epoch) for epoch in (0, 29.9, 30, 60, 90)]
    assert factors == pytest.approx([1, 1, 0.1, 0.01, 0.001])


def test_any_value_can_be_overridden_from_text() -> None:
    recipe = RECIPES.get("cifar10").overridden(
        {"epochs": "3", "learning_rate": "1", "flip": "False", "schedule": "step", "cutout": "16"}
    )
    assert (recipe.epochs, recipe.learning_rate, recipe.flip, recipe.schedule, recipe.cutout) == (
        3,
        1.0,
        False,
        "step",
        16,
    )
    assert isinstance(recipe.learning_rate, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": "3"}, "no value 'epoch'; the nearest: epochs"),
        ({"epochs": "many"}, "epochs takes a value of type int; found 'many'"),
        ({"epochs": "1.5"}, "epochs takes a value of type int; found '1.5'"),
        ({"flip": "1"}, "flip takes a value of type bool; found '1'"),
        ({"schedule": "linear"}, "schedule is one of cosine, step; found 'linear'"),
        ({"batch_size": "0"}, "batch_size must be positive; found 0"),
        ({"momentum": "-1"}, "momentum cannot be negative; found -1.0"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        RECIPES.get("cifar10").overridden(values)
