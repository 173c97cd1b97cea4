"""A search from Python is that of the command line."""

from pathlib import Path
from typing import Any

import pytest

import autola_analysis as autola
from autola_analysis.core.errors import MissingExtraError, UnknownNameError
from autola_analysis.search.recipes import SEARCH_RECIPES
from autola_analysis.training.settings import Machine


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def run(*given: Any) -> str:
        made.append(given)
        assert given[1].parent.is_dir()
        return "found"

    monkeypatch.setattr("autola_analysis.search.run.run_search", run)
    return made


def test_every_argument_reaches_what_it_sets(calls: list[Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = autola.search_attention(
        "cifar10:/data", 2, 3, hessian="none", backbone="resnet8", out=out, device="cpu", workers=2, quiet=True
    )
    ((search, folder, machine),) = calls
    assert found == "found"
    assert (search.recipe_name, search.recipe, search.data) == (
        "cifar10",
        SEARCH_RECIPES.get("cifar10"),
        "cifar10:/data",
    )
    assert (search.order, search.hessian, search.network, search.seed) == (2, "none", "resnet8", 3)
    assert (folder, machine) == (out, Machine("cpu", "32-true", 2, True))


def test_data_stand_before_the_folder_behind_the_recipe(calls: list[Any], tmp_path: Path) -> None:
    autola.search_attention("cifar10:/old", data="cifar10:/new", out=tmp_path / "out")
    assert calls[0][0].data == "cifar10:/new"


def test_without_a_folder_nothing_is_kept(calls: list[Any]) -> None:
    recipe = SEARCH_RECIPES.get("cluttered-digits").overridden({"epochs": "1"})
    autola.search_attention(recipe, data="folder:x", precision="bf16-mixed")
    ((search, folder, machine),) = calls
    assert not folder.parent.exists()
    assert (search.recipe_name, search.recipe, search.data, search.order) == ("own", recipe, "folder:x", 1)
    assert machine == Machine("auto", "bf16-mixed", 0, False)


def test_an_unknown_recipe_and_a_missing_package_are_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="unknown search recipe 'cifar11'; the nearest known: cifar10"):
        autola.search_attention("cifar11")
    monkeypatch.setattr("autola_analysis.core.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="a search needs pytorch-lightning"):
        autola.search_attention("cifar10")
