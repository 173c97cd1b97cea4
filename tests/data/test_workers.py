"""Workers of a loader: out of reach of the group's signals, within the parent's."""

import os
import signal
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.core.interrupts import ENDING
from autola_analysis.data import workers
from autola_analysis.data.workers import SupervisedLoader, leave_process_group

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are process groups on POSIX systems alone")


class Workers(Dataset[Tensor]):
    """Tells of the worker: its number, its group, how many signals were held back from it at first, and are now."""

    def __getitem__(self, index: int) -> Tensor:
        held = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return torch.tensor([os.getpid(), os.getpgid(0), len(held_at_first & set(ENDING)), len(held)])

    def __len__(self) -> int:
        return 4


held_at_first: set[int] = set()
came: list[str] = []


@pytest.fixture
def noted() -> Iterator[None]:
    came.clear()
    before = signal.signal(signal.SIGTERM, lambda *_: came.append("signal"))
    yield
    signal.signal(signal.SIGTERM, before)


def begin(worker: int) -> None:
    """Note what is held back from a worker before it has left the group."""
    held_at_first.update(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    leave_process_group(worker)


def test_a_worker_hears_no_signal_before_it_leads_a_group_of_its_own_and_all_of_them_then() -> None:
    loader = SupervisedLoader(Workers(), batch_size=2, num_workers=2, worker_init_fn=begin)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for batch in loader:
        assert (batch[:, 0] == batch[:, 1]).all()
        assert (batch[:, 2] == len(ENDING)).all()
        assert (batch[:, 3] == len(before)).all()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


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


@pytest.mark.usefixtures("noted")
def test_a_signal_waits_until_the_parent_has_left_the_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = SupervisedLoader(Workers(), batch_size=2, num_workers=1, worker_init_fn=leave_process_group)
    batches = iter(loader)

    def slow(self: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        came.append("left the queue")

    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_put_index", slow)
    next(batches)
    assert came == ["left the queue", "signal"]


def test_a_worker_says_nothing_of_a_parent_that_hung_up(capsys: pytest.CaptureFixture[str]) -> None:
    for error, said in ((BrokenPipeError(), ""), (EOFError(), ""), (ValueError("odd"), "ValueError: odd")):
        workers._unless_the_parent_hung_up(type(error), error, None)
        assert capsys.readouterr().err.strip() == said
