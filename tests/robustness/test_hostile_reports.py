"""Reports that somebody has changed are drawn, or refused by one sentence within seconds, and stay as they are."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.files import sha256_of
from autola_analysis.data import Preprocessing
from autola_analysis.study.redraw import redraw
from autola_analysis.study.run import run_study
from tests.study.asked import QUIET

from .conftest import EVERYTHING
from .hostile_reports import cases
from .limits import memory_growth

GIGABYTE = 2**30
EVERY = 1 if EVERYTHING else 25
ANALYSES: tuple[dict[str, Any], ...] = (
    {"kind": "evaluate"},
    {"kind": "gates"},
    {"kind": "selectivity", "permutations": 1, "folds": 2},
    {"kind": "embedding", "method": "pca"},
)


def hashes(report: Path) -> dict[Path, str]:
    return {path: sha256_of(path) for path in report.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of four analyses of two networks."""
    folder = tmp_path_factory.mktemp("report")
    models = {}
    for attention in ("none", "se"):
        spec = ModelSpec("resnet20", attention, 10, {"width": 4})
        model = spec.build()
        path = save_model(folder / f"{attention}.safetensors", model, spec, preprocessing=Preprocessing())
        models[attention] = {"paths": [str(path)]}
    study = {
        "title": "Study",
        "data": {"digits": {"source": "cluttered-digits", "limit": 20}},
        "models": models,
        "analyses": list(ANALYSES),
    }
    return run_study(study, folder / "whole", QUIET).out


@pytest.mark.timeout(3600 if EVERYTHING else 300)
def test_a_changed_report_is_drawn_or_refused_in_one_sentence(whole: Path, tmp_path: Path) -> None:
    tables = sorted(path.stem for path in (whole / "tables").glob("*.csv"))
    arrays = sorted(path.stem for path in (whole / "arrays").glob("*.npz"))
    assert len(tables) > 5
    assert len(arrays) > 3
    changes = cases(tables, arrays)
    assert len(changes) > 150
    refused = 0
    for number, (name, change) in enumerate(changes.items()):
        if number % EVERY:
            continue
        report = Path(shutil.copytree(whole, tmp_path / "out"))
        change(report)
        before = hashes(report)
        sentence = ""
        with memory_growth() as growth:
            try:
                redraw(report, quiet=True)
            except AutolaError as error:
                sentence = str(error)
        assert growth.bytes < GIGABYTE, name
        assert "\n" not in sentence, name
        if sentence:
            refused += 1
            assert hashes(report) == before, name
        shutil.rmtree(report)
    assert refused > len(changes) // EVERY // 2
