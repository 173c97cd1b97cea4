"""A process that is stopped, and does not die: the others end with a sentence within a bounded time."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
import torch
from PIL import Image

from autola_analysis.cli.main import main
from autola_analysis.core.distributed import ProcessError
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference import distributed, heartbeats
from autola_analysis.inference.heartbeats import AnsweringStore, Heartbeats
from autola_analysis.study.demo import demo_checkpoints
from tests.processes import context


def launched(rank: int, port: int) -> None:
    """Set what a launcher sets in the environment of one of two processes, and let heartbeats be missed soon."""
    launcher = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in launcher.items()})
    heartbeats.HEARTBEAT, heartbeats.HEARTBEAT_TIMEOUT = 0.2, 3.0


def wait_for_the_stopped_one(rank: int, stopped: int, port: int, folder: Path) -> None:
    """Stop as one of two processes, or wait as the other and write down what it says."""
    launched(rank, port)
    with pytest.raises(ProcessError) as caught:
        stop_or_wait(stopped)
    (folder / "said").write_text(str(caught.value))


def stop_or_wait(stopped: int) -> None:
    with distributed.joined() as processes:
        processes.all_gather_object(None)
        if processes.rank == stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        processes.all_gather_object(None)


def run_a_command(rank: int, stopped: int, port: int, folder: Path) -> None:
    """Run a command as one of two processes, and stop at the first image that this one decodes."""
    launched(rank, port)
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 2)
    image = ClutteredDigits.image

    def stopping(self: ClutteredDigits, index: int) -> Image.Image:
        if rank == stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        return image(self, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClutteredDigits, "image", stopping)
        checkpoint, *_ = demo_checkpoints()["none"]
        options = ["--data", "cluttered-digits", "--limit", "20", "--batch-size", "4", "--device", "cpu", "--quiet"]
        out = ["--out", str(folder / "out"), "--cache", str(folder / "cache")]
        patch.setattr(sys, "argv", ["autola-analyze", "evaluate", "--ckpt", str(checkpoint), *options, *out])
        main()


def one_that_waits(target: Callable[..., None], stopped: int, folder: Path) -> int | None:
    """Run a function in two processes, of which one stops; return the exit status of the other."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes = [context.Process(target=target, args=(rank, stopped, port, folder)) for rank in range(2)]
    for process in processes:
        process.start()
    try:
        processes[1 - stopped].join(60)
        return processes[1 - stopped].exitcode
    finally:
        for process in processes:
            process.kill()
            process.join()


@pytest.mark.parametrize(
    ("stopped", "sentence"),
    [
        (0, "process 0 has not answered for 3 seconds: it was stopped"),
        (1, "process 1 of 2 has not been heard of for 3"),
    ],
)
def test_a_stopped_process_is_given_up(stopped: int, sentence: str, tmp_path: Path) -> None:
    assert one_that_waits(wait_for_the_stopped_one, stopped, tmp_path) == 0
    assert (tmp_path / "said").read_text().startswith(sentence)


def test_a_command_ends_in_a_sentence_and_leaves_nothing_when_another_process_of_it_is_stopped(tmp_path: Path) -> None:
    assert one_that_waits(run_a_command, 1, tmp_path) == 2
    said = (tmp_path / "said").read_text()
    assert said.startswith("autola-analyze: process 1 of 2 has not been heard of for 3 seconds: it was stopped")
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.rglob("entry.json"))


class Hanging(torch.distributed.HashStore):
    """A store that answers no question until the end."""

    def __init__(self) -> None:
        super().__init__()
        self.end = Event()

    def check(self, keys: list[str]) -> bool:
        self.end.wait(30)
        return False


def test_a_store_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_TIMEOUT", 0.2)
    monkeypatch.setattr(heartbeats, "LONGEST_STEP", 0.05)
    hanging = Hanging()
    store = AnsweringStore(hanging)
    store.set("a", "1")
    assert store.get("a") == b"1"
    assert store.add("number", 3) == 3
    assert store.compare_set("b", "", "2") == b"2"
    start = time.monotonic()
    for _ in range(100):
        with pytest.raises(ProcessError, match="process 0 has not answered"):
            store.check(["a"])
    hanging.end.set()
    assert time.monotonic() - start < 5


def test_errors_of_the_store_are_those_of_the_call() -> None:
    store = AnsweringStore(torch.distributed.PrefixStore("a", torch.distributed.HashStore()))
    with pytest.raises(TypeError):
        store.set("a", 1)  # type: ignore[arg-type]
    store.set("a", "1")
    assert store.check(["a"])


def test_time_in_which_this_process_was_stopped_itself_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(heartbeats.time, "monotonic", lambda: clock[0])
    beats = Heartbeats(torch.distributed.HashStore(), 0, 2)
    beats.check(1, b"5")
    clock[0] += 3600  # an hour, stopped together with the other
    beats.check(1, b"5")
    beats.check(1, b"6")
    for _ in range(40):
        clock[0] += 1
        beats.check(1, b"6")
    assert beats.silent == set()
    clock[0] += 1
    with pytest.raises(ProcessError, match="process 1 of 2 has not been heard of for 40 seconds"):
        beats.check(1, b"6")
    assert beats.silent == {1}
    beats.close()
