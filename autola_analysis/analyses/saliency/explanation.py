"""The result of explaining images: raw maps, what they explain, and whether they say anything."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from autola_analysis.core.errors import DataError

MapKey = tuple[str, str | None]
"""(method, layer), the layer None for methods that explain the input"""

STATUSES = ("ok", "zero", "constant", "non-finite")
CONSTANT = 1e-6
"""Largest spread of a constant map, relative to its largest value: what upsampling leaves by rounding."""


@dataclass(frozen=True)
class Explanation:
    """Saliency maps of a batch of images.

    Attributes:
        maps: Raw float32 maps on the CPU per (method, layer): ``(B, H, W)`` at input size for class activation maps,
            ``(B, 3, H, W)`` for methods that give every input value its own attribution.
        targets: Class that is explained, ``(B,)``, int64.
        scores: Its logit, ``(B,)``.
        logits: ``(B, K)``.
        status: Per (method, layer) and image: "ok", "zero" (the map is zero everywhere), "constant" (the same value
            everywhere, so that it points nowhere) or "non-finite".
        settings: What else decided the maps.
        warnings: Sentences that belong beside them.
    """

    maps: Mapping[MapKey, Tensor]
    targets: Tensor
    scores: Tensor
    logits: Tensor
    status: Mapping[MapKey, tuple[str, ...]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def predicted(self) -> Tensor:
        """Class with the highest logit, ``(B,)``."""
        return self.logits.argmax(1)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the target, ``(B,)``."""
        return self.logits.softmax(1).gather(1, self.targets[:, None])[:, 0]

    @property
    def summary(self) -> pd.DataFrame:
        """A row per (method, layer): images, and how many maps have each status."""
        rows = []
        for (method, layer), statuses in self.status.items():
            counts = Counter(statuses)
            rows.append(
                {"method": method, "layer": layer or "", "images": len(statuses)} | {s: counts[s] for s in STATUSES}
            )
        return pd.DataFrame(rows, columns=["method", "layer", "images", *STATUSES])

    def save(self, directory: str | Path) -> None:
        """Write ``maps.npz`` and, last, ``explanation.json`` into a directory."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        manifest = directory / "explanation.json"
        manifest.unlink(missing_ok=True)
        arrays: dict[str, Any] = {f"map_{index}": maps.numpy() for index, maps in enumerate(self.maps.values())}
        arrays |= {"targets": self.targets.numpy(), "scores": self.scores.numpy(), "logits": self.logits.numpy()}
        np.savez(directory / "maps.npz", **arrays)
        facts = {
            "maps": [
                {"method": method, "layer": layer, "status": self.status[method, layer]} for method, layer in self.maps
            ],
            "settings": self.settings,
            "warnings": self.warnings,
        }
        manifest.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: str | Path) -> Explanation:
        """Read what `save` wrote.

        Raises:
            DataError: If the directory holds no complete explanation.
        """
        directory = Path(directory)
        manifest = directory / "explanation.json"
        if not manifest.exists():
            raise DataError(f"{directory} holds no saved explanation: there is no explanation.json in it.")
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        keys = [(entry["method"], entry["layer"]) for entry in facts["maps"]]
        with np.load(directory / "maps.npz") as arrays:
            maps = {key: torch.from_numpy(arrays[f"map_{index}"]) for index, key in enumerate(keys)}
            targets, scores, logits = (torch.from_numpy(arrays[name]) for name in ("targets", "scores", "logits"))
        return cls(
            maps=maps,
            targets=targets,
            scores=scores,
            logits=logits,
            status={key: tuple(entry["status"]) for key, entry in zip(keys, facts["maps"], strict=True)},
            settings=facts["settings"],
            warnings=tuple(facts["warnings"]),
        )

    def _repr_html_(self) -> str:
        html: str = self.summary.to_html(index=False)
        return html


def status_of(maps: Tensor) -> tuple[str, ...]:
    """Return the status of each map of ``(B, H, W)`` or ``(B, 3, H, W)``, see `Explanation`."""
    flat = maps.flatten(1)
    finite = torch.isfinite(flat).all(1)
    low, high, size = flat.amin(1), flat.amax(1), flat.abs().amax(1)
    zero = size == 0
    constant = high - low <= CONSTANT * size
    return tuple(
        "non-finite" if not is_finite else "zero" if is_zero else "constant" if is_constant else "ok"
        for is_finite, is_zero, is_constant in zip(finite.tolist(), zero.tolist(), constant.tolist(), strict=True)
    )
