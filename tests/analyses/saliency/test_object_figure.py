"""The figure of single objects: a row per object, its box, its class and its maps."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.patches import Rectangle
from PIL import Image

from autola_analysis.analyses.saliency.explain_objects import COLUMNS, CORNERS, ObjectExplanation
from autola_analysis.analyses.saliency.figure import overlay
from autola_analysis.analyses.saliency.object_figure import plot_objects
from autola_analysis.core.errors import OptionError


def explanation(count: int) -> ObjectExplanation:
    alike = {"candidate": 7, "assigned": "detection", "probability": 0.9, "detected": True, "found": True, "level": 0}
    box = dict(zip(CORNERS, (2, 3, 10, 12), strict=True))
    rows = [
        {
            **alike,
            **box,
            "image": place % 2,
            "label": place % 3,
            "class": f"class {place % 3}",
            "score": 1.5 + place,
            "rank": 1 + place,
        }
        for place in range(count)
    ]
    maps = {
        ("odam", "backbone.body.layer3"): torch.rand(count, 16, 24),
        ("guided-backprop", None): torch.rand(count, 3, 16, 24),
    }
    status = dict.fromkeys(maps, ("zero",) + ("ok",) * (count - 1) if count else ())
    return ObjectExplanation(maps, pd.DataFrame(rows, columns=COLUMNS), status)


def test_a_row_shows_an_object_with_its_box_its_class_and_its_maps() -> None:
    images = torch.rand(2, 3, 16, 24)
    found = explanation(3)
    figure = plot_objects(found, images, ["cat", "dog", "cow"])
    grid = np.array(figure.axes).reshape(3, 3)
    assert [ax.get_title() for ax in grid[0]] == ["Input", "ODAM\nlayer3", "Guided backpropagation"]
    assert [ax.get_xlabel() for ax in grid[:, 0]] == ["cat (1.50)", "dog (2.50)", "cow (3.50)"]
    (box,) = (patch for patch in grid[1, 1].patches if isinstance(patch, Rectangle))
    assert box.get_bbox().extents.tolist() == [1.5, 2.5, 9.5, 11.5]
    pixels = (images[1] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(
        grid[1, 1].images[0].get_array(), overlay(pixels, found.maps["odam", "backbone.body.layer3"][1].numpy())
    )
    photographs = [Image.fromarray(each) for each in (images * 255).round().byte().permute(0, 2, 3, 1).numpy()]
    axes = plot_objects(found, photographs).axes
    assert [ax.get_xlabel() for ax in axes[::3]] == ["class 0 (1.50)", "class 1 (2.50)", "class 2 (3.50)"]
    np.testing.assert_allclose(axes[4].images[0].get_array(), grid[1, 1].images[0].get_array(), rtol=1e-12)
    assert [text.get_text() for text in grid[0, 1].texts] == ["zero"]
    assert not grid[1, 1].texts


def test_at_most_twelve_objects_are_drawn_and_none_is_refused() -> None:
    images = torch.zeros(2, 3, 16, 24, dtype=torch.uint8)
    assert len(plot_objects(explanation(14), images).axes) == 12 * 3
    with pytest.raises(OptionError, match="there is no object to draw: nothing was detected"):
        plot_objects(explanation(0), images)
