"""Several threads that analyse at once: each finds what it finds alone, and the process is as before."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
import torch
from torch import nn

from autola_analysis.backbones import create_model
from autola_analysis.inference.copies import copied, evaluating
from autola_analysis.inference.gates import gate_layers
from autola_analysis.inference.precision import precision_of

SOON = 0.3
"""Seconds in which another thread would be through if it did not wait for its turn"""


def meanwhile(call: Callable[[], Any]) -> Future[Any]:
    """Begin a call in another thread, which may wait for this one."""
    begun = Event()

    def begin() -> Any:
        begun.set()
        return call()

    pool = ThreadPoolExecutor(1)
    result = pool.submit(begin)
    begun.wait()
    pool.shutdown(wait=False)
    return result


def test_gates_of_one_network_are_found_by_all_threads() -> None:
    model = create_model("resnet20", "cbam", 10).eval()
    expected = gate_layers(model, 32)
    assert expected
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: gate_layers(model, 32), range(8))) == [expected] * 8
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("training", [True, False])
def test_a_copy_has_no_hook_or_flag_that_another_thread_has_put_on_the_network(training: bool) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).train(training)
    with evaluating(model):
        handle = model[0].register_forward_hook(lambda *_: None)
        copy = meanwhile(lambda: copied(model))
        with pytest.raises(TimeoutError):
            copy.result(SOON)
        handle.remove()
    assert not copy.result(5)[0]._forward_hooks
    assert model.training == training


def test_switches_of_arithmetic_are_as_before_when_threads_have_set_them_in_turn() -> None:
    def switches() -> tuple[bool, bool]:
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    def inside(name: str) -> tuple[bool, bool]:
        with precision_of(name, torch.device("cpu")):
            return switches()

    before = switches()
    try:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = True, False
        with precision_of("float32", torch.device("cpu")):
            other = meanwhile(lambda: inside("tf32"))
            with pytest.raises(TimeoutError):
                other.result(SOON)
            assert switches() == (False, False)
        assert other.result(5) == (True, True)
        assert switches() == (True, False)
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
