"""The analysis of saliency: what a report keeps, shows and compares, and what is refused before the first image."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from autola_analysis.analyses.alone import measure_alone
from autola_analysis.analyses.analysis import Subject
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.analysis import Saliency
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.question import drawn_by_class
from autola_analysis.analyses.saliency.result import CHANCE, SaliencyResult, saliency_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import AutolaError, DataError, OptionError, UnknownNameError
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.boxes import Box
from autola_analysis.data.listed import ListedImages
from autola_analysis.inference.run import Settings
from autola_analysis.report.anonymous import short_names
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import mean_interval
from tests.inference.networks import Tiny

DIGITS = ClutteredDigits("test", 12)
READING = Reading(Settings(device="cpu", quiet=True), batch_size=4)
OPTIONS = SaliencyOptions(methods=["grad-cam", "gradient"], shown=[1, 7], sanity=2, sanity_draws=3)
ANALYSIS = Saliency()


def networks() -> list[Variant]:
    """Two runs of a network whose name table readers take for a missing value, and one that sees larger images."""
    torch.manual_seed(0)
    larger = Preprocessing(resize=40, crop=36)
    return [Variant(Tiny(), "NA"), Variant(Tiny(), "NA", "2"), Variant(Tiny(), "HOGA", preprocessing=larger)]


@pytest.fixture(scope="module")
def result() -> SaliencyResult:
    return measure_alone(ANALYSIS, networks(), DIGITS, OPTIONS, READING)


def reopened(result: SaliencyResult, directory: Path) -> SaliencyResult:
    write_stored(directory, ANALYSIS.format, ANALYSIS.store(result))
    return ANALYSIS.restore(read_stored(directory, ANALYSIS.format))


def assert_same(found: SaliencyResult, expected: SaliencyResult) -> None:
    pd.testing.assert_frame_equal(found.images, expected.images, check_exact=True)
    pd.testing.assert_frame_equal(found.metrics, expected.metrics, check_exact=True)
    assert found.settings == json.loads(json.dumps(expected.settings))
    assert found.warnings == expected.warnings
    for one, other in zip(found.pictures, expected.pictures, strict=True):
        assert (one.image, one.label, one.target) == (other.image, other.label, other.target)
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(np.asarray(one.mask), np.asarray(other.mask))
        for panel, twin in zip(one.panels, other.panels, strict=True):
            np.testing.assert_array_equal(panel.map, twin.map)
            for name in ("variant", "run", "method", "layer", "predicted", "probability", "score", "status"):
                assert getattr(panel, name) == getattr(twin, name)


def test_a_report_holds_all_that_was_measured(result: SaliencyResult, tmp_path: Path) -> None:
    found = reopened(result, tmp_path)
    assert_same(found, result)
    assert found.sanity is not None
    assert result.sanity is not None
    pd.testing.assert_frame_equal(found.sanity.table, result.sanity.table, check_exact=True)
    pd.testing.assert_frame_equal(found.sanity.baselines, result.sanity.baselines, check_exact=True)
    assert found.images["model"].drop_duplicates().tolist() == ["NA", "HOGA", CHANCE]
    # Pixels are kept again only where a network sees the image in another way.
    kept = [[None if panel.pixels is None else len(panel.pixels) for panel in each.panels] for each in found.pictures]
    assert kept == [[None] * 4 + [36] * 2] * 2


class Edges(nn.Module):
    """Its first logit is how much neighbouring pixels differ, above a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        edges = (x[:, :, 1:] - x[:, :, :-1]).abs().mean((1, 2, 3))
        return torch.stack([50 * (edges - self.threshold), x.new_zeros(len(x))], 1)


