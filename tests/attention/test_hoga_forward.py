"""The forward of HOGA against one that calls every operation: outputs, gradients, hooks."""

import copy

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from autola_analysis.attention import Genotype, HighOrderGroupAttention
from autola_analysis.attention.gating import Gating, add_output
from tests.attention.naive import genotypes, naive_forward, with_statistics


def images(channels: int) -> Tensor:
    return torch.randn(3, channels, 6, 5, generator=torch.Generator().manual_seed(1))


def relative(expected: Tensor, found: Tensor) -> float:
    return float((expected - found).detach().abs().max() / expected.detach().abs().max().clamp(min=1e-6))


@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(genotypes(), st.sampled_from([8, 16]), st.booleans(), st.booleans())
def test_outputs_and_gradients_are_those_of_the_definition(
    genotype: Genotype, channels: int, training: bool, channels_last: bool
) -> None:
    torch.manual_seed(0)
    hoga = with_statistics(HighOrderGroupAttention(channels, genotype)).train(training).double()
    naive = copy.deepcopy(hoga)
    x = images(channels).double()
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [naive_forward(naive, inputs[0]), hoga(inputs[1])]
    assert relative(*outputs) < 1e-10
    for output in outputs:
        (output * torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)).sum().backward()
    assert relative(inputs[0].grad, inputs[1].grad) < 1e-8
    largest = max(float(p.grad.abs().max()) for p in naive.parameters() if p.grad is not None)
    for (name, a), b in zip(naive.named_parameters(), hoga.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            assert float((a.grad - b.grad).abs().max()) < 1e-8 * largest, name
    for (name, a), b in zip(naive.named_buffers(), hoga.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_output_has_the_memory_format_of_the_input(channels_last: bool) -> None:
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    x = images(16).contiguous(memory_format=wanted)
    assert HighOrderGroupAttention(16)(x).is_contiguous(memory_format=wanted)


def test_a_hook_on_any_part_sees_what_that_part_would_put_out() -> None:
    hoga = with_statistics(HighOrderGroupAttention(16)).eval()
    x = images(16)
    for name, module in hoga.named_modules():
        seen: list[Tensor] = []
        handle = module.register_forward_hook(lambda m, i, o, seen=seen: seen.append(o.clone()))
        with torch.no_grad():
            hoga(x)
            naive_forward(hoga, x) if name else seen.append(naive_forward(hoga, x))
        handle.remove()
        if isinstance(module, torch.nn.ModuleList):
            continue
        half = len(seen) // 2
        assert half in (1, 2), name  # the perceptron of a channel gate runs for mean and maximum
        for found, expected in zip(seen[:half], seen[half:], strict=True):
            torch.testing.assert_close(found, expected, msg=name)


def test_what_a_hook_on_an_operation_puts_in_its_place_is_what_is_added() -> None:
    hoga = HighOrderGroupAttention(16).eval()
    x = images(16)
    hoga.ops[2].register_forward_hook(lambda module, inputs, output: torch.full_like(output, 7.0))
    with torch.no_grad():
        torch.testing.assert_close(hoga(x), naive_forward(hoga, x))


class Doubled(Gating):
    """Says otherwise what it puts out."""

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_a_forward_of_its_own_is_called() -> None:
    x = images(8)
    assert torch.equal(add_output(x, Doubled(), x), 3 * x)
    replaced = HighOrderGroupAttention(32).ops[1]
    replaced.forward = lambda x: 2 * x
    assert torch.equal(add_output(x, replaced, x), 3 * x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_works_as_before(dtype: torch.dtype) -> None:
    hoga = with_statistics(HighOrderGroupAttention(16)).eval()
    x = images(16)
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype):
        found, expected = hoga(x), naive_forward(hoga, x)
    assert found.dtype == expected.dtype
    assert relative(expected.float(), found.float()) < 0.05
