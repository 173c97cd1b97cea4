"""Does a map depend on what the network has learned? Cascading randomisation of its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.explanation import MapKey
from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.result import SANITY
from autola_analysis.analyses.saliency.targets import Classes, Target
from autola_analysis.analyses.variants import Variant, as_variant, placed, preprocessing_for
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.data.source import ImageSource

FORMAT = Format("sanity check", (SANITY,), ("sanity_check",))


@dataclass(frozen=True)
class SanityResult(SavedResult):
    """How much of a method's maps is left when the network forgets.

    Attributes:
        model: Name of the variant.
        table: A row per method, layer and stage, in the order of randomisation, columns of `SANITY`:
            ``randomised_to`` is the last part that was randomised, everything above it is too; ``rank_correlation`` is
            the mean over images, and ``undefined`` counts images that have none because a map says nothing.
        settings: What else decided the numbers.
    """

    FORMAT = FORMAT

    model: str
    table: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        about = {"model": self.model, "settings": dict(self.settings)}
        return Stored({SANITY.name: self.table}, {"sanity_check": Arrays({}, about)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        about = stored.arrays["sanity_check"].about
        return cls(about["model"], stored.tables[SANITY.name], about["settings"])

    def _repr_html_(self) -> str:
        html: str = self.table.to_html(index=False, float_format="{:.3f}".format)
        return html


def sanity_check(
    model: LoadedModel | nn.Module | Variant,
    images: Tensor,
    methods: str | Sequence[str] = ("grad-cam", "guided-backprop"),
    layers: str | Sequence[str] | None = None,
    target: Target = "predicted",
    labels: Classes | None = None,
    *,
    seed: int = 0,
    guide_gates: bool = True,
    batch_size: int | None = None,
) -> SanityResult:
    """Randomise a network part by part from the head down, and compare each method's maps with the original ones.

    On a copy, each part is drawn anew as before training, the parts above it staying random; the target of an image
    is the one explained at first. Maps are compared by Spearman's rank correlation over pixels, input gradients by
    their maximum absolute value over channels. A method whose correlation stays high shows the image's edges more
    than the network: guided backpropagation is known to.

    Args:
        model: As `explain` takes it; it is as before afterwards.
        images: As `explain` takes them.
        methods: Names of methods.
        layers: Layers of the methods that explain at a layer; None takes the last stage.
        target: As `explain` takes it.
        labels: Class of every image, for the target "label".
        seed: Of the random weights.
        guide_gates: As `explain` takes it.
        batch_size: Images per forward; None chooses by their size.

    Raises:
        AutolaError: As `explain`.

    References:
        Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.
    """
    variant = as_variant(model)
    options: dict[str, Any] = {"guide_gates": guide_gates, "batch_size": batch_size}
    rows: list[dict[str, Any]] = []
    with torch.inference_mode(False):  # what is copied under inference_mode could not be written
        ours = replace(variant, model=copy.deepcopy(variant.model))
        original = explain(ours, images, methods, layers, target, labels, **options)
        same = target if callable(target) else original.targets
        parts = cascade(ours.model)
        for index, part in enumerate(parts):
            randomise(ours.model.get_submodule(part), seed + index)
            found = explain(ours, images, methods, layers, same, **options)
            rows += [_row(variant, key, part, original.maps[key], maps) for key, maps in found.maps.items()]
    order = {key: place for place, key in enumerate(original.maps)}
    rows.sort(key=lambda row: order[row["method"], row["layer"] or None])
    settings = {"seed": seed, "parts": parts, **original.settings}
    return SanityResult(variant.name, pd.DataFrame(rows, columns=SANITY.names), settings)


def sanity_checks(
    variants: Sequence[Variant],
    data: ImageSource,
    indices: Sequence[int],
    targets: Classes,
    options: SaliencyOptions,
    device: torch.device,
) -> pd.DataFrame:
    """Check several networks on the same images of a source.

    Args:
        variants: The networks.
        data: The images.
        indices: Numbers of the images to take.
        targets: Class that is explained, per taken image.
        options: Methods, layers and seed.
        device: Where the networks run.

    Raises:
        AutolaError: As `explain`.
    """
    tables = []
    for variant in variants:
        preprocessing = preprocessing_for(variant, data)
        assert preprocessing is not None
        images = torch.stack([preprocessing.geometry(data.image(index)) for index in indices])
        ready = placed(replace(variant, preprocessing=preprocessing), device)
        seed, guide_gates = options.seed, options.guide_gates
        checked = sanity_check(
            ready, images, options.methods, options.layers, targets, seed=seed, guide_gates=guide_gates
        )
        tables.append(checked.table)
    return pd.concat(tables, ignore_index=True)


def _row(variant: Variant, key: MapKey, part: str, original: Tensor, maps: Tensor) -> dict[str, Any]:
    correlations = rank_correlations(original, maps)
    defined = correlations[~np.isnan(correlations)]
    return {
        "model": variant.name,
        "run": variant.run,
        "method": key[0],
        "layer": key[1] or "",
        "randomised_to": part,
        "rank_correlation": float(defined.mean()) if len(defined) else float("nan"),
        "images": len(correlations),
        "undefined": len(correlations) - len(defined),
    }


def cascade(model: nn.Module) -> list[str]:
    """Return the parts of a network that hold parameters, from the head to the stem: its children, last first.

    Of a wrapper with a single child that holds parameters, that child's children are taken.
    """
    prefix = ""
    while True:
        module = model.get_submodule(prefix)
        parts = [f"{prefix}.{name}".lstrip(".") for name, child in module.named_children() if list(child.parameters())]
        if len(parts) != 1 or not list(model.get_submodule(parts[0]).children()):
            return parts[::-1]
        prefix = parts[0]


def randomise(module: nn.Module, seed: int) -> None:
    """Draw the parameters of a module and of everything inside it anew, in place, as before training.

    Modules that know how to initialise themselves do, batch norms with their statistics; other parameters are drawn
    from a normal distribution with their own standard deviation.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.no_grad():
        torch.manual_seed(seed)
        for part in module.modules():
            own = list(part.parameters(recurse=False))
            reset = getattr(part, "reset_parameters", None)
            if not own:
                continue
            device = own[0].device
            if callable(reset):
                part.to("cpu")  # the same numbers whatever the device
                reset()
                part.to(device)
                continue
            for parameter in own:
                spread = parameter.std() if parameter.numel() > 1 else parameter.abs()
                parameter.copy_(torch.randn(parameter.shape).to(device) * spread.nan_to_num())


def rank_correlations(first: Tensor, second: Tensor) -> NDArray[np.float64]:
    """Return Spearman's rank correlation over pixels of each pair of maps, ``(B,)``; NaN where one says nothing."""
    a, b = (stats.rankdata(intensities(maps).reshape(len(maps), -1), axis=1) for maps in (first, second))
    a, b = (ranks - ranks.mean(1, keepdims=True) for ranks in (a, b))
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.divide((a * b).sum(1), size, out=np.full(len(a), np.nan), where=size > 0)
