"""What a study will run: in which order, with which needs, on which images."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autola_analysis.analyses.analysis import Analysis, Observed, Subject
from autola_analysis.analyses.gates.section import gates_caption, gates_methods
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.options import AnalysisOptions
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.section import selectivity_caption, selectivity_methods
from autola_analysis.core.errors import AutolaError, LayerError, OptionError, UnknownNameError
from autola_analysis.core.results import Format, Stored
from autola_analysis.data import ClutteredDigits, limit
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.study import plan as module
from autola_analysis.study.file import AnalysisRequest, DataTable, ModelTable, StudyFile, parse_study
from autola_analysis.study.measure import measure_study
from autola_analysis.study.plan import Plan, make_plan
from tests.study.asked import QUIET

Make = Callable[..., Plan]


class Fake(Analysis[AnalysisOptions, Mapping[str, Stored]]):
    """An analysis that gives back what it was handed of others."""

    def __init__(self, name: str, needs: Sequence[str] = ()) -> None:
        self.name, self.needs, self.format = name, frozenset(needs), Format(name)

    def measure(
        self, options: AnalysisOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> Mapping[str, Stored]:
        return dict(observed.results)

    def store(self, result: Mapping[str, Stored]) -> Stored:
        return Stored()

    def restore(self, stored: Stored) -> Mapping[str, Stored]:
        return {}

    def sections(self, result: Mapping[str, Stored], sheet: Sheet) -> Sequence[Section]:
        return []


@pytest.fixture
def make(checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Make:
    """Plan a study of one network with some analyses, of which fakes take part besides those that exist."""

    def plan(analyses: Sequence[AnalysisRequest], fakes: Sequence[Fake] = (), **study: Any) -> Plan:
        known = {each.name: each for each in fakes}
        original, registered = module.analysis_of, module.registrations()
        monkeypatch.setattr(module, "analysis_of", lambda name: known.get(name) or original(name))
        monkeypatch.setattr(module, "registrations", lambda: {**known, **registered})
        file = StudyFile(
            data=study.pop("data", {"digits": DataTable(source="cluttered-digits", limit=60)}),
            models={"se": ModelTable(path=str(checkpoint("se")))},
            analyses=list(analyses),
        )
        return make_plan(file, Path(), quiet=True, **study)

    return plan


def request(name: str) -> AnalysisRequest:
    return AnalysisRequest(kind=name, options=AnalysisOptions())


def test_an_analysis_runs_behind_those_that_it_needs_and_gets_their_tables_and_arrays(make: Make) -> None:
    fakes = [Fake("a", ["b", "selectivity"]), Fake("b", ["c"]), Fake("c")]
    asked = [request("a"), request("b"), AnalysisRequest.of("selectivity", limit=10), request("c")]
    plan = make(asked, fakes)
    assert [each.name for each in plan.analyses] == ["c", "b", "selectivity", "a"]
    results = measure_study(plan, QUIET).of
    assert list(results) == ["c", "b", "selectivity", "a"]
    assert set(results["a"]) == {"b", "selectivity"}
    assert set(results["a"]["selectivity"].tables) == {"selectivity", "selectivity_summary"}
    assert "class_means" in results["a"]["selectivity"].arrays


def test_what_nobody_needs_keeps_the_order_of_the_page(make: Make) -> None:
    plan = make([request("b"), AnalysisRequest.of("gates"), AnalysisRequest.of("selectivity"), request("a")],
                [Fake("a"), Fake("b")])  # fmt: skip
    assert [each.name for each in plan.analyses] == ["a", "b", "selectivity", "gates"]


@pytest.mark.parametrize(
    ("fakes", "message"),
    [
        ([Fake("a", ["b"])], "a reads the numbers of b, which the study does not have"),
        ([Fake("a", ["c", "b"])], "a reads the numbers of b, c, which the study does not have"),
        ([Fake("a", ["b"]), Fake("b", ["a"])], "a, b need each other's numbers, so that none can be the first"),
    ],
)
def test_needs_that_cannot_be_met_are_one_sentence(make: Make, fakes: Sequence[Fake], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make([request(each.name) for each in fakes], fakes)


OBJECTS = {
    "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
    "categories": [{"id": 1, "name": "person"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 20]}],
}
DIGITS = {"source": "cluttered-digits"}
SCENES = {"source": "objects:objects.json"}


@pytest.mark.parametrize(
    ("data", "of_model", "analysis", "message"),
    [
        (DIGITS, {"path": "b=a.pth"}, {}, "there is no checkpoint file .*b=a.pth, read from hoga=b=a.pth"),
        (DIGITS, {"classes": "no.txt"}, {}, "--classes names .*no.txt, which cannot be read"),
        (DIGITS, {"classes": "list.json"}, {}, "--classes names .*list.json, which is no JSON list of names"),
        (DIGITS, {"genotype": "no.json"}, {}, "no.json"),
        ({**DIGITS, "class_order": "no.txt"}, {}, {}, "--class-order names .*no.txt, which cannot be read"),
        ({**DIGITS, "class_order": "twice.txt"}, {}, {}, "the class order names 'cat' twice"),
        ({"source": "folder:no"}, {}, {}, r"/no\b"),
        ({**SCENES, "images_root": "no"}, {}, {}, "there is no folder .*no, and --images-root names"),
        ({**SCENES, "images_root": "."}, {}, {}, "holds none of the images that .*objects.json lists"),
        (SCENES, {}, {"boxes": "no.json"}, "cannot read .*no.json"),
        (SCENES, {}, {"boxes": "list.json"}, "no list of detections"),
        (SCENES, {}, {"detections": ["YOLO=others.json"]}, "others.json holds detections of other images"),
        (DIGITS, {}, {"kind": "saliency", "boxes": "no.json"}, "cannot read .*no.json"),
        (DIGITS, {}, {"kind": "context", "boxes": "no.json"}, "cannot read .*no.json"),
        (DIGITS, {}, {"kind": "search", "searches": ["no"]}, r"/no\b"),
        ({}, {}, {"kind": "saliency", "images": ["no.png"]}, "no.png"),
    ],
)
def test_files_that_cannot_be_used_are_refused_before_a_checkpoint_is_loaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: dict[str, str],
    of_model: dict[str, str],
    analysis: dict[str, Any],
    message: str,
) -> None:
    (tmp_path / "a.pth").write_bytes(b"")
    (tmp_path / "list.json").write_text('{"1": "cat"}')
    (tmp_path / "twice.txt").write_text("cat\ncat\n")
    (tmp_path / "objects.json").write_text(json.dumps(OBJECTS))
    other = {"image_id": 2, "category_id": 1, "bbox": [0, 0, 20, 20], "score": 0.5}
    (tmp_path / "others.json").write_text(json.dumps([other]))
    monkeypatch.setattr(module, "load_models", lambda *_: pytest.fail("checkpoints are loaded"))
    hoga = {"path": "a.pth", **of_model}
    values = {"data": {"images": data}, "models": {"hoga": hoga}, "analyses": [{"kind": "evaluate", **analysis}]}
    with pytest.raises(AutolaError, match=message):
        make_plan(parse_study(values), tmp_path, quiet=True)


def test_needs_are_met_by_what_only_leaves(make: Make) -> None:
    fakes = [Fake("a", ["b"]), Fake("b")]
    assert [each.name for each in make([request("a"), request("b")], fakes, only=["b"]).analyses] == ["b"]
    with pytest.raises(OptionError, match="a reads the numbers of b"):
        make([request("a"), request("b")], fakes, only=["a"])
    with pytest.raises(OptionError, match="--only names 'c', which the study does not have; it has a, b"):
        make([request("a"), request("b")], fakes, only=["c"])


def test_with_several_data_tables_an_analysis_says_which(make: Make) -> None:
    data = {"digits": DataTable(source="cluttered-digits", limit=20), "more": DataTable(source="cluttered-digits")}
    with pytest.raises(OptionError, match="gates does not say which data; give data = one of digits, more"):
        make([AnalysisRequest.of("gates")], data=data)
    chosen = AnalysisRequest(kind="gates", options=AnalysisRequest.of("gates").options, data="digits")
    plan = make([chosen], data=data)
    assert list(plan.data) == ["digits"]
    assert len(plan.analyses[0].source) == 20


def test_what_a_network_cannot_do_is_said_with_the_name_of_the_analysis(make: Make) -> None:
    with pytest.raises(UnknownNameError, match=r"selectivity: se: .*no layer 'layer9'"):
        make([AnalysisRequest.of("selectivity", layers=["layer9"])])
    with pytest.raises(LayerError, match="selectivity: the list of layers is empty"):
        make([AnalysisRequest.of("selectivity", layers=[])])


def test_options_get_the_seed_of_the_study_unless_they_name_their_own(make: Make) -> None:
    plan = make([AnalysisRequest.of("selectivity", seed=7), AnalysisRequest.of("gates")])
    assert {each.name: each.options.seed for each in plan.analyses} == {"selectivity": 7, "gates": 0}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of all images that are decoded, in order."""
    numbers: list[int] = []
    original = ClutteredDigits.image

    def counted(self: ClutteredDigits, index: int) -> Image.Image:
        numbers.append(index)
        return original(self, index)

    monkeypatch.setattr(ClutteredDigits, "image", counted)
    return numbers


