"""One registry class for everything that is chosen by name: attentions, backbones, data, recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from autola_analysis.core.errors import OptionError, UnknownNameError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str], limit: int = 5) -> list[str]:
    """Return the known names most like `name`, best first; the first few of all where none is alike."""
    known = list(known)
    return get_close_matches(name, known, n=limit, cutoff=0.4) or known[:limit]


class Registry(Generic[T]):
    """Named things of one kind. Registered once, listed everywhere (command line, docs, tests).

    A family makes what has a name like ``timm:NAME``, which is known before it is made and not listed by itself.

    Args:
        kind: What the things are, for error messages ("attention", "backbone").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._families: dict[str, Callable[[str], T]] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its argument under `name`.

        Raises:
            OptionError: If the name is taken.
        """

        def add(item: T) -> T:
            if name in self._items:
                raise OptionError(f"{self.kind} {name!r} is already registered; choose another name.")
            self._items[name] = item
            return item

        return add

    def register_family(self, prefix: str) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
        """Return a decorator that lets a function of NAME make what is called ``prefix:NAME``."""

        def add(make: Callable[[str], T]) -> Callable[[str], T]:
            self._families[prefix] = make
            return make

        return add

    def get(self, name: str) -> T:
        """Return what is filed under `name`, or what its family makes.

        Raises:
            UnknownNameError: If there is nothing; the message names the nearest.
        """
        if name not in self._items:
            prefix, separator, member = name.partition(":")
            if separator and prefix in self._families:
                return self._families[prefix](member)
            known = ", ".join(nearest(name, self._items))
            raise UnknownNameError(f"unknown {self.kind} {name!r}; the nearest known: {known}.")
        return self._items[name]

    def names(self) -> list[str]:
        """Return all names in order of registration, without those of families."""
        return list(self._items)

    def families(self) -> list[str]:
        """Return the forms of names that families make."""
        return [f"{prefix}:NAME" for prefix in self._families]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        prefix, separator, _ = name.partition(":")
        return name in self._items or bool(separator and prefix in self._families)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)
