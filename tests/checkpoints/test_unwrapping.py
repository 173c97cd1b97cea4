import copy
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from autola_analysis.checkpoints import inspect_checkpoint, load_model
from autola_analysis.checkpoints.unwrapping import unwrap
from autola_analysis.core.errors import CheckpointError

from .helpers import logits, randomise

PATH = Path("file.pth")
KEYS = ("state_dict", "model", "net", "model_state_dict", "weight", "params", "state_dict_ema", "generator", "a b")
"""Under which projects keep their weights: none of them is known to the package."""


def weights(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {"conv1.weight": torch.full((2, 1, 3, 3), value), "bn1.weight": torch.ones(2)}


def state_of_adam() -> dict[str, object]:
    parameter = nn.Parameter(torch.ones(2, 1, 3, 3))
    optimizer = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimizer.step()
    return optimizer.state_dict()


@pytest.mark.parametrize("key", KEYS)
def test_weights_are_found_under_any_key_and_the_rest_is_reported(key: str) -> None:
    found = unwrap({"epoch": 12, key: weights(), "best_acc1": torch.tensor(76.5), "args": {"lr": 0.1}}, PATH)
    assert found.state.keys() == weights().keys()
    assert found.stripped == (f"dictionary key {key!r}",)
    assert found.leftovers == ("epoch: 12", "best_acc1: 76.5", "args: dictionary of 1")


@pytest.mark.parametrize(
    "beside",
    [
        {"optimizer": state_of_adam()},
        {"optimizers": [state_of_adam()]},
        {"criterion": {"weight": torch.ones(10)}},
        {"rng_state": torch.get_rng_state()},
        {"metrics": {"confusion": torch.zeros(10, 10), "accuracy": torch.tensor(0.9)}},
        {"example_input": torch.zeros(1, 3, 8, 8)},
        {"callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9)}}},
    ],
    ids=lambda beside: next(iter(beside)),
)
def test_what_training_keeps_beside_the_weights_is_no_candidate(beside: dict[str, object]) -> None:
    found = unwrap({**beside, "ckpt": weights(3.0)}, PATH)
    assert torch.equal(found.state["conv1.weight"], weights(3.0)["conv1.weight"])


def test_the_state_of_an_optimizer_is_no_candidate_beside_tensors_of_any_name() -> None:
    content = {"optimizer": state_of_adam(), "net": {"kernel": torch.ones(2, 1, 3, 3)}}
    assert list(unwrap(content, PATH).state) == ["kernel"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"model_state_dict": weights(), "model_ema": weights(2)}, "'model_state_dict', 'model_ema'"),
        ({"net": weights(), "ema": {"decay": 0.99, "shadow": weights(2)}}, "'net', 'ema.shadow'"),
        ({"student": weights(), "teacher": weights(2)}, "'student', 'teacher'"),
        ({"models": [weights(), weights(2)]}, "'models.0', 'models.1'"),
        ({**weights(), "best": OrderedDict(weights(2))}, "'.', 'best'"),
        ({"first": {"a": torch.ones(2)}, "second": {"a": torch.zeros(2)}}, "'first', 'second'"),
    ],
)
def test_several_sets_of_weights_are_all_named_and_none_is_chosen(content: dict[str, object], named: str) -> None:
    with pytest.raises(CheckpointError, match="several sets of weights") as refused:
        unwrap(content, PATH)
    assert f"({named})" in str(refused.value)
    assert "--weights KEY" in str(refused.value)
    for number, key in enumerate(named.replace("'", "").split(", "), start=1):
        first = next(iter(unwrap(content, PATH, key).state.values())).flatten()[0]
        assert first == (number if "first" not in content else 2 - number)


def test_the_name_may_go_on_into_the_names_of_tensors() -> None:
    flat = {"student.conv1.weight": torch.zeros(1, 1), "teacher.conv1.weight": torch.ones(1, 1)}
    for content, key in (
        (flat, "teacher"),
        ({"state_dict": flat}, "teacher."),
        ({"state_dict": flat, "ema": weights()}, "state_dict.teacher"),
    ):
        found = unwrap(content, PATH, key)
        assert list(found.state) == ["teacher.conv1.weight"]
        assert "1 tensors with other names: student.conv1.weight ..." in found.leftovers


def test_a_name_that_holds_no_weights_is_refused_with_those_that_do() -> None:
    with pytest.raises(CheckpointError, match=r"no weights under 'teacher'; there are 'net', 'ema'"):
        unwrap({"net": weights(), "ema": weights()}, PATH, "teacher")


def test_nests_in_nests_are_unwrapped_in_order() -> None:
    found = unwrap({"model": {"state_dict": weights(), "step": 1}}, PATH)
    assert found.stripped == ("dictionary key 'model'", "dictionary key 'state_dict'")
    assert found.leftovers == ("step: 1",)


def test_flat_state_dict_is_taken_as_it_is() -> None:
    found = unwrap(weights(), PATH)
    assert (found.stripped, found.leftovers) == ((), ())


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], torch.ones(3), "text"])
def test_object_without_weights_is_refused(content: object) -> None:
    with pytest.raises(CheckpointError, match=r"no tensors|where a state dict"):
        unwrap(content, PATH)


def test_a_file_that_holds_itself_is_searched_once() -> None:
    content: dict[str, object] = {"epoch": 3}
    content["state_dict"] = content
    with pytest.raises(CheckpointError, match="no tensors"):
        unwrap(content, PATH)
    content["net"] = weights()
    assert unwrap(content, PATH).stripped == ("dictionary key 'net'",)


def test_whole_module_loads_when_trusted(saved, tiny) -> None:
    path = saved({"model": nn.DataParallel(tiny), "epoch": 3})
    with pytest.raises(CheckpointError, match="--trust-checkpoint"):
        load_model(path)
    loaded = load_model(path, trust=True)
    assert torch.equal(loaded.model.conv1.weight, tiny.conv1.weight)
    assert "module object DataParallel" in inspect_checkpoint(path, trust=True).wrappers


def test_the_chosen_set_reaches_the_network_and_the_record(saved, tiny) -> None:
    other = randomise(copy.deepcopy(tiny), seed=3)
    path = saved({"model_state_dict": tiny.state_dict(), "model_ema": other.state_dict(), "epoch": 1})
    with pytest.raises(CheckpointError, match="'model_state_dict', 'model_ema'"):
        inspect_checkpoint(path)
    for key, network in (("model_state_dict", tiny), ("model_ema", other)):
        loaded = load_model(path, weights=key)
        assert torch.equal(logits(loaded.model), logits(network))
        assert f"weights {key!r}: named by the user" in loaded.evidence
        assert inspect_checkpoint(path, weights=key).problem is None