def test_analyses_with_limits_of_their_own_read_the_images_that_any_of_them_looks_at_once(
    make: Make, decoded: list[int]
) -> None:
    asked = [AnalysisRequest.of("selectivity", limit=30, seed=1), AnalysisRequest.of("gates", limit=20, seed=2)]
    plan = make(asked)
    source = plan.data["digits"].source
    samples = [set(each.source.ids) for each in plan.analyses]
    assert [len(each) for each in samples] == [30, 20]
    union = set.union(*samples)
    assert 30 < len(union) < 50
    decoded.clear()
    results = measure_study(plan, QUIET)
    (record,) = results.passes
    assert record.images == len(union)
    names = [f"test/{number:06}" for number in decoded]
    assert union <= set(names) <= union | {source.ids[0]}  # the first tells the size of the images
    assert len(names) - len(union) <= 4
    assert [each.accuracy.images for each in results.networks] == [len(union)]


def test_what_an_analysis_finds_on_its_share_of_a_pass_is_what_it_finds_there_alone(make: Make) -> None:
    plan = make([AnalysisRequest.of("selectivity", limit=30, seed=1), AnalysisRequest.of("gates", limit=20, seed=2)])
    results = measure_study(plan, Reading(QUIET.settings, batch_size=8)).of
    (found,) = results["selectivity"]
    alone = measure_selectivity(
        plan.models[0].variant, limit(plan.data["digits"].source, 30, 1), seed=1, reading=Reading(QUIET.settings, 8)
    )
    np.testing.assert_allclose(found.units["selectivity"], alone.units["selectivity"], rtol=0, atol=1e-6)
    assert found.settings["images_per_class"] == alone.settings["images_per_class"]
    assert found.top_images is not None
    assert alone.top_images is not None
    assert set(found.top_images.ids.values()) <= set(plan.analyses[0].source.ids)
    for words in (selectivity_caption([found], "digits"), selectivity_methods([found])):
        assert "on 30 images of 10 classes" in words
    for words in (gates_caption(results["gates"].networks, "digits"), gates_methods(results["gates"].networks)):
        assert "on 20 images" in words
    np.testing.assert_array_equal(found.top_images.images["layer3"], alone.top_images.images["layer3"])
    assert found.top_images.ids == alone.top_images.ids
