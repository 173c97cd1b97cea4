"""Figure 2 for the screen: a panel per network, linked, with the image under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.figure import class_colours, first_of_seeds, panel_title, procrustes
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.embedding.shown import shown_points
from autola_analysis.core.files import with_home
from autola_analysis.report.templating import raw, render
from autola_analysis.report.thumbnails import Thumbnails

with with_home():
    from bokeh.embed import components
    from bokeh.models import ColumnDataSource, CustomJS, CustomJSHover, HoverTool
    from bokeh.plotting import figure
    from bokeh.resources import Resources

ALPHA = 0.75
SOURCE = "images"
"""Name of the points among the models of the plots."""
TOOLS = "box_select,lasso_select,tap,pan,wheel_zoom,reset"
HOVER_NAMES = "<div style='max-width:220px;overflow-wrap:anywhere'><strong>@name</strong><br>@id</div>"
HOVER_IMAGE = "<img src='@thumbnail{custom}' alt='' width='96' height='96' style='object-fit:contain'>"


def embedding_panels(
    embeddings: Sequence[Embedding], thumbnails: Thumbnails, caption: str, align: bool = False
) -> tuple[Markup, list[Markup]]:
    """Return the panels as HTML, and the scripts that they need, in order.

    A selection in one panel shows in all; buttons with the names of classes fade and show them.

    Args:
        embeddings: Of the same images, in the order they are shown; of several seeds, the first is.
        thumbnails: Small images, for the pointer and the selection.
        caption: Of the figure for print.
        align: Whether each panel is turned, mirrored and scaled to fit the first.
    """
    chosen = first_of_seeds(embeddings)
    points = shown_points(len(chosen[0].labels))
    colours = [to_hex(colour) for colour in class_colours(chosen[0])]
    source = _source(chosen, points, colours, thumbnails, align)
    panels = [_panel(source, place, bool(thumbnails.places("embedding"))) for place in range(len(chosen))]
    script, places = components(panels, wrap_script=False)
    present = np.unique(chosen[0].labels[points])
    body = render(
        "panels.html.j2",
        __package__,
        panels=[(panel_title(each, chosen[0]), Markup(place)) for each, place in zip(chosen, places, strict=True)],
        classes=[(int(label), chosen[0].classes[label], colours[label]) for label in present],
        caption=caption,
        shown=len(points),
        images=len(chosen[0].labels),
        items=chosen[0].items,
    )
    library = Resources(mode="inline", components=["bokeh"]).js_raw
    return body, [raw("panels.js", __package__), *(Markup(code) for code in (*library, script))]


def _source(
    embeddings: Sequence[Embedding],
    points: NDArray[np.int64],
    colours: Sequence[str],
    thumbnails: Thumbnails,
    align: bool,
) -> ColumnDataSource:
    """Return the points of all panels: one source, so that what is selected in one panel is selected in all."""
    first, places = embeddings[0], thumbnails.places("embedding")
    labels = first.labels[points]
    data: dict[str, Any] = {
        "id": [first.ids[point] for point in points],
        "name": [first.classes[label] for label in labels],
        "label": labels.astype(np.int32),
        "colour": [colours[label] for label in labels],
        "alpha": np.full(len(points), ALPHA, dtype=np.float32),
        "thumbnail": np.array([places.get(first.names_of_images[point], -1) for point in points], dtype=np.int32),
    }
    for place, each in enumerate(embeddings):
        finite = np.isfinite(each.coords).all() and np.isfinite(first.coords).all()
        coords = procrustes(each.coords, first.coords) if align and place and finite else each.coords
        data |= {f"{axis}{place}": coords[points, column].astype(np.float32) for column, axis in enumerate("xy")}
    source = ColumnDataSource(data, name=SOURCE)
    source.selected.js_on_change(
        "indices", CustomJS(args={"source": source}, code="autola.select(cb_obj.indices, source.data)")
    )
    return source


def _panel(source: ColumnDataSource, place: int, with_images: bool) -> figure:
    panel = figure(
        aspect_ratio=1,
        sizing_mode="scale_width",
        min_width=200,
        match_aspect=True,
        tools=TOOLS,
        active_drag=None,
        active_scroll=None,
        toolbar_location="below",
        output_backend="canvas",
    )
    panel.toolbar.logo = None
    panel.axis.visible = False
    panel.grid.visible = False
    panel.outline_line_color = "#bbb"
    panel.scatter(
        f"x{place}",
        f"y{place}",
        source=source,
        size=5,
        fill_color="colour",
        line_color=None,
        fill_alpha="alpha",
        selection_fill_alpha=1.0,
        selection_line_color="black",
        selection_line_alpha=1.0,
        nonselection_fill_alpha=0.06,
        nonselection_line_alpha=0.0,
    )
    hover = HoverTool(tooltips=(HOVER_IMAGE if with_images else "") + HOVER_NAMES, limit=1)
    if with_images:
        hover.formatters = {"@thumbnail": CustomJSHover(code="return autola.thumbnail(value)")}
    panel.add_tools(hover)
    return panel
