"""Context: planted networks, a naive recomputation, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import TensorDataset

from autola_analysis.analyses.context.analysis import Context
from autola_analysis.analyses.context.measure import measure_context
from autola_analysis.analyses.context.result import ContextResult
from autola_analysis.analyses.context.summary import context_statistics
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.cache import cache_folder
from autola_analysis.core.errors import AutolaError, DataError, UnknownNameError
from autola_analysis.core.text import apart
from autola_analysis.data import ClutteredDigits, Preprocessing, limit
from autola_analysis.statistics.intervals import mean_interval
from tests.analyses.context.planted import READING, SIDE, Planted, background_reader, object_reader
from tests.inference.networks import Tiny
from tests.inference.state import state_of

SAME, OTHER, CLUTTER, ONLY = "same-class-background", "other-class-background", "clutter-exchanged", "object-only"


def measured(data: Any = None, reading: Reading = READING, **options: Any) -> ContextResult:
    readers = [Variant(background_reader(), "background"), Variant(object_reader(), "object")]
    return measure_context(readers, Planted() if data is None else data, None, reading, **options)


def means(result: ContextResult, model: str, column: str = "correct") -> dict[str, float]:
    rows = result.images[result.images["model"] == model]
    return {str(kind): float(values.mean()) for kind, values in rows.groupby("kind", sort=False)[column]}


def test_a_network_that_reads_the_background_is_exposed_and_one_that_reads_the_object_is_not() -> None:
    result = measured()
    kinds = ["unaltered", "pasted-back", SAME, OTHER, ONLY]
    assert means(result, "object") == dict.fromkeys(kinds, 1.0)
    assert means(result, "background") == {**dict.fromkeys(kinds, 1.0), OTHER: 0.0}  # it never shows the own class
    drops = {
        (row["model"], row["kind"]): (row["value"], row["images"])
        for row in result.summary[result.summary["metric"] == "accuracy_drop"].to_dict("records")
    }
    assert drops["background", OTHER] == (1.0, 12)
    assert drops["background", SAME] == drops["object", OTHER] == drops["object", "pasted-back"] == (0.0, 12)
    assert [warning for warning in result.warnings if "left out" in warning] == [
        f"{CLUTTER} is left out: the data do not say what is clutter in an image."
    ]


def test_the_score_is_the_softmax_of_the_true_class() -> None:
    result = measured()
    own = np.exp(10 * 120 / 255)  # the class's channel of a background is brighter by 120, of an object by 60
    assert means(result, "background", "score")["unaltered"] == pytest.approx(own / (own + 2), rel=1e-5)
    assert means(result, "background", "score")[OTHER] == pytest.approx(1 / (own + 2), rel=1e-4)
    object_own = np.exp(10 * 60 / 255)
    assert means(result, "object", "score")[OTHER] == pytest.approx(object_own / (object_own + 2), rel=1e-5)


def test_scores_are_those_of_images_put_together_naively() -> None:
    torch.manual_seed(3)
    network, digits = Tiny().eval(), limit(ClutteredDigits(length=200), 40, 0)
    result = measure_context(network, digits, None, READING, blur=0.1)
    assert result.kinds == ["unaltered", "pasted-back", SAME, OTHER, CLUTTER, ONLY]
    places = {name: index for index, name in enumerate(digits.ids)}
    for row in result.images.sample(60, random_state=0).to_dict("records"):
        if row["kind"] == ONLY:
            continue
        host = digits.scene(places[row["image"]])
        donor = digits.scene(places[row["donor"]]) if row["donor"] else host
        assert host is not None
        assert donor is not None
        canvas = (host if row["kind"] == CLUTTER else donor).backdrop.copy()
        for sprite in [*donor.clutter, host.object]:
            for y, x in np.ndindex(sprite.opacity.shape):
                pixel = canvas[sprite.top + y, sprite.left + x]
                pixel += sprite.opacity[y, x] * (sprite.colours - pixel)
        image = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
        with torch.no_grad():
            logits = network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)[0].double()
        label = int(row["label"])
        assert row["score"] == pytest.approx(float(logits.softmax(0)[label]), abs=1e-5)
        assert row["correct"] == (int(logits.argmax()) == label)
        same = digits.labels[places[row["image"]]] == digits.labels[places[row["donor"] or row["image"]]]
        assert same == (row["kind"] != OTHER)


def test_the_control_of_painted_images_is_the_image_itself() -> None:
    result = measure_context(Tiny().eval(), ClutteredDigits(length=30), None, READING)
    assert result.settings["exact"]
    by_kind = {kind: rows.reset_index(drop=True) for kind, rows in result.images.groupby("kind")}
    columns = ["image", "contrast", "correct", "score"]
    pd.testing.assert_frame_equal(by_kind["unaltered"][columns], by_kind["pasted-back"][columns])
    assert "accuracy_drop pasted-back" not in [each.name for each in context_statistics(result)]


def test_the_summary_is_what_the_rows_say() -> None:
    result = measure_context(
        [Variant(Tiny().eval(), "tiny", run) for run in "123"], ClutteredDigits(length=40), None, READING
    )
    rows = result.images.assign(correct=result.images["correct"].astype(float))
    kind, control = ONLY, "pasted-back"
    table = rows.pivot(index="run", columns=["kind", "image"], values="correct")
    names = [name for name in dict.fromkeys(rows["image"]) if (kind, name) in table]
    drops = table[control][names].to_numpy() - table[kind][names].to_numpy()
    row = result.summary.set_index(["kind", "metric"]).loc[(kind, "accuracy_drop")]
    assert row["value"] == pytest.approx(drops.mean(), abs=1e-12)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(mean_interval(drops), abs=1e-12)
    assert (row["images"], row["runs"], row["control"]) == (len(names), 3, control)
    assert len(names) == 40 - result.settings["left_out"][kind] < 40
    (statistic,) = (each for each in context_statistics(result) if each.name == f"accuracy_drop {kind}")
    np.testing.assert_array_equal(np.isnan(statistic.values["tiny"]).sum(axis=1), [40 - len(names)] * 3)


def test_results_do_not_depend_on_the_size_of_batches_and_depend_on_the_seed() -> None:
    one = measured(reading=replace(READING, batch_size=1)).images
    pd.testing.assert_frame_equal(one, measured(reading=replace(READING, batch_size=64)).images)
    assert not one["donor"].equals(measured(seed=1).images["donor"])


def test_a_cache_gives_the_same_rows(tmp_path: Path) -> None:
    cached = replace(READING, cache=tmp_path)
    first, second = (measured(reading=cached) for _ in range(2))
    pd.testing.assert_frame_equal(first.images, second.images)
    assert len(list(cache_folder(tmp_path, "passes").glob("*/entry.json"))) == 4  # of each network, one per pass


def test_networks_and_process_are_as_before() -> None:
    network = Tiny()
    before = state_of(network)
    measure_context(network, ClutteredDigits(length=20), None, READING)
    assert state_of(network) == before


def test_a_result_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    result = measured(show=2)
    result.save(tmp_path)
    loaded = ContextResult.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.images, result.images)
    pd.testing.assert_frame_equal(loaded.summary, result.summary)
    assert (loaded.settings, loaded.warnings) == (result.settings, result.warnings)
    for one, other in zip(loaded.pictures, result.pictures, strict=True):
        assert (one.image, one.label, list(one.pixels)) == (other.image, other.label, list(other.pixels))
        assert all(np.array_equal(one.pixels[kind], other.pixels[kind]) for kind in one.pixels)


def test_pictures_are_the_images_by_kind_as_the_network_sees_them() -> None:
    source = Planted()
    for picture in measured(source, show=3).pictures:
        pixels = picture.pixels
        index = source.ids.index(picture.image)
        np.testing.assert_array_equal(pixels["unaltered"], np.asarray(source.image(index)))
        square = pixels[OTHER][4:8, 4:8]
        np.testing.assert_array_equal(square, pixels["unaltered"][4:8, 4:8])
        assert (pixels[OTHER][0, 0] != pixels["unaltered"][0, 0]).any()


def test_boxes_stand_for_objects_and_images_without_one_are_counted(tmp_path: Path) -> None:
    source = Planted(masks=False)
    listed = source.ids[:9]
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(listed)],
        "annotations": [{"image_id": number, "bbox": [4, 4, 4, 4]} for number in range(len(listed))],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    result = measured(source, boxes=tmp_path / "boxes.json")
    assert set(result.images["image"]) == set(listed)
    assert result.settings["without_object"] == 3
    assert means(result, "background")[OTHER] == 0
    assert "3 images without a known object, or filled by it, stay out of the analysis of context." in result.warnings


def test_donors_of_another_size_are_brought_to_the_size_of_the_image() -> None:
    source = Planted(widths=(SIDE, SIDE + 4))
    source.preprocessing = Preprocessing(crop=SIDE - 2)  # the square's middle stays at row and column 5 or 6
    result = measured(source, kinds=[OTHER])
    widths = {name: source.widths[index % 2] for index, name in enumerate(source.ids)}
    altered = result.images[result.images["kind"] == OTHER]
    assert (altered["image"].map(widths) != altered["donor"].map(widths)).any()
    assert means(result, "background")[OTHER] == 0


def test_an_image_that_is_the_only_one_of_its_class_gets_no_background_of_its_class() -> None:
    result = measured(Planted(4))  # two red ones, a green and a blue one
    rows = result.images[(result.images["kind"] == SAME) & (result.images["model"] == "object")]
    assert rows["image"].tolist() == ["image 0", "image 3"]
    assert result.settings["left_out"] == {SAME: 2, OTHER: 0, ONLY: 0}
    assert any(warning.startswith(f"2 of 4 images stay out of {SAME}: no surroundings") for warning in result.warnings)


@pytest.mark.parametrize(
    ("models", "data", "options", "complaint"),
    [
        (background_reader(), Planted(masks=False), {}, "planted has no masks; give --boxes"),
        (background_reader(), Planted(masks=False), {"boxes": {}}, "no image is named among the boxes"),
        (Variant(background_reader(), "a", has_head=False), Planted(), {}, "a has no head"),
        (Variant(background_reader(), "a", classes=("x", "y", "z")), Planted(), {}, "a: the labels of planted are not"),
        (Tiny(), Planted(), {}, r"the labels of the data are not those of the head \(10 outputs, 3 classes"),
        (background_reader(), Planted(), {"kinds": [CLUTTER]}, "clutter-exchanged needs data that say what is clutter"),
        (background_reader(), Planted(), {"kinds": ["object"]}, "there is no kind 'object'; the nearest: object-only"),
        (background_reader(), Planted(1), {"kinds": [SAME]}, "none of 1 image can be given other surroundings"),
        (background_reader(), TensorDataset(torch.rand(2, 3, 4, 4), torch.arange(2)), {}, "needs an image source"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    models: Any, data: Any, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AutolaError, match=complaint) as raised:
        measure_context(models, data, None, READING, **options)
    assert isinstance(raised.value, UnknownNameError if "no kind" in complaint else DataError)


def test_classes_of_one_name_stay_apart() -> None:
    source = Planted()
    source.classes = ("crane", "owl", "crane")
    names = ("crane", "owl", "crane")
    network = Variant(background_reader(), "background", classes=apart(names))
    result = measure_context([network], source, None, READING)
    assert set(result.images["label"]) == {"crane (0)", "owl", "crane (2)"}
    assert {picture.label for picture in result.pictures} == {"crane (0)", "owl", "crane (2)"}
    assert means(result, "background")["unaltered"] == 1.0


def test_images_without_labels_are_refused() -> None:
    source = Planted()
    source.classes = ()  # type: ignore[assignment]
    with pytest.raises(DataError, match="context needs the class of every image, and planted has no labels"):
        measured(source)


def test_lines_hold_accuracy_and_drop_of_every_kind() -> None:
    lines = Context().lines(measured())
    assert lines.header == ["model", "kind", "images", "accuracy, 95% interval", "points lost, 95% interval"]
    assert ["background", OTHER, "12", "0.00 % [0.00, 0.00]", "100.00 [100.00, 100.00]"] in lines.rows
    assert ["background", "unaltered", "12", "100.00 % [100.00, 100.00]", ""] in lines.rows


def test_names_of_images_and_donors_are_changed_together() -> None:
    result = measured(show=1)
    names = {name: f"#{number}" for number, name in enumerate(Planted().ids)}
    renamed = Context().renamed(result, names)
    assert set(renamed.images["image"]) == set(names.values())
    assert set(renamed.images["donor"]) <= {*names.values(), ""}
    assert renamed.pictures[0].image == names[result.pictures[0].image]