def test_scaled_areas_and_their_means_can_be_recomputed_from_the_report(tmp_path: Path) -> None:
    runs = [Variant(Edges(threshold), "SE", run) for threshold, run in zip((0.02, 0.021, 0.022), "123", strict=True)]
    asked = SaliencyOptions(methods=["gradient"], target=0, show=1, faithfulness=True)
    result = measure_alone(ANALYSIS, runs, DIGITS, asked, READING)
    found = reopened(result, tmp_path)
    areas = {}
    for run in "123":
        rows = found.images[(found.images["model"] == "SE") & (found.images["run"] == run)]
        assert rows["image"].tolist() == DIGITS.ids
        for metric, direction in (("insertion", 1), ("deletion", -1)):
            curves = found.curves[f"SE/{run}/gradient//{metric}"][:, ::direction]
            assert curves.shape == (12, 17)
            start, full = curves[:, 0], curves[:, -1]
            areas[metric, run] = (np.trapezoid(curves, dx=1 / 16) - start) / (full - start)
            areas[metric, run][full - start < 0.2] = np.nan
            np.testing.assert_allclose(rows[metric], areas[metric, run], rtol=1e-9)
            unscaled = int(np.isnan(areas[metric, run]).sum())
            title = "SE" if run == "1" else f"SE (run {run})"
            sentence = f"{title}: {unscaled} of 12 images have no {metric}"
            assert any(warning.startswith(sentence) for warning in found.warnings) == (unscaled > 0)
    table = found.metrics[found.metrics["subset"] == "all"].set_index(["model", "metric"])
    for metric in ("insertion", "deletion"):
        values = np.stack([areas[metric, run] for run in "123"])
        values = values[:, ~np.isnan(values).any(0)]
        row = table.loc[("SE", metric)]
        assert row["images"] == values.shape[1]
        assert 2 < values.shape[1] < 12
        assert row["mean"] == pytest.approx(values.mean())
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(mean_interval(values))
    (section,) = ANALYSIS.sections(found, Sheet(tmp_path, "digits", options=asked))
    assert "Images on which it rises by less than 0.2 have no such metric" in section.reading[-1]
    assert "scaled between the target's softmax on the blurred (or emptied) image" in section.methods


def test_a_scaled_area_beyond_0_or_1_stays_as_it_is() -> None:
    about = {"run": "1", "method": "gradient", "layer": ""}
    rows = [{"model": "SE", "image": str(i), **about, "insertion": value} for i, value in enumerate([1.25, 1.75, 1.5])]
    found = saliency_result(rows, [], [], {}).metrics
    assert found["mean"].item() == pytest.approx(1.5)
    assert 1.25 <= found["ci_low"].item() < found["ci_high"].item() <= 1.75


def test_a_result_of_its_own_is_saved_and_loaded(result: SaliencyResult, tmp_path: Path) -> None:
    bare = replace(result, sanity=None)
    bare.save(tmp_path / "saved")
    found = SaliencyResult.load(tmp_path / "saved")
    assert_same(found, result)
    assert found.sanity is None
    (tmp_path / "saved" / "tables" / "saliency_images.csv").write_text("model\n")
    with pytest.raises(DataError, match="is incomplete, or its files have changed"):
        SaliencyResult.load(tmp_path / "saved")


def test_the_sanity_check_costs_a_pass_per_draw_and_part_of_the_first_runs(result: SaliencyResult) -> None:
    subject = Subject(networks(), DIGITS)
    maps, sanity = ANALYSIS.steps(OPTIONS, subject, 1.0)
    assert maps.seconds == 12 * 3 * 2  # a second per image through all three networks
    assert sanity.what == "the sanity check, 18 randomisations"  # of two variants, in three draws of three parts
    assert sanity.seconds == pytest.approx(18 * 2 * 3 * 2 / 3)
    assert len(ANALYSIS.steps(OPTIONS.model_copy(update={"sanity": 0}), subject, 1.0)) == 1


