"""What the evaluation of networks can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from autola_analysis.analyses.options import AnalysisOptions, option
from autola_analysis.core.files import expanded
from autola_analysis.core.joint_reading import LARGE_FILTER, LARGE_MAP, MOST_PEOPLE, SAME_PERSON, SMALL_FILTER

JointDecodingName = Literal["quarter", "dark", "subpixel"]
FOR_JOINTS = ("decode_joints", "flip_test", "boxes", "soft_nms")
"""Options that only networks for joints take"""


class EvaluationOptions(AnalysisOptions):
    """What decides the numbers: which images are looked at, the seed of the bootstrap, and other detectors' results."""

    detections: Annotated[list[str], Field(min_length=1)] | None = option(
        None,
        "Detections of any other detector in these images, in COCO's format of results, to be shown beside the "
        "checkpoints of detectors. Repeat for more.",
        metavar="NAME=FILE.json",
        repeated=True,
    )

    decode_joints: JointDecodingName = option(
        "subpixel",
        "Of networks for joints: read a joint a quarter of a cell beside its heat map's maximum, as SimpleBaseline "
        "does, by DARK's second order, or by that with the exact shift of mirrored maps. The latter two smooth a map "
        f"first: over {SMALL_FILTER} cells where its longer side has less than {LARGE_MAP}, else over {LARGE_FILTER}, "
        "as DARK's configurations do.",
    )
    flip_test: bool = option(
        True,
        "Of networks for joints: leave out the mirrored crops, whose heat maps are averaged with those of the crops.",
        flag="--no-flip-test",
        negated=True,
    )
    boxes: str | None = option(
        None,
        "Of networks for joints: boxes of people that a detector found in these images, in COCO's format of results. "
        "Default: the annotated boxes.",
        metavar="FILE.json",
    )
    soft_nms: bool = option(
        False,
        "Of networks for joints: let the scores of people decay by their likeness to surer ones, rather than leave out "
        f"those above an OKS of {SAME_PERSON}; {MOST_PEOPLE} of an image are kept.",
    )

    def relative_to(self, base: Path) -> Self:
        """Return the options with relative paths taken from a directory."""
        options = super().relative_to(base)
        if self.boxes is not None:
            options = options.model_copy(update={"boxes": str(base / expanded(self.boxes))})
        if self.detections is None:
            return options
        split = [text.partition("=") for text in self.detections]
        placed = [f"{name}{sign}{base / expanded(path) if path else ''}" for name, sign, path in split]
        return options.model_copy(update={"detections": placed})

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the files of detections and of boxes."""
        if self.boxes is not None:
            yield "boxes", Path(self.boxes)
        split = [text.partition("=") for text in self.detections or ()]
        yield from ((f"detections {name}", Path(path)) for name, _, path in split if path)
