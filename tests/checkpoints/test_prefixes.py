import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel

from autola_analysis.checkpoints import inspect_checkpoint, load_model
from autola_analysis.checkpoints.prefixes import strip_resnet, strip_to_match
from autola_analysis.core.errors import CheckpointError

from .helpers import logits, randomise

PATH = Path("file.pth")
RESNET = {"conv1.weight": torch.ones(1), "layer1.0.conv1.weight": torch.ones(2)}
PREFIXES = ("", "module.", "model._orig_mod.", "backbone.body.", "resnet.", "feature_extractor.", "1.", "teacher.")
"""What wrappers, attributes of training code and positions put in front; none is known to the package."""


def under(prefix: str, state=RESNET) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_prefix_of_the_only_network_is_stripped_and_recorded(prefix: str) -> None:
    stripped = strip_resnet(under(prefix), PATH)
    assert stripped.state.keys() == RESNET.keys()
    assert "".join(stripped.prefixes) == prefix
    assert any(repr(prefix) in line for line in stripped.evidence) == bool(prefix)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_prefix_is_stripped_for_a_network_that_the_user_names(saved, prefix: str) -> None:
    network = randomise(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)))
    stripped = strip_to_match(under(prefix, network.state_dict()), network.state_dict(), PATH)
    assert stripped.state.keys() == network.state_dict().keys()
    assert "".join(stripped.prefixes) == prefix


@pytest.mark.parametrize("wrapper", ["_orig_mod", "module", "_checkpoint_wrapped_module"])
def test_wrappers_within_the_network_are_left_out_and_recorded(saved, tiny, wrapper: str) -> None:
    state = {name.replace("layer1.", f"layer1.{wrapper}."): tensor for name, tensor in tiny.state_dict().items()}
    for content in (state, under("model.", state)):
        loaded = load_model(saved(content))
        assert torch.equal(logits(loaded.model), logits(tiny))
        assert any("wrappers" in line and wrapper in line for line in loaded.evidence)


@pytest.mark.parametrize(("first", "second"), [("model.", "net."), ("student.", "teacher."), ("", "module.")])
def test_two_networks_in_one_state_dict_are_ambiguous(saved, tiny, first: str, second: str) -> None:
    state = {**under(first), **under(second)}
    for strip in (lambda: strip_resnet(state, PATH), lambda: strip_to_match(state, RESNET.keys(), PATH)):
        with pytest.raises(CheckpointError, match=r"several networks, under the prefixes|two tensors for"):
            strip()
    if first:
        other = randomise(copy.deepcopy(tiny), seed=4)
        path = saved({**under(first, tiny.state_dict()), **under(second, other.state_dict())})
        assert torch.equal(logits(load_model(path, weights=first.rstrip(".")).model), logits(tiny))
        assert torch.equal(logits(load_model(path, weights=second.rstrip(".")).model), logits(other))


def test_averaged_copy_is_ignored_and_named_and_can_be_chosen(saved, tiny) -> None:
    other = {name: tensor * 2 for name, tensor in tiny.state_dict().items()}
    state = {**under("model.", tiny.state_dict()), **under("model_ema.module.", other)}
    path = saved(state)
    loaded = load_model(path)
    assert torch.equal(loaded.model.conv1.weight, tiny.conv1.weight)
    assert any(f"ignored {len(other)} tensors beside the network (model_ema)" in each for each in loaded.warnings)
    assert torch.equal(load_model(path, weights="model_ema").model.conv1.weight, 2 * tiny.conv1.weight)


def test_counters_of_averaging_are_ignored_and_named(saved, tiny) -> None:
    averaged = AveragedModel(tiny)
    averaged.update_parameters(tiny)
    counted = {**tiny.state_dict(), "step": torch.tensor(100), "initted": torch.tensor(True)}
    for content, counters in ((averaged.state_dict(), ("n_averaged",)), (counted, ("step", "initted"))):
        path = saved(content)
        loaded = load_model(path)
        assert torch.equal(logits(loaded.model), logits(tiny))
        assert all(any(counter in line for line in loaded.evidence) for counter in counters)
        assert not loaded.warnings