def test_other_names_reach_rows_and_pictures_and_equal_ones_are_numbered(result: SaliencyResult) -> None:
    paths = {name: f"/{'ab'[number]}/x.png" if number < 2 else name for number, name in enumerate(DIGITS.ids)}
    listed = ANALYSIS.renamed(result, paths)
    found = ANALYSIS.renamed(listed, short_names(list(paths.values())))
    names = list(dict.fromkeys(found.images["image"]))
    assert names[:2] == ["x.png (1)", "x.png (2)"]
    assert len(names) == 12
    assert result.sanity is not None
    assert found.sanity is not None
    short = short_names(list(paths.values()))
    assert found.sanity.images == tuple(short[paths[image]] for image in result.sanity.images)
    assert found.pictures[0].image == "x.png (2)"
    assert found.pictures[1].image == Path(DIGITS.ids[7]).name
    pd.testing.assert_frame_equal(found.images.drop(columns="image"), result.images.drop(columns="image"))


def test_the_accuracy_is_that_of_the_explained_images(result: SaliencyResult) -> None:
    found = ANALYSIS.accuracies(result)
    assert list(found) == [("NA", "1"), ("NA", "2"), ("HOGA", "1")]
    for variant in networks():
        right = 0
        for index, label in enumerate(DIGITS.labels):
            geometry = variant.preprocessing or DIGITS.preprocessing
            assert geometry is not None
            with torch.inference_mode():
                logits = variant.model.eval()(geometry.normalize(geometry.geometry(DIGITS.image(index))[None]))
            right += int(logits.argmax()) == label
        accuracy = found[variant.name, variant.run]
        assert (accuracy.images, accuracy.top1, accuracy.top5) == (12, right / 12, None)


def test_variants_are_compared_by_every_metric_of_every_method_and_layer(result: SaliencyResult) -> None:
    statistics, sentences = ANALYSIS.statistics(result)
    metrics = ("precision", "auc", "energy", "effective_area", "pointing", "iou", "offset_x", "offset_y")
    expected = [("grad-cam", "layer2", metric) for metric in metrics] + [("gradient", "", metric) for metric in metrics]
    assert [(each.name.split()[0], each.layer, each.name.split()[1]) for each in statistics] == expected
    assert sentences == ()
    precision = statistics[0].values
    assert {name: values.shape for name, values in precision.items()} == {"NA": (2, 12), "HOGA": (1, 12)}
    table = result.metrics[(result.metrics["metric"] == "precision") & (result.metrics["subset"] == "all")]
    mean = table[(table["model"] == "NA") & (table["method"] == "grad-cam")]["mean"].item()
    assert precision["NA"].mean() == pytest.approx(mean)
    assert {claim.statistic for claim in ANALYSIS.claims} == {statistics[0].name}


def test_the_sections_are_drawn_from_the_report(result: SaliencyResult, tmp_path: Path) -> None:
    sections = ANALYSIS.sections(reopened(result, tmp_path), Sheet(tmp_path, "digits", options=OPTIONS))
    assert [section.name for section in sections] == ["saliency", "sanity"]
    assert str(sections[0].body).count('<article class="card">') == 2
    assert {path.stem for path in (tmp_path / "figures").glob("*.pdf")} == {"saliency", "sanity"}
    assert len(ANALYSIS.sections(replace(result, sanity=None), Sheet(tmp_path, "digits", options=OPTIONS))) == 1


def test_a_line_per_network_and_method(result: SaliencyResult) -> None:
    lines = ANALYSIS.lines(result)
    assert lines.header == ["model", "map", "images", "precision, 95% interval", "auc", "energy"]
    assert len(lines.rows) == 2 * 2 + 2  # of two variants and of chance
    assert lines.rows[0][:3] == ["NA", "grad-cam layer2", "12"]
    metrics = result.metrics[result.metrics["subset"] == "all"]
    first, auc, energy = (metrics.iloc[row] for row in range(3))
    assert [first["metric"], auc["metric"], energy["metric"]] == ["precision", "auc", "energy"]
    assert lines.rows[0][3:] == [
        f"{first['mean']:.4f} [{first['ci_low']:.4f}, {first['ci_high']:.4f}]",
        f"{auc['mean']:.4f}", f"{energy['mean']:.4f}",
    ]  # fmt: skip


