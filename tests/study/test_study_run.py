"""A whole study: one report of everything, each image once, and nothing twice after a kill."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from autola_analysis.analyses import observation
from autola_analysis.analyses.embedding import analysis as embedding
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.registry import registrations
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError, CheckpointError, DataError, OptionError, UnknownNameError
from autola_analysis.core.files import sha256_of
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings, check_settings
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.statistics.compare import COMPARISON_TABLE
from autola_analysis.study import run as written
from autola_analysis.study.dry_run import steps_of, total
from autola_analysis.study.file import StudyFile
from autola_analysis.study.measure import StudyResults
from autola_analysis.study.plan import Plan, make_plan
from autola_analysis.study.run import StudyReport, opened, run_study

pytestmark = pytest.mark.usefixtures("without_pictures")

QUIET = Reading(Settings(device="cpu", quiet=True), batch_size=16)
IMAGES = 40


@pytest.fixture
def study(checkpoint: Callable[..., Path]) -> dict[str, Any]:
    """Two variants with two runs each, all analyses, little data."""
    return {
        "title": "Small",
        "data": {"digits": {"source": "cluttered-digits", "limit": IMAGES}},
        "models": {
            "plain": {"paths": [str(checkpoint("none", 0)), str(checkpoint("none", 1))]},
            "hoga": {"paths": [str(checkpoint("hoga", 0)), str(checkpoint("hoga", 1))], "name": "HOGA"},
        },
        "analyses": [
            {"kind": "selectivity"},
            {"kind": "embedding", "limit": 20, "method": "pca"},
            {"kind": "saliency", "limit": 6, "show": 2, "methods": ["grad-cam"], "sanity": 2, "sanity_draws": 1},
            {"kind": "gates"},
        ],
    }


def tables(report: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((report / "tables").glob("*.csv"))}


def test_one_report_holds_every_analysis_the_comparison_and_the_claims(study: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "report"
    report = run_study(study, out, QUIET)
    assert set(tables(out)) >= {
        "selectivity.csv", "selectivity_summary.csv", "accuracy.csv", "comparison.csv", "claims.csv",
        "saliency_images.csv", "saliency_metrics.csv", "embedding_quality.csv", "sanity.csv", "gates.csv",
    }  # fmt: skip
    comparison, claims = (pd.read_csv(out / "tables" / f"{name}.csv") for name in ("comparison", "claims"))
    assert comparison.columns.tolist() == COMPARISON_TABLE.names
    assert claims.columns.tolist() == CLAIMS_TABLE.names
    assert set(claims["model"]) == {"HOGA"}
    assert set(claims["against"]) == {"plain"}
    assert set(claims["scope"]) == {"checkpoints"}
    assert set(comparison["analysis"]) == {"selectivity", "saliency", "embedding", "accuracy"}
    quality = pd.read_csv(out / "tables" / "embedding_quality.csv")
    assert set(map(tuple, quality[quality["space"] == "features"][["model", "run"]].to_numpy())) == {
        ("plain", 1), ("plain", 2), ("HOGA", 1), ("HOGA", 2),
    }  # fmt: skip
    assert set(quality[quality["space"] == "plane"]["run"]) == {1}
    assert len(pd.read_csv(out / "tables" / "accuracy.csv")) == 4
    record = json.loads((out / "run.json").read_text())
    assert [each["kind"] for each in record["study"]["analyses"]] == ["selectivity", "embedding", "saliency", "gates"]
    assert record["data"]["digits"]["images"] == IMAGES
    assert all(record["outputs"][f"tables/{name}"] == sha256_of(out / "tables" / name) for name in tables(out))
    assert [each["run"] for each in record["models"]] == ["1", "2", "1", "2"]
    assert report.results.of.keys() == {"selectivity", "embedding", "saliency", "gates"}
    page = (out / "index.html").read_text()
    assert "<h1>Small</h1>" in page
    names = ["claims", "selectivity", "units", "saliency", "sanity", "embedding", "gates", "limits", "provenance"]
    assert re.findall(r'<section id="(\w+)"', page) == names
    assert page.count('<div class="panel">') == 2
    assert "data-thumbnail" in page
    assert "40 images of 10 classes" in page


def test_each_image_is_decoded_once_for_all_networks_and_seen_once_by_each(
    study: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    original = ClutteredDigits.image

    def image(self: ClutteredDigits, index: int) -> Any:
        decoded.append(index)
        return original(self, index)

    seen: dict[str, int] = {}
    run = observation.run

    def counted(jobs: Any, stream: Any, settings: Any) -> Any:
        record = run(jobs, stream, settings)
        for job in jobs:
            seen[job.name] = seen.get(job.name, 0) + record.images
        return record

    study["analyses"] = [table for table in study["analyses"] if table["kind"] != "saliency"]
    monkeypatch.setattr(ClutteredDigits, "image", image)
    monkeypatch.setattr(written, "source_thumbnails", lambda *_: iter(()))  # the page's, of some images
    monkeypatch.setattr(observation, "run", counted)
    report = run_study(study, tmp_path / "report", QUIET)
    assert seen == dict.fromkeys(["plain", "plain (run 2)", "HOGA", "HOGA (run 2)"], IMAGES)
    times = Counter(decoded)
    of_first = times.pop(report.plan.data["digits"].source.indices[0])
    assert len(times) == IMAGES - 1
    assert set(times.values()) == {1}
    assert of_first == 1 + len(seen)  # the size of its input tells what a network costs


def test_a_study_that_died_half_way_goes_on_behind_its_finished_passes(
    study: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(QUIET.settings, QUIET.batch_size, cache=tmp_path / "cache")
    run_study(study, tmp_path / "uninterrupted", QUIET)

    def died(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(embedding, "embed_all", died)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, tmp_path / "report", reading)
    assert not (tmp_path / "report").exists()
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
    monkeypatch.setattr(observation, "run", lambda *arguments: pytest.fail("a finished pass ran again"))
    run_study(study, tmp_path / "report", reading)
    assert tables(tmp_path / "report") == tables(tmp_path / "uninterrupted")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s["models"]["hoga"].update(paths=s["models"]["plain"]["paths"]), OptionError, "the same checkpoint"),
        (lambda s: s["models"]["hoga"].update(paths=["missing.pth"]), CheckpointError, "missing.pth"),
        (
            lambda s: s["models"]["hoga"].update(name="plain"),
            OptionError,
            "models.plain and models.hoga are both called",
        ),
        (
            lambda s: s["analyses"][0].update(layers=["layer4"]),
            UnknownNameError,
            "selectivity: plain: .* no layer 'layer4'",
        ),
        (lambda s: s["analyses"][1].update(layer="layer9"), UnknownNameError, "embedding: plain: .* no layer 'layer9'"),
        (lambda s: s["analyses"][2].update(methods=["grad-kam"]), UnknownNameError, "grad-kam.*nearest"),
        (lambda s: s["analyses"][2].update(boxes="no.json"), DataError, r"cannot read .*no\.json: no such file"),
        (lambda s: s["analyses"][2].update(images=["no.png"]), DataError, r"there is no image .*no\.png"),
        (lambda s: s["data"]["digits"].update(source="folder:nowhere"), AutolaError, "nowhere"),
        (lambda s: s.update(width="wide"), OptionError, "width is"),
        (lambda s: s.update(candidate="nobody"), UnknownNameError, "nobody"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_written(
    study: dict[str, Any],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], object],
    error: type[AutolaError],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(study)
    monkeypatch.setattr(ClutteredDigits, "image", lambda *_: pytest.fail("an image was decoded"))
    with pytest.raises(error, match=message) as raised:
        run_study(study, tmp_path / "report", QUIET)
    assert "\n" not in str(raised.value)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


def test_only_some_kinds_can_be_run(study: dict[str, Any], tmp_path: Path) -> None:
    run_study(study, tmp_path / "report", QUIET, only=["gates"])
    assert set(tables(tmp_path / "report")) == {"accuracy.csv", "gates.csv"}
    with pytest.raises(OptionError, match="--only names 'gatess', which the study does not have; it has selectivity"):
        run_study(study, tmp_path / "other", QUIET, only=["gatess"])


def test_paths_are_relative_to_the_study_file(study: dict[str, Any], tmp_path: Path) -> None:
    names = [Path(path).name for path in study["models"]["hoga"]["paths"]]
    (tmp_path / "s.toml").write_text(
        f'[data.d]\nsource = "cluttered-digits"\nlimit = 20\n[models.hoga]\npaths = {names}\n'
        '[[analyses]]\nkind = "gates"\n'
    )
    report = run_study(tmp_path / "s.toml", tmp_path / "report", QUIET)
    assert [each.variant.run for each in report.plan.models] == ["1", "2"]


def test_models_are_compared_within_their_group(study: dict[str, Any], tmp_path: Path) -> None:
    study["analyses"] = [{"kind": "selectivity", "top_images": 0}]
    study["models"]["plain"]["group"] = "other"
    run_study(study, tmp_path / "report", QUIET)
    assert "claims.csv" not in tables(tmp_path / "report")


def test_a_dry_run_tells_the_steps_and_writes_nothing(study: dict[str, Any], tmp_path: Path) -> None:
    plan = make_plan(*opened(study, None))
    steps = steps_of(plan, QUIET)
    assert steps[0].what.startswith(
        "1 reading of 40 images of cluttered-digits, test split, through 4 networks, for sel"
    )
    assert "grad-cam of 6 images, through 4 networks" in steps[-2].what
    assert steps[-1].what == "the sanity check, 12 randomisations"  # six parts of two variants' first runs, drawn once
    assert total(steps) == sum(step.seconds for step in steps) > 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


def test_networks_without_gates_are_refused_before_the_first_image(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = {
        "data": {"digits": {"source": "cluttered-digits", "limit": IMAGES}},
        "models": {"plain": {"path": str(checkpoint("none"))}},
        "analyses": [{"kind": "gates"}],
    }
    monkeypatch.setattr(ClutteredDigits, "image", lambda *_: pytest.fail("an image was decoded"))
    with pytest.raises(AutolaError, match="none of the networks has attention gates") as raised:
        run_study(study, tmp_path / "report", QUIET)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "report").exists()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Compile nothing for real, which takes minutes; note whether a gradient was taken through what was compiled."""
    through: list[bool] = []
    original = torch.compile

    def quick(model: torch.nn.Module, **options: Any) -> Any:
        run = original(model, backend="eager", **options)

        def counted(inputs: torch.Tensor) -> Any:
            through.append(torch.is_grad_enabled() and not torch.is_inference_mode_enabled())
            return run(inputs)

        return counted

    monkeypatch.setattr(torch, "compile", quick)
    return through