@pytest.mark.parametrize(
    "beside",
    [
        {"val_acc.tp": torch.zeros(10), "val_acc.fp": torch.zeros(10)},
        {"class_weights": torch.ones(10)},
        {"normalize.mean": torch.zeros(1, 3, 1, 1), "normalize.std": torch.ones(1, 3, 1, 1)},
        {"ema_model_conv1_weight": torch.ones(4, 3, 3, 3)},
        {"model_ema.layer10conv1weight": torch.ones(4, 4, 3, 3)},
        {"projector.weight": torch.ones(2, 16), "queue": torch.ones(16, 8)},
    ],
    ids=lambda beside: next(iter(beside)),
)
@pytest.mark.parametrize("arch", [None, "network.py:network"])
def test_tensors_beside_the_network_are_ignored_and_named(saved, tiny, tmp_path, beside, arch: str | None) -> None:
    (tmp_path / "network.py").write_text(
        "from autola_analysis import create_model\n\n\ndef network():\n"
        "    return create_model('resnet20', num_classes=10, width=4)\n"
    )
    loaded = load_model(
        saved({"state_dict": {**beside, **under("model.", tiny.state_dict())}}), arch=arch and f"{tmp_path}/{arch}"
    )
    assert torch.equal(logits(loaded.model), logits(tiny))
    assert any(all(name in line for name in beside) for line in loaded.evidence if line.startswith("ignored"))
    assert any(next(iter(beside)).split(".")[0] in warning for warning in loaded.warnings)


def test_a_pruned_network_is_read_as_its_product_and_named(saved, tiny) -> None:
    pruned = copy.deepcopy(tiny)
    parts = [pruned.conv1, pruned.layer1[0].conv1]
    for part in parts:
        prune.l1_unstructured(part, "weight", amount=0.5)
    expected = logits(pruned)
    for content in (pruned.state_dict(), under("module.", pruned.state_dict())):
        loaded = load_model(saved(content))
        assert torch.equal(logits(loaded.model), expected)
        (line,) = (line for line in loaded.evidence if line.startswith("pruned"))
        assert "2 tensors are stored as weight_orig and weight_mask" in line
        assert "50% of their values are zero" in line


def test_half_of_a_pruned_pair_is_refused(saved, tiny) -> None:
    state = dict(tiny.state_dict())
    state["conv1.weight_orig"] = state.pop("conv1.weight")
    with pytest.raises(CheckpointError, match=r"conv1\.weight"):
        load_model(saved(state))


@pytest.mark.parametrize("outer", ["", "module."])
def test_detector_parts_are_ignored_and_named(outer: str) -> None:
    other = {outer + "backbone.fpn.inner.weight": torch.ones(1), outer + "roi_heads.fc.weight": torch.ones(1)}
    stripped = strip_resnet({**under(outer + "backbone.body."), **other}, PATH)
    assert stripped.state.keys() == RESNET.keys()
    assert set(stripped.ignored) == set(other)


def test_without_a_prefix_a_weight_that_the_network_lacks_is_refused(saved, tiny) -> None:
    with pytest.raises(CheckpointError, match=r"1 of its tensors fit nowhere: attention\.weight"):
        load_model(saved({**tiny.state_dict(), "attention.weight": torch.ones(2)}))


def test_a_second_head_outside_does_not_replace_the_networks_own(saved, tiny) -> None:
    state = {**under("backbone.", tiny.state_dict()), "head.fc.weight": torch.zeros(10, 16)}
    loaded = load_model(saved(state))
    assert torch.equal(logits(loaded.model), logits(tiny))
    assert "ignored 1 tensors beside the network: head.fc.weight" in loaded.evidence


def test_prefixes_that_an_external_network_has_itself_stay() -> None:
    expected = ["backbone.body.conv1.weight", "rpn.weight"]
    state = {"module.backbone.body.conv1.weight": torch.ones(1), "module.rpn.weight": torch.ones(1)}
    stripped = strip_to_match(state, expected, PATH)
    assert sorted(stripped.state) == sorted(expected)
    assert stripped.prefixes == ("module.",)


def test_names_that_two_parts_of_another_network_share_do_not_make_it_several() -> None:
    state = {"first.bias": torch.ones(1), "second.bias": torch.ones(1)}
    expected = ["stem.weight", "stem.bias", "bias", "head.weight"]
    assert strip_to_match(state, expected, PATH).prefixes == ("first.",)


def test_parts_that_an_external_network_expects_are_not_ignored() -> None:
    state = {"backbone.body.conv1.weight": torch.ones(1), "rpn.weight": torch.ones(1)}
    assert strip_to_match(state, list(state), PATH).state.keys() == state.keys()


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