def test_the_images_that_the_options_name_are_opened(tmp_path: Path) -> None:
    for index in range(3):
        DIGITS.image(index).save(tmp_path / f"{index}.png")
    source = ANALYSIS.own_images(SaliencyOptions(images=[tmp_path, tmp_path / "1.png"]))
    assert isinstance(source, ListedImages)
    assert source.ids == [str(tmp_path / f"{index}.png") for index in range(3)]  # each once
    assert ANALYSIS.own_images(SaliencyOptions()) is None
    with pytest.raises(DataError, match=r"there is no image no\.png"):
        ANALYSIS.own_images(SaliencyOptions(images=["no.png"]))


def test_500_images_are_the_default_and_all_takes_all() -> None:
    assert SaliencyOptions().limit == 500
    assert SaliencyOptions(limit="all").limit == "all"
    many = ClutteredDigits("test", 503)
    reading = replace(READING, batch_size=None)
    for options, images in (({}, 500), ({"limit": "all"}, 503), ({"limit": 3}, 3)):
        asked = SaliencyOptions(methods=["gradient"], target=0, show=1, **options)
        found = measure_alone(ANALYSIS, networks()[:1], many, asked, reading)
        assert found.images[found.images["model"] == "NA"]["image"].nunique() == found.settings["images"] == images


class Unread(ClutteredDigits):
    """Digits that nobody may look at."""

    def image(self, index: int) -> None:
        pytest.fail("an image was decoded")


class Foreign(Unread):
    """Digits under names that are not the head's."""

    classes = tuple("abcdefghij")


SPEC = ModelSpec("resnet20", num_classes=10)
NAMES = tuple(ClutteredDigits("test", 1).classes)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"methods": ["grad"]}, UnknownNameError, "unknown saliency method 'grad'"),
        ({"layers": ["layer9"]}, UnknownNameError, "SE: .*no layer 'layer9'"),
        ({"boxes": "no.json"}, DataError, "cannot read no.json: no such file"),
        ({"target": 10}, OptionError, "target class 10 is out of range: the network has 10 outputs"),
        ({"target": "cat"}, OptionError, "target is 'predicted', 'label', a class number.*found 'cat'"),
        ({"shown": [3, 12]}, OptionError, "shown names image 12, and there are 12, numbered from 0"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_the_first_image(
    values: dict[str, object], error: type[AutolaError], message: str
) -> None:
    subject = Subject([Variant(Tiny(), "SE", spec=SPEC)], Unread("test", 12))

    def check(options: SaliencyOptions) -> None:
        ANALYSIS.check_source(options, subject.source)
        ANALYSIS.check(options, subject)

    with pytest.raises(error, match=message) as raised:
        check(SaliencyOptions(**values))
    assert "\n" not in str(raised.value)
    check(SaliencyOptions(target=9, shown=[11]))


def test_labels_that_are_known_not_to_be_the_heads_are_refused_before_the_first_image() -> None:
    options = SaliencyOptions(target="label")
    named = Variant(Tiny(), "SE", classes=NAMES)
    with pytest.raises(OptionError, match="target 'label' needs labels that number the outputs of SE"):
        ANALYSIS.check(options, Subject([named], Foreign("test", 4)))
    ANALYSIS.check(options, Subject([named], Unread("test", 4)))
    ANALYSIS.check(options, Subject([Variant(Tiny(), "SE")], Foreign("test", 4)))  # only a forward tells
    ANALYSIS.check(SaliencyOptions(target=9), Subject([Variant(Tiny(), "SE", classes=NAMES)], Foreign("test", 4)))


def test_tensors_without_images_to_show_are_refused() -> None:
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(2, 3, 8, 8), torch.zeros(2)))
    with pytest.raises(DataError, match=r"saliency needs an image source.* found DataLoader"):
        ANALYSIS.check(SaliencyOptions(), Subject([Variant(Tiny())], loader))


