"""Processes that share a pass compare everything that it depends on beforehand, and refuse to mix."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from autola_analysis.analyses.pass_cache import pass_inputs
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.code import numerical_code
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import current
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.address import network_address
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Stream

LAWFUL = ("images", "device", "threads", "code")
"""Inputs of a pass that may differ, or are compared in another way: images where the stream is opened, kinds of devices
and versions here."""


def versions() -> dict[str, object]:
    """Return the versions of everything that numbers depend on, by what messages call it."""
    found = {"Python": platform.python_version(), **numerical_code()}
    return {f"version of {name}": version for name, version in found.items()}


def check_same_pass(
    networks: Sequence[tuple[Variant, Preprocessing | None]],
    stream: Stream,
    settings: Settings,
    asked: Sequence[Mapping[str, Any]],
) -> None:
    """Refuse a pass of processes that have other networks, options or versions; all must call it.

    Args:
        networks: With what is done to their images.
        stream: What they will see, which was compared when it was opened.
        settings: How the pass runs.
        asked: Per network by name what each analysis asks for, JSON-ready.

    Raises:
        ProcessError: In all processes, naming what differs.
    """

    def read() -> dict[str, object]:
        found = {**versions(), "kind of device": resolve_device(settings.device).type}
        for (variant, preprocessing), of_analyses in zip(networks, asked, strict=True):
            inputs = pass_inputs(variant, network_address(variant.model).hash, preprocessing, stream, settings)
            found |= {f"{name} of {variant.title}": value for name, value in inputs.items() if name not in LAWFUL}
            found |= {f"options of {name} for {variant.title}": value for name, value in of_analyses.items()}
        return found

    current().check_same(read)
