"""Names of the places in a network where activations are read.

===================== =============================================================
``layer3``            the output of a layer that runs once in a forward
``layer3.0.relu#2``   the output of its second run in a forward, counted from 1
``encoder[0]``        an entry of an output that is a tuple or a list
``backbone[feat]``    an entry of an output that is a dict
``rnn#2[1][0]``       an entry of an entry, of the second run
``se*2``              the second gate that a feature map is multiplied by while a layer runs, see `gate_layers`
===================== =============================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from autola_analysis.core.errors import LayerError
from autola_analysis.core.wrappers import without_wrappers
from autola_analysis.inference.channels import channels_last
from autola_analysis.inference.outputs import Output, with_entry

NOTATION = re.compile(r"(?P<module>.*?)(?:#(?P<run>\d+))?(?P<entries>(?:\[[^\[\]]+\])*)(?:\*(?P<gate>\d+))?")

ModuleNames = Mapping[str, None]
"""Names of a network's modules in order, quick to look one up in."""


@dataclass(frozen=True)
class Place:
    """A place where activations are read.

    Attributes:
        name: As the user writes it.
        module: Name of the module in ``model.named_modules()``.
        run: Which run of the module in a forward, from 1; None for a module that runs once.
        entries: Keys and positions that lead from the module's output to the tensor.
        gate: Which gate that the module multiplies a feature map by, from 1; None for the module's output.
    """

    name: str
    module: str
    run: int | None = None
    entries: tuple[str, ...] = ()
    gate: int | None = None

    @property
    def is_whole_layer(self) -> bool:
        """Whether the name is that of a module, without a run, an entry or a gate."""
        return self.run is None and not self.entries and self.gate is None

    def read(self, output: Output) -> Tensor:
        """Return the tensor of a module's output that is meant.

        Raises:
            LayerError: If the output has no such entry, or what is there is not a tensor.
        """
        for entry in self.entries:
            output = output[self._key(output, entry)]
        if not isinstance(output, Tensor):
            keys = _keys(output)
            name = f", or name an entry of the output, as in '{self.name}[{keys[0]}]'" if keys else ""
            raise LayerError(
                f"layer {self.name!r} puts out {type(output).__name__}, not a tensor; tap a layer inside it{name}."
            )
        return output

    def replace(self, output: Output, tensor: Tensor) -> Output:
        """Return a module's output with another tensor at this place."""
        return self._replace(output, self.entries, tensor)

    def _replace(self, output: Output, entries: tuple[str, ...], tensor: Tensor) -> Output:
        if not entries:
            return tensor
        key = self._key(output, entries[0])
        return with_entry(output, key, self._replace(output[key], entries[1:], tensor))

    def _key(self, output: Output, entry: str) -> Any:
        for key in _keys(output):
            if str(key) == entry:
                return key
        there = ", ".join(map(str, _keys(output))) or f"none, it is {type(output).__name__}"
        raise LayerError(f"layer {self.name!r}: the output has no entry {entry!r}; the entries: {there}.")


def place_of(model: nn.Module, name: str) -> Place:
    """Return the place that a name means; a module that has the very name comes before the notation.

    Raises:
        LayerError: If the name asks for run 0.
    """
    (place,) = places_of(model, [name])
    return place


def places_of(model: nn.Module, names: Iterable[str]) -> list[Place]:
    """Return the places that names mean, see `place_of`; a large network is listed once for all of them.

    Raises:
        LayerError: If a name asks for run 0.
    """
    return places_among(module_names(model), names)


def module_names(model: nn.Module) -> ModuleNames:
    """Return the names of a network's modules, its own ("") first, in order of definition."""
    return dict.fromkeys(name for name, _ in model.named_modules())


def places_among(modules: ModuleNames, names: Iterable[str]) -> list[Place]:
    """Return the places that names mean in a network of some modules, see `place_of`.

    Raises:
        LayerError: If a name asks for run 0.
    """
    return [_place_among(modules, name) for name in names]


