"""Making the next item while the present one is used, in a thread."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.1  # seconds between looks at whether anybody still wants an item


def one_ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the items of a generator, the next of which a thread makes meanwhile.

    It pays where making an item leaves the interpreter's lock alone, as decoding images does. An error of the generator
    is raised here, in its place. When this generator is closed, the other one is, and the thread has ended.

    Args:
        items: Used in the thread and nowhere else.
    """
    ready: Queue[tuple[T] | BaseException | None] = Queue(maxsize=1)
    unwanted = Event()

    def offer(item: tuple[T] | BaseException | None) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                ready.put(item, timeout=PAUSE)
                return

    def make() -> None:
        try:
            with closing(items):
                for item in items:
                    offer((item,))
                    if unwanted.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - whatever it is, the one who waits must hear of it
            offer(error)
        else:
            offer(None)

    thread = Thread(target=make, daemon=True)
    thread.start()
    try:
        yield from _offered(ready)
    finally:
        unwanted.set()
        thread.join()


def _offered(ready: Queue[tuple[T] | BaseException | None]) -> Iterator[T]:
    while True:
        try:
            item = ready.get(timeout=PAUSE)  # with a timeout, so that an interrupt is heard on every system
        except Empty:
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item[0]
