"""What a run takes where the user has not said; there is no GPU here, so torch's answers about one are made up."""

import os
from collections.abc import Callable

import pytest
import torch

from autola_analysis.data import ClutteredDigits
from autola_analysis.inference import resources
from autola_analysis.inference.resources import decoding_workers, free_memory, gradient_batch_size, pass_batch_size
from autola_analysis.inference.stream import open_stream

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GB = 10**9


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    return lambda found: monkeypatch.setattr(resources, "free_memory", lambda device: found)


def test_on_a_cpu_a_batch_has_the_pixels_that_are_fastest(free: Callable[[int | None], None]) -> None:
    for found in (64 * GB, None):
        free(found)
        assert [pass_batch_size(side, CPU) for side in (32, 64, 224, 640)] == [256, 256, 31, 8]
        assert [gradient_batch_size(side, CPU) for side in (32, 64, 224, 640)] == [256, 98, 8, 1]


def test_on_a_gpu_it_is_a_power_of_two_that_half_of_the_free_memory_holds(free: Callable[[int | None], None]) -> None:
    for found, size, with_graph in ((80 * GB, 256, 64), (24 * GB, 64, 16), (8 * GB, 32, 8), (1000, 1, 1)):
        free(found)
        assert (pass_batch_size(224, CUDA), gradient_batch_size(224, CUDA)) == (size, with_graph)
        assert size == 1 or size * 2048 * 224**2 <= found / 2


def test_a_little_more_or_less_free_memory_changes_nothing(free: Callable[[int | None], None]) -> None:
    sizes = set()
    for found in (23 * GB, 24 * GB, 25 * GB):
        free(found)
        sizes.add(pass_batch_size(224, CUDA))
    assert sizes == {64}


def test_little_memory_makes_batches_small_on_a_cpu_too(free: Callable[[int | None], None]) -> None:
    free(GB // 4)
    assert pass_batch_size(32, CPU) == 32
    assert pass_batch_size(224, CPU) == 1


def test_free_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    found = free_memory(CPU)
    assert found is None or 0 < found < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5, 7))
    assert free_memory(CUDA) == 5


def test_a_gpu_has_decoding_beside_it_and_a_cpu_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    for cores, alone, of_four in ((1, 0, 0), (4, 3, 0), (16, 15, 3), (64, 16, 15)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process, cores=cores: set(range(cores)), raising=False)
        assert decoding_workers(CPU) == 0
        assert decoding_workers(CUDA) == alone
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
        assert decoding_workers(CUDA) == of_four
        monkeypatch.delenv("LOCAL_WORLD_SIZE")


def test_a_stream_asks_for_what_was_not_said(free: Callable[[int | None], None]) -> None:
    free(GB // 4)
    source = ClutteredDigits("test", 40)
    assert open_stream(source, None).batch_size == 32
    assert open_stream(source, None, batch_size=20).batch_size == 20