class Unmarked(ClutteredDigits):
    """Digits of which nobody says where they are; counts how often each is decoded."""

    def __init__(self) -> None:
        super().__init__("test", 12)
        self.decoded = [0] * 12

    def mask(self, index: int) -> None:
        return None

    def image(self, index: int) -> Image.Image:
        self.decoded[index] += 1
        return super().image(index)


def explained(asked: SaliencyOptions) -> tuple[SaliencyResult, list[int]]:
    data = Unmarked()
    result = measure_alone(ANALYSIS, [Variant(Tiny().eval(), "A")], data, asked, READING)
    found = sorted(data.ids.index(name) for name in set(result.images["image"]))
    assert [number for number, times in enumerate(data.decoded) if times] == found
    return result, found


def test_images_that_are_neither_shown_nor_measured_are_not_explained() -> None:
    asked = SaliencyOptions(methods=["gradient"], target=0, shown=[7, 2])
    result, found = explained(asked)
    assert found == [2, 7]
    assert [picture.image for picture in result.pictures] == [Unmarked().ids[index] for index in (2, 7)]
    assert (result.settings["images"], result.settings["shown"]) == (2, "chosen by hand")
    everything = measure_alone(ANALYSIS, [Variant(Tiny().eval(), "A")], DIGITS, asked, READING)
    assert everything.settings["images"] == 12  # whose masks are measured against
    boxes = {Unmarked().ids[5]: [Box(2, 2, 20, 20)]}
    assert explained(asked.model_copy(update={"boxes": boxes}))[1] == [2, 5, 7]
    assert explained(asked.model_copy(update={"faithfulness": True}))[1] == list(range(12))
    checked, found = explained(asked.model_copy(update={"sanity": 3, "sanity_draws": 1}))
    assert len(found) == 5 - len({2, 7} & set(drawn_by_class(Unmarked(), 3, 0)))
    assert checked.sanity is not None


def test_the_page_speaks_of_no_metric_that_was_not_measured(tmp_path: Path) -> None:
    sections = {}
    for name, data in (("measured", DIGITS), ("not measured", Unmarked())):
        asked = SaliencyOptions(methods=["grad-cam"], layers=["layer2"], target=0, show=2)
        result = measure_alone(ANALYSIS, [Variant(Tiny().eval(), "A")], data, asked, READING)
        (tmp_path / name / "figures").mkdir(parents=True)
        (section,) = ANALYSIS.sections(result, Sheet(tmp_path / name, "digits", options=asked))
        sections[name] = " ".join([*section.reading, *section.limits, section.methods, *section.tables])
    for word in ("chance", "Precision and AUC", "ceiling", "Intervals"):
        assert word in sections["measured"]
        assert word not in sections["not measured"]


def test_networks_with_and_without_relus_stand_side_by_side(tmp_path: Path) -> None:
    smooth = Tiny().eval()
    smooth.layer1[2], smooth.layer2[2] = nn.GELU(), nn.GELU()
    asked = SaliencyOptions(layers=["layer2"], target=0, show=1, sanity=2, sanity_draws=1)
    for networks, made in (((Tiny().eval(), smooth), 2), ((smooth,), 1)):
        variants = [Variant(model, name) for model, name in zip(networks, "AB", strict=False)]
        result = measure_alone(ANALYSIS, variants, DIGITS, asked, READING)
        assert result.settings["methods"] == ["grad-cam", "guided-backprop"][:made]
        assert any("guided-backprop is left out; --method gradient" in warning for warning in result.warnings)
        (tmp_path / str(made) / "figures").mkdir(parents=True)
        section, _ = ANALYSIS.sections(result, Sheet(tmp_path / str(made), "digits", options=asked))
        assert ("known to fail the sanity check" in " ".join(section.limits)) is (made == 2)
