"""A whole study: one report of everything, each image once, and nothing twice after a kill."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autola_analysis.analyses import observation
from autola_analysis.analyses.comparison.claims import CLAIM_COLUMNS
from autola_analysis.analyses.comparison.compare import COMPARISON_COLUMNS
from autola_analysis.analyses.observation import Reading
from autola_analysis.core.errors import AutolaError, CheckpointError, OptionError, UnknownNameError
from autola_analysis.core.files import sha256_of
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.study import results as stages
from autola_analysis.study import run as written
from autola_analysis.study.dry_run import steps_of, total
from autola_analysis.study.plan import make_plan
from autola_analysis.study.run import run_study

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
            {"kind": "saliency", "limit": 6, "show": 2, "methods": ["grad-cam"], "sanity": 2},
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
    assert comparison.columns.tolist() == COMPARISON_COLUMNS
    assert claims.columns.tolist() == CLAIM_COLUMNS
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
    assert record["analysis"] == "study"
    assert record["data"]["digits"]["images"] == IMAGES
    assert all(record["outputs"][f"tables/{name}"] == sha256_of(out / "tables" / name) for name in tables(out))
    assert [each["run"] for each in record["models"]] == ["1", "2", "1", "2"]
    assert report.results.saliency is not None
    page = (out / "index.html").read_text()
    assert "<h1>Small</h1>" in page
    names = ["claims", "selectivity", "units", "saliency", "embedding", "gates", "sanity", "limits", "provenance"]
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
    monkeypatch.setattr(written, "write_thumbnails", lambda directory, groups: None)  # the page's, of some images
    monkeypatch.setattr(observation, "run", counted)
    run_study(study, tmp_path / "report", QUIET)
    assert seen == dict.fromkeys(["plain", "plain (run 2)", "HOGA", "HOGA (run 2)"], IMAGES)
    most = max(decoded.count(index) for index in set(decoded))
    # One image more is read a few times for its size alone.
    assert sorted(decoded.count(index) for index in set(decoded))[-2] == 1
    assert most <= 1 + 2 * len(seen) + 2


def test_a_study_that_died_half_way_goes_on_behind_its_finished_passes(
    study: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(QUIET.settings, QUIET.batch_size, cache=tmp_path / "cache")
    run_study(study, tmp_path / "uninterrupted", QUIET)

    def died(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(stages, "embed_all", died)
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
) -> None:
    change(study)
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
    plan = make_plan(*_opened(study))
    steps = steps_of(plan, QUIET)
    assert steps[0].what.startswith(
        "1 reading of 40 images of cluttered-digits, test split, through 4 networks, for sel"
    )
    assert "grad-cam of 6 images, through 4 networks" in steps[-1].what
    assert total(steps) == sum(step.seconds for step in steps) > 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


def _opened(study: dict[str, Any]) -> tuple[Any, Path]:
    from autola_analysis.study.run import opened

    return opened(study, None)