def test_passes_run_compiled_and_gradients_uncompiled_and_the_record_says_so(
    study: dict[str, Any], tmp_path: Path, compiled: list[bool]
) -> None:
    study["models"]["plain"]["paths"].pop()
    study["models"]["hoga"]["paths"].pop()
    study["analyses"][2]["sanity"] = 0
    reading = Reading(Settings(device="cpu", quiet=True, compile=True), batch_size=20)
    run_study(study, tmp_path / "report", reading)
    record = json.loads((tmp_path / "report" / "run.json").read_text())
    (only,) = record["passes"]
    assert [network["compiled"] for network in only["networks"]] == [True, True]
    assert record["settings"]["saliency"]["compiled"] is False
    assert compiled
    assert not any(compiled)


@pytest.mark.parametrize("command", ["compare", "demo"])
def test_the_commands_with_gradients_take_compile(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    seen: list[tuple[Plan, Reading]] = []

    def planned(study: StudyFile, out: Path, reading: Reading, **how: Any) -> StudyReport:
        check_settings(reading.settings)
        plan = make_plan(study, Path(), quiet=True)
        seen.append((plan, reading))
        return StudyReport(plan, StudyResults({}, []), out)

    monkeypatch.setattr(written, "run_study", planned)
    arguments = [command, "--compile", "--device", "cpu", "--quiet", "--out", str(tmp_path / "out")]
    if command == "compare":
        arguments += ["--ckpt", f"a={checkpoint('none')}", "--ckpt", f"b={checkpoint('se')}", "--limit", "12"]
    assert entry._run(arguments, False) == 0
    ((plan, reading),) = seen
    assert reading.settings.compile
    assert "saliency" in [each.name for each in plan.analyses]


def test_compare_records_the_hash_of_the_images_where_that_is_asked_for(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: each for name, each in registrations().items() if name == "evaluate"}
    monkeypatch.setattr("autola_analysis.analyses.registry.registrations", lambda: few)
    files = ["--ckpt", f"a={checkpoint('none')}", "--ckpt", f"b={checkpoint('se')}"]
    for flags, length in (([], None), (["--hash-data"], 64)):
        out = tmp_path / f"out{len(flags)}"
        assert entry._run(["compare", *files, "--limit", "12", "--quiet", "--out", str(out), *flags], False) == 0
        contents = json.loads((out / "run.json").read_text())["data"]["images"]["contents"]
        assert (None if contents is None else len(contents)) == length


def test_warnings_of_networks_whose_names_begin_alike_stay_apart(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """A warning begins with the name of its network and a colon, and so does the name of another network here."""
    files = [str(checkpoint("se", 0)), str(checkpoint("se", 1))]
    study = {
        "data": {"digits": {"source": "cluttered-digits", "limit": 20}},
        "models": {"SE": {"path": files[0]}, "SE: big": {"path": files[1]}},
        "analyses": [{"kind": "selectivity", "folds": 0, "top_images": 0}, {"kind": "gates"}],
    }
    report = run_study(study, tmp_path / "report", QUIET)
    for network, result in zip(("SE", "SE: big"), report.results.of["selectivity"], strict=True):
        named = [warning for warning in result.warnings if ": top-1" in warning]
        assert [warning.startswith(f"{network}: ") for warning in named] == [True]
        others = {"SE", "SE: big"} - {network}
        assert not any(warning.startswith(f"{other}: top-1") for warning in result.warnings for other in others)
    assert len(set(report.warnings)) == len(report.warnings)
    assert {warning.partition(": top-1")[0] for warning in report.warnings if ": top-1" in warning} == {"SE", "SE: big"}
