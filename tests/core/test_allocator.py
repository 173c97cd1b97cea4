import subprocess
import sys
import threading

import pytest

from autola_analysis.core import allocator
from autola_analysis.core.allocator import freed_memory_kept

pytestmark = pytest.mark.skipif(not allocator._adjustable(), reason="the C library is not glibc")

BLOCKS = 8
MEASURE = f"""
import resource
import numpy as np
from autola_analysis.core.allocator import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(2**21) for _ in range({BLOCKS})]  # 16 MiB each
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

faults()
with freed_memory_kept():
    faults()
    print(faults(), resident())
print(resident())
"""


def test_a_batch_finds_the_memory_of_the_one_before_and_the_end_gives_it_back() -> None:
    output = subprocess.run([sys.executable, "-c", MEASURE], stdout=subprocess.PIPE, text=True, check=True).stdout
    faults, inside, after = map(int, output.split())
    assert faults < 100
    assert inside - after > 0.9 * BLOCKS * 2**14  # KiB


@pytest.mark.parametrize("name", allocator.OWN_SETTINGS)
def test_what_the_user_has_set_up_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(allocator, "_trim_beyond", calls.append)
    monkeypatch.setenv(name, "131072")
    with freed_memory_kept():
        pass
    assert calls == []


def test_contexts_nest_and_end_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(allocator, "_trim_beyond", calls.append)

    def fail() -> None:
        with freed_memory_kept():
            with freed_memory_kept():
                pass
            assert calls == [allocator.NEVER]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert calls == [allocator.NEVER, allocator.OWN_TRIM_THRESHOLD]


def test_contexts_of_several_threads_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(allocator, "_trim_beyond", calls.append)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with freed_memory_kept():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    with freed_memory_kept():
        thread.start()
        entered.wait()
    assert calls == [allocator.NEVER]  # the thread's context goes on
    leave.set()
    thread.join()
    assert calls == [allocator.NEVER, allocator.OWN_TRIM_THRESHOLD]
