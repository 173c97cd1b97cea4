import itertools
from pathlib import Path

import pytest
import torch

from autola_analysis.checkpoints import inspect_checkpoint, load_model
from autola_analysis.checkpoints.prefixes import PREFIXES, strip_resnet, strip_to_match
from autola_analysis.core.errors import CheckpointError

from .helpers import logits

PATH = Path("file.pth")
RESNET = {"conv1.weight": torch.ones(1), "layer1.0.conv1.weight": torch.ones(2)}


def under(prefix: str, state=RESNET) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize("prefix", ["", *PREFIXES, *(a + b for a, b in itertools.permutations(PREFIXES, 2))])
def test_every_prefix_and_every_pair_is_stripped_and_recorded(prefix: str) -> None:
    stripped = strip_resnet(under(prefix), PATH)
    assert stripped.state.keys() == RESNET.keys()
    assert "".join(stripped.prefixes) == prefix


def test_unknown_prefix_is_named_and_not_guessed() -> None:
    with pytest.raises(CheckpointError, match=r"unknown prefix 'student\.'"):
        strip_resnet(under("student."), PATH)


def test_two_networks_in_one_state_dict_are_ambiguous() -> None:
    with pytest.raises(CheckpointError, match=r"several networks, under the prefixes 'model.', 'net.'"):
        strip_resnet({**under("model."), **under("net.")}, PATH)


def test_averaged_copy_is_ignored_and_named() -> None:
    stripped = strip_resnet({**under("model."), **under("model_ema.module.")}, PATH)
    assert stripped.state.keys() == RESNET.keys()
    assert set(stripped.ignored) == set(under("model_ema.module."))


@pytest.mark.parametrize("outer", ["", "module."])
def test_detector_parts_are_ignored_and_named(outer: str) -> None:
    other = {outer + "backbone.fpn.inner.weight": torch.ones(1), outer + "roi_heads.fc.weight": torch.ones(1)}
    stripped = strip_resnet({**under(outer + "backbone.body."), **other}, PATH)
    assert stripped.state.keys() == RESNET.keys()
    assert set(stripped.ignored) == set(other)


def test_tensors_beside_the_network_that_nobody_knows_are_kept_for_the_strict_match(saved, tiny) -> None:
    state = {**under("model.", tiny.state_dict()), "mystery.weight": torch.ones(2)}
    assert strip_resnet(state, PATH).outside == ("mystery.weight",)
    with pytest.raises(CheckpointError, match=r"1 of its tensors fit nowhere: mystery\.weight"):
        load_model(saved(state))


def test_a_second_head_outside_does_not_replace_the_networks_own(saved, tiny) -> None:
    state = {**under("backbone.", tiny.state_dict()), "head.fc.weight": torch.zeros(10, 16)}
    with pytest.raises(CheckpointError, match=r"head\.fc\.weight"):
        load_model(saved(state))


def test_prefixes_that_an_external_network_has_itself_stay() -> None:
    expected = ["backbone.body.conv1.weight", "rpn.weight"]
    state = {"module.backbone.body.conv1.weight": torch.ones(1), "module.rpn.weight": torch.ones(1)}
    stripped = strip_to_match(state, expected)
    assert sorted(stripped.state) == sorted(expected)
    assert stripped.prefixes == ("module.",)


def test_parts_that_an_external_network_expects_are_not_ignored() -> None:
    state = {"backbone.body.conv1.weight": torch.ones(1), "rpn.weight": torch.ones(1)}
    assert strip_to_match(state, list(state)).state.keys() == state.keys()


def headless(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def test_mmpretrain_classifier_loads_with_its_head(saved, tiny) -> None:
    state = under("backbone.", headless(tiny.state_dict()))
    state |= {"head.fc.weight": tiny.fc.weight, "head.fc.bias": tiny.fc.bias}
    loaded = load_model(saved({"meta": {"epoch": 3}, "state_dict": state}))
    assert loaded.spec.num_classes == 10
    assert torch.equal(logits(loaded.model), logits(tiny))
    assert any("mmpretrain" in line for line in loaded.evidence)


def test_mmdetection_backbone_loads_without_a_head_and_names_what_it_ignores(saved, tiny) -> None:
    state = under("backbone.", headless(tiny.state_dict()))
    state |= {"neck.convs.0.weight": torch.ones(1), "bbox_head.fc.weight": torch.ones(1)}
    loaded = load_model(saved({"state_dict": state}))
    assert loaded.spec.num_classes == 0
    assert logits(loaded.model).shape == (2, 16)
    assert any(line.startswith("ignored 2 tensors") and "neck.convs.0.weight" in line for line in loaded.evidence)


def test_frozen_batch_norms_of_a_detection_backbone_load(saved, tiny) -> None:
    counted = headless(tiny.state_dict())
    frozen = {name: tensor for name, tensor in counted.items() if not name.endswith("num_batches_tracked")}
    state = {**under("backbone.body.", frozen), "backbone.fpn.layer.weight": torch.ones(1), "rpn.w": torch.ones(1)}
    loaded = load_model(saved({"model": state}))
    features = torch.nn.functional.linear(logits(loaded.model), tiny.fc.weight, tiny.fc.bias)
    assert torch.allclose(features, logits(tiny), atol=1e-6)


def test_lightning_checkpoint_loads_and_lists_its_leftovers(saved, tiny) -> None:
    content = {
        "epoch": 9,
        "global_step": 90,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {**under("model._orig_mod.", tiny.state_dict()), "criterion.weight": torch.ones(10)},
        "optimizer_states": [{}],
        "callbacks": {},
    }
    path = saved(content, "epoch=9-step=90.ckpt")
    report = inspect_checkpoint(path)
    assert report.problem is None
    assert report.wrappers == ("dictionary key 'state_dict'", "name prefix 'model.'", "name prefix '_orig_mod.'")
    assert "epoch: 9" in report.leftovers
    assert "pytorch-lightning_version: '2.4.0'" in report.leftovers
    assert "criterion.weight" in report.ignored[0]
    assert torch.equal(logits(load_model(path).model), logits(tiny))


def test_a_lone_averaged_copy_under_its_own_prefix_is_an_unknown_prefix() -> None:
    with pytest.raises(CheckpointError, match=r"unknown prefix 'teacher\.'"):
        strip_resnet(under("teacher."), PATH)
