from pathlib import Path

import pytest
import torch
from torch import nn

from autola_analysis.checkpoints import inspect_checkpoint, load_model
from autola_analysis.checkpoints.unwrapping import AVERAGED_NESTS, PLAIN_NESTS, unwrap
from autola_analysis.core.errors import CheckpointError

PATH = Path("file.pth")
WEIGHTS = {"conv1.weight": torch.ones(2)}


@pytest.mark.parametrize("key", [*PLAIN_NESTS, *AVERAGED_NESTS])
def test_nested_weights_are_found_and_the_rest_is_reported(key: str) -> None:
    found = unwrap({"epoch": 12, key: WEIGHTS, "best_acc1": torch.tensor(76.5), "optimizer": {"state": {}}}, PATH)
    assert found.state.keys() == WEIGHTS.keys()
    assert found.stripped == (f"dictionary key {key!r}",)
    assert found.leftovers == ("epoch: 12", "best_acc1: 76.5", "optimizer: dictionary of 1")


def test_nests_in_nests_are_unwrapped_in_order() -> None:
    found = unwrap({"model": {"state_dict": WEIGHTS, "step": 1}}, PATH)
    assert found.stripped == ("dictionary key 'model'", "dictionary key 'state_dict'")
    assert found.leftovers == ("step: 1",)


def test_flat_state_dict_is_taken_as_it_is() -> None:
    found = unwrap(WEIGHTS, PATH)
    assert (found.stripped, found.leftovers, found.warnings) == ((), (), ())


@pytest.mark.parametrize("averaged", AVERAGED_NESTS)
def test_plain_weights_are_preferred_to_averaged_ones_and_the_choice_is_a_warning(averaged: str) -> None:
    found = unwrap({averaged: {"conv1.weight": torch.zeros(2)}, "state_dict": WEIGHTS}, PATH)
    assert torch.equal(found.state["conv1.weight"], torch.ones(2))
    assert len(found.warnings) == 1
    assert averaged in found.warnings[0]


def test_two_plain_sets_of_weights_are_ambiguous() -> None:
    with pytest.raises(CheckpointError, match="several sets of weights \\('state_dict', 'net'\\)"):
        unwrap({"state_dict": WEIGHTS, "net": WEIGHTS}, PATH)


def test_weights_under_an_unknown_key_are_named_and_not_guessed() -> None:
    with pytest.raises(CheckpointError, match="under 'generator', which is none of the known names"):
        unwrap({"generator": WEIGHTS, "epoch": 1}, PATH)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], torch.ones(3), "text"])
def test_object_without_weights_is_refused(content: object) -> None:
    with pytest.raises(CheckpointError, match=r"no tensors|where a state dict"):
        unwrap(content, PATH)


def test_endless_nesting_is_refused() -> None:
    content: dict[str, object] = dict(WEIGHTS)
    for _ in range(8):
        content = {"model": content}
    with pytest.raises(CheckpointError, match="dictionaries deep"):
        unwrap(content, PATH)


def test_whole_module_loads_when_trusted(saved, tiny) -> None:
    path = saved({"model": nn.DataParallel(tiny), "epoch": 3})
    with pytest.raises(CheckpointError, match="--trust-checkpoint"):
        load_model(path)
    loaded = load_model(path, trust=True)
    assert torch.equal(loaded.model.conv1.weight, tiny.conv1.weight)
    assert "module object DataParallel" in inspect_checkpoint(path, trust=True).wrappers
