"""Which images the page shows, so that these and no others become thumbnails."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.analyses.top_images import TopImages
from autola_analysis.report.panels import shown_points
from autola_analysis.report.units import unit_rows


def mentioned_images(
    ids: Sequence[str],
    embeddings: Sequence[Embedding] = (),
    selectivity: Sequence[SelectivityResult] = (),
    tops: Sequence[TopImages] = (),
) -> list[int]:
    """Return the numbers of the images of some data that the table of units and the panels show.

    Args:
        ids: Names of the images of the data.
        embeddings: What the panels show; of images outside of `ids`, nothing is returned.
        selectivity: What the table of units shows.
        tops: The images that drive each unit, numbered as in `ids`.
    """
    wanted = {name for row in unit_rows(selectivity, tops, ids) for name in row.images}
    if embeddings:
        names = embeddings[0].ids
        wanted |= {names[point] for point in shown_points(len(names))}
    return [number for number, name in enumerate(ids) if name in wanted]
