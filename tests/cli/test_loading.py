"""The garbage collector while a command imports what it needs."""

import gc
from collections.abc import Iterator

import pytest

from autola_analysis.cli.loading import loading


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    yield
    if not frozen:
        gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_meanwhile_and_what_was_loaded_is_never_looked_at_again() -> None:
    loaded = object()
    with loading():
        assert not gc.isenabled()
        loaded = [loaded]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert not any(each is loaded for each in gc.get_objects())


def test_the_collector_works_again_where_an_import_has_failed() -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError("no such library")
    assert gc.isenabled()


def test_a_collector_that_is_switched_off_stays_so() -> None:
    gc.disable()
    before = gc.get_freeze_count()
    with loading():
        pass
    assert not gc.isenabled()
    assert gc.get_freeze_count() == before


def test_garbage_that_comes_later_is_collected() -> None:
    with loading():
        pass
    ring: list[object] = []
    ring.append(ring)
    del ring
    assert gc.collect() >= 1
