"""Convolutions that carry out the ReLU and the addition behind them, against the same network as it is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from autola_analysis.backbones import create_model
from autola_analysis.inference import fusing
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.folding import FastCopy, fast_copy
from autola_analysis.inference.fusing import FusedConvolution, fuse, unfuse
from autola_analysis.inference.tap import tap

pytestmark = pytest.mark.skipif(not fusing.can_fuse(), reason="this build of torch has no oneDNN operators")
BuildNetwork = Callable[[], nn.Module]


def randomised(model: nn.Module) -> nn.Module:
    """Give batch norms statistics that folding has to get right."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval()


def images(count: int = 3, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def copied(model: nn.Module, layers: list[str], **options: bool) -> FastCopy:
    with runnable(model, torch.device("cpu")) as ready:
        return fast_copy(ready, layers, images(), **options)


@pytest.mark.parametrize(
    ("build", "fused"),
    [
        (lambda: create_model("resnet20", num_classes=10), 10),  # the stem and nine blocks
        (lambda: create_model("resnet20", attention="hoga", num_classes=10), 10),
        (lambda: create_model("resnet50", attention="cbam", num_classes=10), 17),
        (lambda: torchvision.models.resnet18(num_classes=10), 9),
        (lambda: torchvision.models.resnext50_32x4d(num_classes=10), 17),
    ],
)
def test_logits_and_stages_are_those_of_the_network_for_every_batch_size(build: BuildNetwork, fused: int) -> None:
    torch.manual_seed(0)
    model = randomised(build())
    layers = ["layer1", "layer2", "layer3"]
    copy = copied(model, layers)
    assert copy.fused == fused
    for count in (4, 1, 5):
        batch = images(count, 40)
        with torch.inference_mode(), tap(model, layers) as expected, tap(copy.model, layers) as found:
            logits = model(batch)
            fast = copy.model(batch.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(fast, logits, rtol=1e-4, atol=1e-4 * float(logits.abs().max()))
        for layer in layers:
            torch.testing.assert_close(
                found[layer], expected[layer], rtol=1e-4, atol=1e-4 * float(expected[layer].abs().max())
            )


def test_parts_of_a_block_that_are_tapped_are_heard_as_before() -> None:
    torch.manual_seed(0)
    model = randomised(torchvision.models.resnet18(num_classes=10))
    layers = ["layer1.0.relu#2", "layer2.0.conv1", "layer3.1.bn2", "layer4.0"]
    copy = copied(model, layers)
    assert 0 < copy.fused < 9
    with torch.inference_mode(), tap(model, layers) as expected, tap(copy.model, layers) as found:
        model(images())
        copy.model(images().contiguous(memory_format=torch.channels_last))
    for layer in layers:
        torch.testing.assert_close(
            found[layer], expected[layer], rtol=1e-4, atol=1e-4 * float(expected[layer].abs().max())
        )


def test_a_part_that_somebody_else_hooks_is_called() -> None:
    model = torchvision.models.resnet18(num_classes=10)
    calls: list[nn.Module] = []
    block = model.layer1[0]
    block.relu.register_forward_hook(lambda module, inputs, output: calls.append(module))
    fuse(model.eval(), ())
    with torch.inference_mode():
        model(images())
    assert calls == [block.relu, block.relu]


def test_blocks_of_unknown_code_are_not_traced() -> None:
    class Counting(torchvision.models.resnet.BasicBlock):
        def forward(self, x: Tensor) -> Tensor:
            self.calls = getattr(self, "calls", 0) + 1
            return super().forward(x)

    block = Counting(8, 8)
    assert fuse(nn.Sequential(block).eval(), ()) == []
    assert not hasattr(block, "calls")


class ReadsTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        return F.relu(out) + out


class AddsToItself(ReadsTwice):
    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        return F.relu(out + out)


class AddsANumber(ReadsTwice):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + 1)


class AddsTwice(ReadsTwice):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(torch.add(self.conv(x), x, alpha=2))


@pytest.mark.parametrize("block", [ReadsTwice, AddsToItself, AddsANumber, AddsTwice])
def test_what_is_no_plain_sum_or_is_read_elsewhere_is_not_fused(
    block: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fusing, "TRACED", (__name__,))
    assert fuse(block().eval(), ()) == []


@pytest.mark.parametrize("other", [(3, 4, 8, 8), (1, 4, 8, 8), (3, 1, 1, 1), None])
@pytest.mark.parametrize("count", [3, 1])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fused_convolution_is_the_rectified_sum_whatever_it_is_given(
    other: tuple[int, ...] | None, count: int, memory_format: torch.memory_format, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(6, 4, 3, stride=2, padding=2, dilation=2, groups=2).to(dtype)
    x = torch.randn(count, 6, 16, 16, dtype=dtype).contiguous(memory_format=memory_format)
    addend = torch.zeros(1, 1, 1, 1) if other is None else torch.randn(other, dtype=dtype)
    addend = addend.contiguous(memory_format=memory_format)
    expected = F.relu(convolution(x) + addend.to(dtype))
    with torch.inference_mode():
        found = FusedConvolution(convolution)(x, *(() if other is None else (addend,)))
    torch.testing.assert_close(found, expected)


def test_a_gradient_flows_as_through_the_parts() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    x = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    (expected,) = torch.autograd.grad(F.relu(convolution(x)).sum(), x)
    (found,) = torch.autograd.grad(FusedConvolution(convolution)(x).sum(), x)
    torch.testing.assert_close(found, expected)


def test_a_fused_copy_that_puts_out_something_else_falls_back_to_the_folded_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    model = randomised(create_model("resnet20", num_classes=10))
    forward = FusedConvolution.forward
    monkeypatch.setattr(FusedConvolution, "forward", lambda self, *inputs: 1.01 * forward(self, *inputs))
    copy = copied(model, ["layer3"])
    assert (copy.folded, copy.fused) == (21, 0)
    with torch.inference_mode():
        torch.testing.assert_close(copy.model(images()), model(images()), rtol=1e-4, atol=1e-4)


def test_without_the_operators_or_for_a_compiler_nothing_is_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = randomised(create_model("resnet20", num_classes=10))
    assert copied(model, [], fusing=False).fused == 0
    assert copied(model, [], channels_last=False).fused == 0
    monkeypatch.setattr(fusing, "can_fuse", lambda: False)
    assert copied(model, []).fused == 0


def test_unfusing_gives_blocks_their_own_forward_back() -> None:
    model = create_model("resnet20", num_classes=10).eval()
    unfuse(fuse(model, ()))
    assert not any("forward" in vars(module) for module in model.modules())


class Meanwhile(nn.Module):
    """A block in whose forward, while it is traced, something happens."""

    def __init__(self, happening: Callable[[], object]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.happening = happening

    def forward(self, x: Tensor) -> Tensor:
        self.happening()
        return F.relu(self.conv(x))


def test_networks_that_other_threads_run_are_not_drawn_into_the_block_that_is_traced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fusing, "TRACED", (__name__,))
    other = create_model("resnet20", "cbam", 10).eval()
    expected = other(images())
    found = []

    def run_elsewhere() -> None:
        with ThreadPoolExecutor(1) as pool:
            found.append(pool.submit(other, images()).result())

    block = Meanwhile(run_elsewhere)
    assert fuse(nn.Sequential(block).eval(), ()) == [block]
    assert torch.equal(found[0], expected)


def test_after_two_threads_have_traced_modules_are_called_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "TRACED", (__name__,))
    before = nn.Module.__call__, nn.Module.__getattr__
    second_began, first_ended = Event(), Event()

    def second_begins() -> None:
        second_began.set()
        first_ended.wait(5)

    second = Thread(target=fuse, args=(nn.Sequential(Meanwhile(second_begins)).eval(), ()))

    def first_waits() -> None:
        second.start()
        second_began.wait(0.5)  # in vain, where one traces at a time

    fuse(nn.Sequential(Meanwhile(first_waits)).eval(), ())
    first_ended.set()
    second.join()
    after = nn.Module.__call__, nn.Module.__getattr__
    nn.Module.__call__, nn.Module.__getattr__ = before  # type: ignore[method-assign]  # for the tests that follow
    assert after == before
