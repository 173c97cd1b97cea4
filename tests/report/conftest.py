"""Small results of every analysis, and a report that holds them all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch

from autola_analysis.analyses.comparison import Comparison, compare
from autola_analysis.analyses.embedding.extract import extract_all
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.embedding.tsne import EmbeddingOptions, embed_all
from autola_analysis.analyses.gates import GateResult, measure_gates_of
from autola_analysis.analyses.observation import Reading, observe
from autola_analysis.analyses.saliency import sanity_check
from autola_analysis.analyses.saliency.measure import SaliencyOptions, measure_saliency
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.analyses.selectivity import SelectivityOptions, SelectivityResult, measure_selectivities
from autola_analysis.analyses.top_images import TopImageAnalysis, TopImages, top_images_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.cost import Cost
from autola_analysis.inference.run import Settings
from autola_analysis.report.accuracy import MeasuredModel, write_accuracy
from autola_analysis.report.claims import write_comparison
from autola_analysis.report.compose import Layout, complete_report
from autola_analysis.report.directory import report_directory
from autola_analysis.report.embedding import write_embeddings
from autola_analysis.report.gates import write_gates
from autola_analysis.report.saliency import write_saliency
from autola_analysis.report.sanity import write_sanity
from autola_analysis.report.selectivity import write_selectivity
from autola_analysis.report.thumbnails import source_thumbnails, write_thumbnails
from autola_analysis.report.units import write_units

IMAGES = 30
READING = Reading(Settings(device="cpu", quiet=True))
SECTIONS = {
    "comparison": {},
    "selectivity": {},
    "units": {},
    "saliency": {"scale": "own"},
    "embedding": {"align": True},
    "gates": {},
    "sanity": {},
}


@dataclass(frozen=True)
class Results:
    """What the analyses found."""

    selectivity: list[SelectivityResult]
    saliency: SaliencyResult
    sanity: pd.DataFrame
    embeddings: list[Embedding]
    gates: list[GateResult]
    tops: list[TopImages]
    comparison: Comparison


def networks() -> list[Variant]:
    runs = [("none", "None", "1"), ("hoga", "HOGA <i>", "1"), ("hoga", "HOGA <i>", "2")]
    variants = []
    for seed, (attention, name, run) in enumerate(runs):
        torch.manual_seed(seed)
        variants.append(Variant(create_model("resnet20", attention, 10, width=8), name, run))
    return variants


@pytest.fixture(scope="session")
def results() -> Results:
    source, variants = ClutteredDigits("test", IMAGES), networks()
    sanity = sanity_check(
        variants[0], torch.stack([torch.zeros(3, 32, 32), torch.rand(3, 32, 32)]), ("grad-cam",), target=1
    )
    features, _ = extract_all(variants, source, None, "mean", READING)
    selectivity, _ = measure_selectivities(variants, source, None, SelectivityOptions(1, 2), READING)
    saliency = measure_saliency(variants, source, SaliencyOptions(shown=(3, 5)), READING)
    embeddings = embed_all(features, EmbeddingOptions("pca", device="cpu"), range(2), quiet=True)
    return Results(
        selectivity,
        saliency,
        sanity.table.assign(run="1"),
        embeddings,
        measure_gates_of(variants[1:], source, READING)[0],
        [top_images_result(each) for each in observe(variants, source, TopImageAnalysis(), READING)],
        compare(variants[1].name, selectivity, saliency, embeddings),
    )


@pytest.fixture(scope="session")
def measured(results: Results) -> list[MeasuredModel]:
    return [MeasuredModel(each.model, each.run, each.accuracy, Cost(10, 20)) for each in results.selectivity]


def write_all(directory: Path, results: Results, measured: list[MeasuredModel]) -> None:
    """Write tables and arrays of everything."""
    write_selectivity(directory, results.selectivity)
    write_saliency(directory, results.saliency)
    write_sanity(directory, results.sanity)
    write_embeddings(directory, results.embeddings)
    write_gates(directory, results.gates)
    write_comparison(directory, results.comparison.table, results.comparison.claims)
    source = ClutteredDigits("test", IMAGES)
    write_units(directory, results.tops, source.ids)
    groups = {name: source_thumbnails(source, range(IMAGES)) for name in ("units", "embedding")}
    write_thumbnails(directory, groups)
    write_accuracy(directory, measured)


@pytest.fixture(scope="session")
def make_report(results: Results, measured: list[MeasuredModel]) -> Callable[[Path], Path]:
    """Write a report of everything."""

    def make(out: Path) -> Path:
        with report_directory(out) as directory:
            write_all(directory, results, measured)
            layout = Layout("Study", "cluttered-digits, test split", "neurips", SECTIONS)
            complete_report(directory, layout, {"analysis": "study"}, ["a warning"])
        return out

    return make
