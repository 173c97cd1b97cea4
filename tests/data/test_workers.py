"""Workers of a loader: out of reach of the group's signals, within the parent's."""

import os
import signal
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.core.interrupts import ENDING
from autola_analysis.data.workers import SupervisedLoader, leave_process_group

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are process groups on POSIX systems alone")


class Workers(Dataset[Tensor]):
    """Tells of the worker: its number, its group, how many signals are held back from it."""

    def __getitem__(self, index: int) -> Tensor:
        held = len(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return torch.tensor([os.getpid(), os.getpgid(0), held])

    def __len__(self) -> int:
        return 4


class Interrupted(SupervisedLoader[Tensor]):
    """A loader to whose process a signal comes while its workers start."""

    def _get_iterator(self):  # type: ignore[no-untyped-def]
        iterator = super()._get_iterator()
        os.kill(os.getpid(), signal.SIGTERM)
        came.append("workers are there")
        return iterator


came: list[str] = []


def test_a_worker_leads_a_group_of_its_own_and_hears_all_signals() -> None:
    loader = SupervisedLoader(Workers(), batch_size=2, num_workers=2, worker_init_fn=leave_process_group)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for batch in loader:
        assert (batch[:, 0] == batch[:, 1]).all()
        assert (batch[:, 2] == len(before)).all()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.fixture
def noted() -> Iterator[None]:
    came.clear()
    before = signal.signal(signal.SIGTERM, lambda *_: came.append("signal"))
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("noted")
def test_a_signal_waits_until_the_workers_have_started() -> None:
    loader = Interrupted(Workers(), batch_size=2, num_workers=1, worker_init_fn=leave_process_group)
    assert len(list(loader)) == 2
    assert came == ["workers are there", "signal"]


@pytest.mark.parametrize("number", ENDING)
def test_what_came_while_a_worker_started_is_dropped_and_what_comes_later_is_not(number: int) -> None:
    child = os.fork()
    if child == 0:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        os.kill(os.getpid(), number)
        leave_process_group(0)
        os.kill(os.getpid(), signal.SIGSTOP)  # still alive
        os.kill(os.getpid(), number)
        os._exit(0)
    assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    os.kill(child, signal.SIGCONT)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == number
