"""Gates of detectors: classes that images hold, and spatial gates inside objects against outside."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.functional import to_tensor

from autola_analysis.analyses.gates.analysis import GateResults, Gates
from autola_analysis.analyses.gates.contrast_figure import plot_contrast
from autola_analysis.analyses.gates.find import gates_of
from autola_analysis.analyses.gates.measure import measure_gates
from autola_analysis.analyses.gates.objects import HeldObjects, uncovered
from autola_analysis.analyses.gates.result import CONTRAST, GATES
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Reading
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.objects import Objects
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tap import tap
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.groups import by_group
from autola_analysis.statistics.intervals import bootstrap_interval
from tests.analyses.objects import QUIET, Shapes, detector
from tests.analyses.saliency.objects.planted import CELL, SIDE, Squares, planted

CELLS = SIDE // CELL


class Crowded(Squares):
    """Squares of which the second is a crowd in every third image."""

    def objects(self, index: int) -> Objects:
        found = super().objects(index)
        crowd = (np.arange(len(found)) == 1) & (index % 3 == 0)
        return Objects(found.boxes, found.labels, found.areas, crowd, found.ids)


def held(source: Squares, numbers: list[int]) -> HeldObjects:
    objects = HeldObjects(ObjectItems.of(source, fewest=2), source, planted().model)
    objects.begin(Batch(torch.zeros(len(numbers), 3, SIDE, SIDE), None, torch.tensor(numbers)))
    return objects


def test_the_contrast_is_the_mean_inside_the_box_less_that_outside_all_boxes() -> None:
    source, numbers = Crowded(6), [3, 1]
    gate = torch.rand(2, 1, CELLS, CELLS, generator=torch.Generator().manual_seed(0))
    expected = []
    for number, values in zip(numbers, gate[:, 0].double().numpy(), strict=True):
        found = source.objects(number)
        corners = (found.boxes / CELL).astype(int)
        outside = np.ones((CELLS, CELLS), bool)
        for x1, y1, x2, y2 in corners:
            outside[y1:y2, x1:x2] = False
        inside = [values[y1:y2, x1:x2].mean() for x1, y1, x2, y2 in corners[~found.crowd]]
        expected += [each - values[outside].mean() for each in inside]
    np.testing.assert_allclose(held(source, numbers).contrasts(gate).numpy(), expected, atol=1e-6)
    assert len(expected) == 2 + 3


def test_a_gate_that_is_open_on_objects_alone_has_a_contrast_of_one_and_a_flat_one_of_none() -> None:
    objects = held(Squares(4), [0, 1])
    boxes = [Squares(4).objects(number).boxes for number in (0, 1)]
    gate = torch.zeros(2, 1, SIDE, SIDE)
    for place, each in enumerate(boxes):
        for x1, y1, x2, y2 in each.astype(int):
            gate[place, 0, y1:y2, x1:x2] = 1
    torch.testing.assert_close(objects.contrasts(gate), torch.ones(5))
    torch.testing.assert_close(objects.contrasts(torch.full_like(gate, 0.3)), torch.zeros(5), atol=1e-6, rtol=0)


def test_cells_are_covered_in_part_by_boxes_and_padding_is_not_outside() -> None:
    image = torch.tensor([[0.0, 0, 0.75, 1]])
    boxes = torch.tensor([[0.125, 0.0, 0.5, 0.5], [0.0, 0.5, 0.25, 0.75], [0.3, 0.3, 0.3, 0.4]])
    expected = torch.tensor([[0.5, 0, 1, 0], [0.5, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]])
    torch.testing.assert_close(uncovered(image.double(), boxes.double(), 4, 4), expected)


def test_an_object_that_fills_its_image_has_no_contrast() -> None:
    source = Shapes(whole=True)
    model = detector().model
    objects = HeldObjects(ObjectItems.of(source), source, model)
    objects.begin(Batch(torch.zeros(2, 3, 40, 48), None, torch.arange(1, 3)))
    assert objects.contrasts(torch.rand(2, 1, 5, 5)).isnan().all()
    result = measure_gates(detector(attention="cbam"), source, reading=QUIET)
    assert result.gates[CONTRAST].isna().all(axis=None)


@pytest.mark.parametrize("batch_size", [3, 16])
def test_statistics_equal_naive_ones_on_the_stored_gates(batch_size: int) -> None:
    source, variant = Shapes(), detector(attention="cbam")
    result = measure_gates(variant, source, seed=3, reading=Reading(QUIET.settings, batch_size))
    assert result.gates.columns.tolist() == GATES.names
    items = ObjectItems.of(source)
    layers = {gate.layer: f"{gate.module}/{gate.name}" for gate in gates_of(variant.model)}
    stored: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    for index in range(len(source)):
        pixels = torch.from_numpy(np.asarray(source.image(index).resize((64, 64), 2)).copy()).permute(2, 0, 1)
        with torch.no_grad(), tap(variant.model, list(layers)) as values:
            variant.model(pixels[None].float() / 255)
        for layer in layers:
            stored[layer].append(values[layer][0].double().numpy())
    holds = [set(items.labels[items.of_image(index)].tolist()) for index in range(len(source))]
    for layer, key in layers.items():
        module, name = key.split("/")
        rows = result.gates[(result.gates["module"] == module) & (result.gates["gate"] == name)]
        values = np.stack(stored[layer])
        means = values.reshape(*values.shape[:2], -1).mean(2)
        np.testing.assert_allclose(rows["mean"], means.mean(0), atol=1e-5)
        of_classes = [means[[label in each for each in holds]].mean(0) for label in range(3)]
        np.testing.assert_allclose(result.class_means[key], of_classes, atol=1e-5)
        np.testing.assert_allclose(rows["class_variation"], np.std(of_classes, axis=0), atol=1e-5)
        assert rows["object_contrast"].isna().all() == (name == "channel_gate")
        if name == "spatial_gate":
            contrasts = result.contrasts[key]
            assert len(contrasts) == len(items)
            of_images = by_group(contrasts, np.array(items.names))
            row = rows.iloc[0]
            assert row["object_contrast"] == pytest.approx(contrasts.mean())
            assert row[["object_contrast_low", "object_contrast_high"]].tolist() == pytest.approx(
                bootstrap_interval(of_images, 3)
            )
            assert row["object_contrast_ratio"] == pytest.approx(contrasts.mean() / row["std"])
    assert set(result.gates["items"]) == {"objects"}
    assert result.settings["images"] == 30


def test_maps_of_images_of_other_sizes_are_brought_to_the_largest(tmp_path: Path) -> None:
    """Faster R-CNN takes images as they are stored; those of one size are in one batch."""
    source, variant = Shapes(), detector("faster-rcnn", "cbam")
    reading = Reading(QUIET.settings, batch_size=3, cache=tmp_path)
    fresh, kept = (measure_gates(variant, source, reading=reading) for _ in range(2))
    gate = next(each for each in gates_of(variant.model, variant.input_side) if each.name == "spatial_gate")
    maps: list[Tensor] = []
    layer = variant.model.get_submodule(gate.layer)
    handle = layer.register_forward_hook(lambda _, __, output: maps.append(output))
    with torch.no_grad():
        for index in range(len(source)):
            variant.model([to_tensor(source.image(index))])
    handle.remove()
    sizes = {(each.shape[2], each.shape[3]) for each in maps}
    largest = max(sizes, key=np.prod)
    assert len(sizes) == 2
    expected = torch.cat([interpolate(each.double(), largest, mode="bilinear") for each in maps]).mean((0, 1))
    key = f"{gate.module}/{gate.name}"
    np.testing.assert_allclose(fresh.spatial_maps[key], expected, atol=1e-6)
    np.testing.assert_array_equal(kept.spatial_maps[key], fresh.spatial_maps[key])


def test_a_finished_pass_is_found_again(tmp_path: Path) -> None:
    reading = Reading(QUIET.settings, cache=tmp_path)
    fresh, kept = (measure_gates(detector(attention="cbam"), Shapes(), reading=reading) for _ in range(2))
    pd.testing.assert_frame_equal(fresh.gates, kept.gates, check_exact=True)
    for key, contrasts in fresh.contrasts.items():
        np.testing.assert_array_equal(kept.contrasts[key], contrasts)


def test_results_are_saved_drawn_and_described(tmp_path: Path) -> None:
    variants = [detector(attention="se", name="SE"), detector(attention="hoga", name="HOGA")]
    results = measure_gates(variants, Shapes(), reading=QUIET)
    analysis = Gates()
    write_stored(tmp_path, analysis.format, analysis.store(GateResults(results)))
    again = analysis.restore(read_stored(tmp_path, analysis.format))
    pd.testing.assert_frame_equal(again.networks[1].gates, results[1].gates)
    for key, contrasts in results[1].contrasts.items():
        np.testing.assert_array_equal(again.networks[1].contrasts[key], contrasts)
    assert again.networks[0].contrasts == {}
    (section,) = analysis.sections(again, Sheet(tmp_path, "shapes"))
    assert list(section.figures) == ["gates", "object_contrast"]
    assert "of HOGA in the boxes of objects" in section.figures["object_contrast"]
    assert "on 30 images with 60 objects (shapes)" in section.figures["object_contrast"]
    assert "A class has the images that hold an object of it" in section.methods
    lines = analysis.lines(again)
    assert lines.header[-1] == "on objects"
    assert all(len(row) == len(lines.header) for row in lines.rows)
    (panel,) = plot_contrast(again.networks).axes
    shown = panel.lines[-1].get_ydata() if len(panel.lines) else []
    assert panel.get_title() == "HOGA"
    assert len(shown) > 0


def test_what_cannot_be_measured_is_refused_before_the_pass() -> None:
    with pytest.raises(AutolaError, match="none of the networks has attention gates"):
        measure_gates(detector(), Shapes(), reading=QUIET)
    with pytest.raises(AutolaError, match="shapes has 0 classes with 10 objects"):
        measure_gates(detector(attention="se"), Shapes(9), reading=QUIET)
