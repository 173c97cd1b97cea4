"""Making the next item in a thread: the same items, errors in their place, and no thread left."""

import threading
import time
from collections.abc import Generator

import pytest

from autola_analysis.data.ahead import one_ahead


class Counted:
    """Counts the items that were made, and notes that it was closed."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = False

    def items(self, count: int, error_at: int | None = None) -> Generator[int, None, None]:
        try:
            for number in range(count):
                if number == error_at:
                    raise ValueError(f"no item {number}")
                self.made += 1
                yield number
        finally:
            self.closed = True


def test_all_items_come_in_order_and_one_is_made_ahead() -> None:
    counted, threads = Counted(), threading.active_count()
    seen = []
    for number in one_ahead(counted.items(6)):
        time.sleep(0.02)
        seen.append(number)
        assert number + 1 <= counted.made <= number + 3  # one waits, and one is in the thread's hands
    assert seen == list(range(6))
    assert counted.made > 0
    assert counted.closed
    assert threading.active_count() == threads
    assert list(one_ahead(Counted().items(0))) == []


def test_the_next_item_is_made_while_the_present_one_is_used() -> None:
    counted = Counted()
    items = one_ahead(counted.items(6))
    assert next(items) == 0
    patience = time.monotonic() + 10
    while counted.made < 2 and time.monotonic() < patience:
        time.sleep(0.01)
    assert counted.made >= 2
    items.close()


def test_an_error_is_raised_after_the_items_before_it() -> None:
    counted, threads, seen = Counted(), threading.active_count(), []
    with pytest.raises(ValueError, match="no item 2"):
        seen.extend(one_ahead(counted.items(6, error_at=2)))
    assert seen == [0, 1]
    assert counted.closed
    assert threading.active_count() == threads


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error_of_the_user_ends_the_thread(error: type[BaseException]) -> None:
    counted, threads = Counted(), threading.active_count()

    def use() -> None:
        items = one_ahead(counted.items(1000))
        try:
            for number in items:
                if number == 3:
                    raise error
        finally:
            items.close()

    with pytest.raises(error):
        use()
    assert counted.closed
    assert counted.made <= 6
    assert threading.active_count() == threads
