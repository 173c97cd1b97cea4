"""Calls that are given up after a while, whatever they do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: int, call: Callable[[], T]) -> T:
    """Return what a call returns, or stop waiting for it.

    It runs in a thread of its own, since nothing interrupts a call into compiled code. One that is given up goes on
    until it ends by itself or the process does; it keeps no process from ending.

    Args:
        seconds: How long it is waited for. They are counted one by one: while the process is stopped, none goes by.
        call: Must not depend on the thread that it runs in.

    Raises:
        TimeoutError: If it has not ended by then.
        BaseException: What the call raises.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
            answer.set_exception(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    for _ in range(seconds):
        thread.join(1)
        if answer.done():
            return answer.result()
    raise TimeoutError(f"not done after {seconds} seconds")
