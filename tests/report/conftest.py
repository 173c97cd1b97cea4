"""A report of all analyses of three small networks."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from autola_analysis.analyses.registry import registrations
from autola_analysis.study.run import StudyReport, run_study
from tests.shared import made_once
from tests.small_networks import write_network
from tests.study.asked import QUIET

IMAGES = 30
RUNS = (("none", "plain", "1"), ("hoga", "HOGA <i>", "1"), ("hoga", "HOGA <i>", "2"))
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "selectivity": {"permutations": 1, "folds": 2},
    "saliency": {"show": 2, "sanity": 2, "sanity_draws": 1},
    "embedding": {"method": "pca"},
}
"""Options of the analyses, where they are not the usual ones."""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All analyses of two variants, one of them with two training runs."""
    files: dict[str, list[str]] = made_once(tmp_path_factory, "networks", _networks)
    return {
        "title": "Study",
        "data": {"digits": {"source": "cluttered-digits", "limit": IMAGES}},
        "models": {name: {"paths": paths} for name, paths in files.items()},
        "analyses": [{"kind": name, **OPTIONS.get(name, {})} for name in registrations()],
    }


def _networks(folder: Path) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for seed, (attention, name, _) in enumerate(RUNS):
        files.setdefault(name, []).append(str(write_network(folder, attention, seed)))
    return files


@pytest.fixture(scope="session")
def written(study: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    """What the study measured and wrote."""
    return made_once(tmp_path_factory, "report", lambda folder: run_study(study, folder / "out", QUIET))


@pytest.fixture(scope="session")
def make_report(written: StudyReport) -> Callable[[Path], Path]:
    """Put the report somewhere, for a test that changes it."""

    def make(out: Path) -> Path:
        shutil.copytree(written.out, out)
        return out

    return make
