"""Several networks over the images of a source: same targets, same images, numbers per image."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency import network
from autola_analysis.analyses.saliency import plan as planning
from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.explain import explained as explain_as_planned
from autola_analysis.analyses.saliency.faithfulness import faithfulness
from autola_analysis.analyses.saliency.localisation import METRICS, localise
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.receptive_field import probe
from autola_analysis.analyses.saliency.result import CHANCE, IMAGES, METRICS_TABLE
from autola_analysis.analyses.saliency.section import saliency_caption
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.boxes import box_of, mask_of
from autola_analysis.inference.run import Settings
from tests.inference.networks import Tiny
from tests.inference.state import state_of

PROBED = SaliencyOptions(methods=["grad-cam"], grid="receptive-field", shown=[3])
READING = Reading(Settings(device="cpu", quiet=True), batch_size=4)
STATISTICS = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))


@pytest.fixture(scope="module")
def variants() -> list[Variant]:
    torch.manual_seed(0)
    wider = replace(STATISTICS, resize=40, crop=36)
    return [Variant(Tiny(), "SE", "1", STATISTICS), Variant(Tiny(), "SE", "2", wider), Variant(Tiny(), "HOGA", "1")]


class Unlabelled(ClutteredDigits):
    """Digits of nine classes: not those of the head."""

    classes = tuple("abcdefghi")

    def __init__(self, length: int) -> None:
        super().__init__("test", length)
        self.labels = self.labels % 9

    def mask(self, index: int) -> None:
        return None


def test_every_row_is_what_explain_and_the_metrics_say(variants: list[Variant]) -> None:
    source = ClutteredDigits("test", 10)
    before = [state_of(variant.model) for variant in variants]
    options = SaliencyOptions(methods=["grad-cam", "gradient"], faithfulness=True, shown=[3])
    result = measure_saliency(variants, source, options, READING)
    assert [state_of(variant.model) for variant in variants] == before
    assert list(result.images.columns) == [*IMAGES.names, *METRICS, "insertion", "deletion"]
    rows = result.images[(result.images["model"] == "SE") & (result.images["run"] == "1")]
    images = STATISTICS.normalize(
        torch.from_numpy(np.stack([np.asarray(source.image(i)) for i in range(10)])).permute(0, 3, 1, 2)
    )
    expected = explain(variants[0].model, images, ("grad-cam", "gradient"), target=source.labels)
    masks = np.stack([source.mask(i) for i in range(10)])
    for key, maps in expected.maps.items():
        found = rows[rows["method"] == key[0]].set_index("image").loc[list(source.ids)]
        assert found["target"].tolist() == found["label"].tolist() == source.labels.tolist()
        assert found["predicted"].tolist() == expected.predicted.tolist()
        np.testing.assert_allclose(found["score"], expected.scores, rtol=1e-4)
        for metric, values in localise(maps, masks, expected.grids.get(key[1])).items():
            np.testing.assert_allclose(found[metric], values, rtol=1e-3)
        measured = faithfulness(variants[0].model, images, maps, expected.targets)
        np.testing.assert_allclose(found["insertion"], measured.insertion, rtol=1e-3)
        np.testing.assert_allclose(found["deletion"], measured.deletion, rtol=1e-3)
        place = f"SE/1/{key[0]}/{key[1] or ''}"
        np.testing.assert_allclose(result.curves[f"{place}/insertion"], measured.insertion_curve, rtol=1e-3)
        np.testing.assert_allclose(result.curves[f"{place}/deletion"], measured.deletion_curve, rtol=1e-3)
    (picture,) = result.pictures
    assert (picture.image, picture.label, picture.target) == (source.ids[3], "3", "3")
    np.testing.assert_array_equal(picture.pixels, np.asarray(source.image(3)))
    np.testing.assert_array_equal(picture.mask, source.mask(3))
    torch.testing.assert_close(torch.from_numpy(picture.panels[0].map), expected.maps["grad-cam", "layer2"][3])
    order = [(name, run) for name, run in (("SE", "1"), ("SE", "2"), ("HOGA", "1")) for _ in range(2)]
    assert [(panel.variant, panel.run) for panel in picture.panels] == order
    assert result.images[["model", "run"]].drop_duplicates().to_numpy().tolist() == [
        ["SE", "1"], ["SE", "2"], ["HOGA", "1"], [CHANCE, ""],
    ]  # fmt: skip
    assert [panel.pixels.shape[0] for panel in picture.panels] == [32, 32, 36, 36, 32, 32]


def test_a_network_is_probed_once_and_its_cells_are_recorded(
    variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[tuple[int, ...]] = []

    def counting(model: torch.nn.Module, images: torch.Tensor, *arguments: Any) -> Any:
        probed.append(tuple(images.shape[2:]))
        return probe(model, images, *arguments)

    monkeypatch.setattr(planning, "probe", counting)
    source = ClutteredDigits("test", 10)
    result = measure_saliency(variants, source, PROBED, READING)
    assert sorted(probed) == [(32, 32), (32, 32), (36, 36)]  # in three batches
    assert result.settings["grid"] == "receptive-field"
    cells = {"layer2": {"stride": [2, 2], "first": [0.5, 0.5], "shift": [-0.5, -0.5]}}
    assert [each["cells"] for each in result.settings["networks"].values()] == [cells] * 3
    caption = saliency_caption(result, "digits", "own")
    assert "receptive fields are centred (layer2: -0.5 px to the right, -0.5 px down)" in caption
    plain = measure_saliency(variants, source, PROBED.model_copy(update={"grid": "stretched"}), READING)
    pairs = list(zip(result.pictures[0].panels, plain.pictures[0].panels, strict=True))
    assert any(not np.allclose(each.map, other.map) for each, other in pairs)


def test_means_are_over_images_and_runs_beside_chance(variants: list[Variant]) -> None:
    result = measure_saliency(variants, ClutteredDigits("test", 10), SaliencyOptions(methods=["grad-cam"]), READING)
    table = result.metrics
    assert list(table.columns) == METRICS_TABLE.names
    assert table["model"].drop_duplicates().tolist() == ["SE", "HOGA", CHANCE]
    energy = result.images.groupby("model")["energy"].mean()
    everything = table[(table["metric"] == "energy") & (table["subset"] == "all")].set_index("model")
    assert everything.loc["SE", "mean"] == pytest.approx(energy["SE"])
    assert everything.loc["SE", "images"] == 10
    assert (everything["ci_low"] < everything["mean"]).all()
    assert (everything["mean"] < everything["ci_high"]).all()
    assert table[table["model"] == CHANCE]["method"].drop_duplicates().tolist() == ["uniform", "centred-gaussian"]


def test_the_subset_that_every_variant_gets_right() -> None:
    class Knows(Tiny):
        """Knows the labels of some images of the run, which come in order."""

        def __init__(self, right: set[int]) -> None:
            super().__init__()
            self.right = right
            self.fc.bias.data.zero_()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = super().forward(x)
            keys = x.detach().mean((1, 2, 3))
            known = [any(torch.isclose(key, other, atol=1e-7) for other in KEYS[list(self.right)]) for key in keys]
            sure = torch.zeros_like(logits)
            for place, key in enumerate(keys):
                label = int((KEYS - key).abs().argmin()) % 10
                sure[place, label if known[place] else (label + 1) % 10] = 100
            return logits + sure

    source = ClutteredDigits("test", 6)
    pixels = torch.from_numpy(np.stack([np.asarray(source.image(i)) for i in range(6)])).permute(0, 3, 1, 2)
    global KEYS
    KEYS = (pixels.float() / 255).mean((1, 2, 3))
    pair = [Variant(Knows({0, 1, 2, 3}), "a"), Variant(Knows({2, 3, 4}), "b")]
    table = measure_saliency(pair, source, SaliencyOptions(methods=["grad-cam"]), READING).metrics
    table = table[table["metric"] == "precision"]
    assert set(table[table["subset"] == "all"]["images"]) == {6}
    assert set(table[table["subset"] == "all-correct"]["images"]) == {2}


KEYS = torch.empty(0)


@pytest.mark.parametrize("target", [None, "predicted", 7])
def test_all_networks_explain_the_same_target(variants: list[Variant], target: str | int | None) -> None:
    source = Unlabelled(6)
    result = measure_saliency(variants, source, SaliencyOptions(methods=["grad-cam"], target=target), READING)
    wide = result.images[result.images["model"] != CHANCE].pivot(
        index="image", columns=["model", "run"], values="target"
    )
    assert (wide.nunique(axis=1) == 1).all()
    first = result.images[(result.images["model"] == "SE") & (result.images["run"] == "1")]
    expected = [7] * 6 if target == 7 else first["predicted"].tolist()
    assert first["target"].tolist() == expected
    assert result.images["label"].isna().all() or set(result.images.dropna(subset=["label"])["model"]) == {CHANCE}
    assert len(result.metrics) == 0
    assert "no image has a mask or a box" in result.warnings[-1]


def test_boxes_stand_in_for_masks(variants: list[Variant]) -> None:
    digits = ClutteredDigits("test", 4)
    boxes = {digits.ids[index]: [box_of(digits.mask(index))] for index in range(3)}
    options = SaliencyOptions(methods=["grad-cam"], target=0, boxes=boxes, shown=[0, 3])
    result = measure_saliency(variants[:1], Unlabelled(4), options, READING)
    assert result.images[result.images["model"] == "SE"]["energy"].notna().tolist() == [True, True, True, False]
    assert set(result.metrics["images"]) == {3}
    np.testing.assert_array_equal(result.pictures[0].mask, mask_of(boxes[digits.ids[0]], 32, 32))
    assert result.pictures[1].mask is None


def test_what_cannot_be_measured_is_refused(variants: list[Variant]) -> None:
    with pytest.raises(OptionError, match=r"'label' needs labels that number the outputs of SE; .*--target predicted"):
        measure_saliency(variants, Unlabelled(4), SaliencyOptions(target="label"), READING)
    with pytest.raises(OptionError, match="sanity is a number from 0 on; found -1"):
        measure_saliency(variants, Unlabelled(4), reading=READING, sanity=-1)
    with pytest.raises(OptionError, match="there is no network to analyse"):
        measure_saliency([], Unlabelled(4))
    with pytest.raises(DataError, match="has no head"):
        measure_saliency([replace(variants[0], has_head=False)], ClutteredDigits("test", 4), None, READING)
    with pytest.raises(OptionError, match="'chance' names the maps that know nothing"):
        measure_saliency([replace(variants[0], name=CHANCE)], ClutteredDigits("test", 4), None, READING)


def test_maps_are_made_in_float32_whatever_the_passes_run_in(variants: list[Variant]) -> None:
    source, options = ClutteredDigits("test", 4), SaliencyOptions(methods=["grad-cam"])
    plain = measure_saliency(variants[:1], source, options, READING)
    half = replace(READING, settings=replace(READING.settings, precision="bfloat16"))
    found = measure_saliency(variants[:1], source, options, half)
    pd.testing.assert_frame_equal(found.images, plain.images, check_exact=True)
    assert plain.settings["precision"] == found.settings["precision"] == "float32"
    (added,) = set(found.warnings) - set(plain.warnings)
    assert added == "saliency maps are made in float32: gradients are not taken in bfloat16."


def test_a_network_that_guides_not_everything_is_named() -> None:
    model = Tiny()
    model.layer1[2] = torch.nn.SiLU()
    result = measure_saliency(
        [Variant(model, "odd")], ClutteredDigits("test", 2), SaliencyOptions(methods=["guided-backprop"]), READING
    )
    assert any("odd: not guided, their gradient is the plain one: silu" in warning for warning in result.warnings)
    assert "guided-backprop" in result._repr_html_()
    assert isinstance(result.images, pd.DataFrame)


def test_the_maps_of_a_network_that_is_done_are_kept(
    variants: list[Variant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ClutteredDigits("test", 10)
    options = SaliencyOptions(methods=["grad-cam", "gradient"], target="predicted", shown=[0, 7])
    expected = measure_saliency(variants, source, options, READING)
    explained: list[str] = []

    def counting(variant: Variant, *arguments: Any, **named: Any) -> Any:
        if variant.title == "SE (run 2)" and not explained.count("again"):
            raise RuntimeError("killed on purpose")
        explained.append(variant.title)
        return explain_as_planned(variant, *arguments, **named)

    monkeypatch.setattr(network, "explained", counting)
    reading = replace(READING, cache=tmp_path)
    with pytest.raises(RuntimeError, match="killed on purpose"):
        measure_saliency(variants, source, options, reading)
    # Three batches.
    assert Counter(explained) == {"SE": 3, "HOGA": 3}
    explained.append("again")
    for added in (3, 0):
        explained_before = len(explained)
        result = measure_saliency(variants, source, options, reading)
        assert explained[explained_before:] == ["SE (run 2)"] * added
        pd.testing.assert_frame_equal(result.images, expected.images, check_exact=True)
        pd.testing.assert_frame_equal(result.metrics, expected.metrics, check_exact=True)
        assert (result.settings, result.warnings) == (expected.settings, expected.warnings)
        for picture, twin in zip(result.pictures, expected.pictures, strict=True):
            assert (picture.image, picture.label, picture.target) == (twin.image, twin.label, twin.target)
            np.testing.assert_array_equal(picture.pixels, twin.pixels)
            np.testing.assert_array_equal(picture.mask, twin.mask)
            for panel, other in zip(picture.panels, twin.panels, strict=True):
                np.testing.assert_array_equal(panel.map, other.map)
                np.testing.assert_array_equal(panel.pixels, other.pixels)
                assert (panel.variant, panel.run, panel.method) == (other.variant, other.run, other.method)
                assert (panel.probability, panel.score) == (other.probability, other.score)


def test_maps_are_made_again_where_what_decides_them_has_changed(variants: list[Variant], tmp_path: Path) -> None:
    source = ClutteredDigits("test", 4)
    reading = replace(READING, cache=tmp_path)
    entries = 0
    digits = {source.ids[0]: [box_of(source.mask(0))]}
    for options in (
        SaliencyOptions(methods=["grad-cam"]),
        SaliencyOptions(methods=["grad-cam"], target="predicted"),
        SaliencyOptions(methods=["grad-cam"], layers=["layer1"]),
        SaliencyOptions(methods=["grad-cam"], boxes=digits),
        SaliencyOptions(methods=["grad-cam"], shown=[1]),
        SaliencyOptions(methods=["grad-cam"], grid="receptive-field"),
    ):
        measure_saliency(variants[:1], source, options, reading)
        entries += 1
        assert len(list(tmp_path.rglob("entry.json"))) == entries
    # The second network explains what the first predicts, whatever that one is.
    for pair in ([variants[0], variants[2]], [variants[1], variants[2]]):
        measure_saliency(pair, source, SaliencyOptions(methods=["grad-cam"], target="predicted"), reading)
    assert len(list(tmp_path.rglob("entry.json"))) == entries + 3


@pytest.mark.parametrize("target", ["predicted", 3])
@pytest.mark.parametrize("cached", [False, True])
def test_rows_are_to_the_last_bit_what_explaining_each_batch_gives(
    variants: list[Variant], tmp_path: Path, target: str | int, cached: bool
) -> None:
    source = ClutteredDigits("test", 10)
    pair = [variants[0], variants[2]]
    reading = replace(READING, cache=tmp_path if cached else None)
    for _ in range(1 + cached):
        rows = measure_saliency(pair, source, SaliencyOptions(target=target), reading).images
    expected = []
    for variant in pair:
        for start in range(0, 10, 4):
            indices = list(range(start, min(start + 4, 10)))
            statistics = variant.preprocessing or source.preprocessing
            assert statistics is not None
            pixels = torch.stack([statistics.geometry(source.image(index)) for index in indices])
            first = replace(pair[0], preprocessing=STATISTICS)
            targets = explain(first, pixels, "grad-cam").predicted if target == "predicted" else target
            found = explain(replace(variant, preprocessing=statistics), pixels, target=targets)
            masks = np.stack([source.mask(index) for index in indices])
            for (method, layer), maps in found.maps.items():
                for place, index in enumerate(indices):
                    row = [variant.name, "1", source.ids[index], source.labels[index], int(found.predicted[place])]
                    row += [int(found.targets[place]), float(found.scores[place]), method, layer or ""]
                    row += [found.status[method, layer][place]]
                    metrics = localise(maps, masks, found.grids.get(layer))
                    expected.append(row + [values[place] for values in metrics.values()])
    table = rows[rows["model"] != CHANCE]
    by_image = ["model", "method", "image"]
    wanted = pd.DataFrame(expected, columns=table.columns).sort_values(by_image, ignore_index=True)
    wanted = wanted.astype(dict.fromkeys(("label", "predicted", "target"), "Int64"))
    pd.testing.assert_frame_equal(table.sort_values(by_image, ignore_index=True), wanted, check_exact=True)
