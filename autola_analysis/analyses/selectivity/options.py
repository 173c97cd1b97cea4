"""What class selectivity can be asked."""

from __future__ import annotations

from typing import Literal

from autola_analysis.analyses.options import AnalysisOptions, Names, option


class SelectivityOptions(AnalysisOptions):
    """What decides the numbers beside the networks and the images."""

    layers: Names | None = option(
        None, "Layers, each behind a ReLU. Default: the stages layer1, layer2, ...", metavar="A,B"
    )
    permutations: int = option(5, "Permutations of the labels for the chance level.", ge=0, le=10_000)
    folds: int = option(
        10, "Folds of images for the jackknife interval; fewer are used where a class has fewer images.", ge=0, le=1000
    )
    region: Literal["box", "mask"] = option("box", "What of objects a detector's maps are averaged over.")
    by: Literal["objects", "images"] = option(
        "objects",
        "What of images of objects is looked at: the objects, or whole images, once for every class that they hold.",
    )
    background: bool = option(
        False, "As many random boxes beside the objects of an image as it has objects, as one more class."
    )
    rectify: bool = option(False, "Set negative activity to zero before averaging, rather than refuse it.")
    auc: bool = option(
        False,
        "Area under the ROC curve of every unit for its preferred class; keeps 4 bytes per image and unit in memory.",
    )
    top_images: int = option(
        6, "Most activating images that are kept for every unit of classifiers; 0 keeps none.", ge=0, le=20
    )