def _place_among(modules: ModuleNames, name: str) -> Place:
    if name in modules:
        return Place(name, name)
    match = NOTATION.fullmatch(name)
    if match is None:
        return Place(name, name)
    run = None if match["run"] is None else int(match["run"])
    if run == 0:
        raise LayerError(f"{name!r} names run 0 of a layer; runs are counted from 1.")
    gate = None if match["gate"] is None else int(match["gate"])
    module = match["module"]
    if module not in modules:  # the names of wrappers may stand in it, or be left out
        plain = without_wrappers(module)
        module = next((each for each in modules if plain and without_wrappers(each) == plain), module)
    return Place(name, module, run, tuple(re.findall(r"\[([^\[\]]+)\]", match["entries"])), gate)


class Runs:
    """Picks, during a forward, the run of each layer that is meant, and brings its channels to the front.

    Args:
        model: The network.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._counts: dict[str, int] = {}
        self._size: Sequence[int] | None = None
        self._moved: dict[str, bool] = {}

    def begin(self, inputs: tuple[Any, ...]) -> None:
        """Begin a new forward.

        Args:
            inputs: What the network is called with, the images first.
        """
        self._counts.clear()
        images = inputs[0] if inputs else None
        self._size = tuple(images.shape[2:]) if isinstance(images, Tensor) and images.ndim == 4 else None

    def restored(self, place: Place, activation: Tensor) -> Tensor:
        """Return an activation with its channels where the layer puts them."""
        return activation.movedim(1, -1) if self._moved.get(place.name) else activation

    def activation(self, place: Place, output: Output, kept: Mapping[str, Any]) -> Tensor | None:
        """Return the activation at a place when its module has run; None where another run is meant.

        Maps are ``(B, C, H, W)``, also where the layer puts out ``(B, H, W, C)``, see `channels_last`.

        Args:
            place: Where to read.
            output: What the module has put out.
            kept: What was kept of the same forward, by name of the place.

        Raises:
            LayerError: If a module runs again and the name does not say which run is meant, `Place.read` fails, or it
                is not known which axis holds the channels.
        """
        if place.run is not None:
            self._counts[place.name] = self._counts.get(place.name, 0) + 1
            return self._read(place, output) if self._counts[place.name] == place.run else None
        activation = self._read(place, output)
        if place.name in kept:
            example = replace(place, run=2)
            raise LayerError(
                f"layer {place.name!r} runs more than once in a forward (a module used at several places); "
                f"tap the block around the place that is meant, or name the run, as in {_written(example)!r}."
            )
        return activation

    def _read(self, place: Place, output: Output) -> Tensor:
        activation = place.read(output)
        if place.name not in self._moved:  # decided once: later forwards may run compiled
            last = place.gate is None and channels_last(self._model, place.module, activation, self._size)
            self._moved[place.name] = last
        return activation.movedim(-1, 1) if self._moved[place.name] else activation

    def check(self, places: Iterable[Place], kept: Mapping[str, Any]) -> None:
        """Check at the end of a forward that all places were read.

        Raises:
            LayerError: Saying how often the layer runs.
        """
        for place in places:
            if place.name not in kept and place.gate is not None:
                raise LayerError(f"there is no {place.name!r}: layer {place.module!r} has not so many gates.")
            if place.name not in kept and place.run is None:
                raise LayerError(
                    f"layer {place.module!r} does not run in a forward; where the network runs what is inside it one "
                    "by one, name a layer inside it, as autola-analyze layers lists them."
                )
            if place.name not in kept:
                count = self._counts.get(place.name, 0)
                times = {0: "does not run", 1: "runs once"}.get(count, f"runs {count} times")
                raise LayerError(f"there is no {place.name!r}: layer {place.module!r} {times} in a forward.")


def _written(place: Place) -> str:
    run = "" if place.run is None else f"#{place.run}"
    gate = "" if place.gate is None else f"*{place.gate}"
    return place.module + run + "".join(f"[{entry}]" for entry in place.entries) + gate


def _keys(output: Output) -> list[Any]:
    if isinstance(output, Mapping):
        return list(output)
    return list(range(len(output))) if isinstance(output, (list, tuple)) else []
