"""Single calls of one network in several threads, or under a caller's autocast, give what they give alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autola_analysis import explain, explain_joints, explain_objects
from autola_analysis.analyses.saliency.explain import explained_classes
from autola_analysis.backbones import create_model
from tests.inference.test_object_gradients import detector

from .test_explain import lively
from .test_explain_joints import pose

Call = Callable[[Tensor], Any]


def _classes() -> tuple[nn.Module, Call]:
    model = lively(create_model("resnet20", "se", 10, width=4)).eval()
    return model, lambda images: explain(model, images, ("grad-cam", "grad-cam++", "guided-backprop"))


def _objects() -> tuple[nn.Module, Call]:
    model = detector("ssd300").float()
    return model, lambda images: explain_objects(model, images.sigmoid(), "odam", threshold=0.06)


def _joints() -> tuple[nn.Module, Call]:
    model = pose().float()
    return model, lambda images: explain_joints(model, images, ["grad-cam", "guided-backprop"])


CALLS = pytest.mark.parametrize("made", [_classes, _objects, _joints])


def batches(count: int) -> list[Tensor]:
    return [torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) for seed in range(count)]


@CALLS
def test_explanations_of_one_network_in_threads_are_those_of_one_thread(
    made: Callable[[], tuple[nn.Module, Call]],
) -> None:
    model, call = made()
    expected = [call(batch) for batch in batches(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(call, batches(8)))
    for one, other in zip(expected, found, strict=True):
        assert one.maps
        for key, maps in one.maps.items():
            assert torch.equal(other.maps[key], maps)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@CALLS
@pytest.mark.parametrize("enabled", [True, False])
def test_autocast_of_the_caller_changes_no_map(made: Callable[[], tuple[nn.Module, Call]], enabled: bool) -> None:
    _, call = made()
    (batch,) = batches(1)
    expected = call(batch)
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        found = call(batch)
        assert torch.is_autocast_enabled("cpu") == enabled
    for key, maps in expected.maps.items():
        assert torch.equal(found.maps[key], maps)


@pytest.mark.parametrize("enabled", [True, False])
def test_autocast_of_the_caller_changes_no_predicted_class(enabled: bool) -> None:
    model, _ = _classes()
    (batch,) = batches(1)
    expected = explained_classes(model, batch)
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        assert torch.equal(explained_classes(model, batch), expected)
