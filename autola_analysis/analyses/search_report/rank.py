"""Ranking the wirings of trained networks by what searches have left, beside their accuracy when trained alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from autola_analysis.analyses.observation import Observation
from autola_analysis.analyses.search_report.observer import NothingObserver
from autola_analysis.analyses.search_report.options import SearchReportOptions
from autola_analysis.attention.genotype import Genotype
from autola_analysis.checkpoints import load_model
from autola_analysis.core.columns import INTERVAL, MODEL, count, number, text
from autola_analysis.core.tables import Table
from autola_analysis.data.open import open_source
from autola_analysis.search.one_shot import one_shot_accuracies
from autola_analysis.search.ranking import kendall, kendall_interval, tau_ceiling
from autola_analysis.search.result import SUPERNET_FILE, SearchResult

RANKING = Table(
    "search_ranking",
    (
        text("search", "name of its folder"),
        *MODEL,
        text("wiring", "pairs of operation and source, as JSON"),
        number("one_shot", "accuracy on the architecture's half with weights that the search has left, a share"),
        number("stand_alone", "top-1 accuracy of the trained network on the images of the report, a share"),
    ),
    optional=True,
)
SUMMARY = Table(
    "search_ranking_summary",
    (
        text("search", "name of its folder"),
        count("wirings"),
        count("networks"),
        number("tau", "Kendall's tau-b over wirings; several trainings of one count by their mean"),
        *INTERVAL,
        number("ceiling", "largest tau that the noise of training allows; missing where no wiring was trained twice"),
    ),
    latex=True,
    optional=True,
)


Wired = tuple[str, str, Genotype, float]
"""Variant, run, wiring and accuracy of a network."""


def wired_networks(observations: Sequence[Observation[NothingObserver]]) -> list[Wired]:
    """Return the networks that have a wiring and an accuracy."""
    found = []
    for each in observations:
        wiring = None if each.variant.spec is None else each.variant.spec.wiring
        if wiring is not None and each.accuracy.top1 is not None:
            found.append((each.variant.name, each.variant.run, wiring.canonical(), each.accuracy.top1))
    return found


def accuracy_rows(searches: Sequence[str], networks: Sequence[Wired]) -> pd.DataFrame:
    """Return a row per search and network, columns of `RANKING`, whose one-shot accuracy is still missing."""
    return RANKING.frame(
        [
            [search, model, run, json.dumps(wiring.to_pairs()), math.nan, accuracy]
            for search in searches
            for model, run, wiring, accuracy in networks
        ]
    )


def ranked(
    ranking: pd.DataFrame, options: SearchReportOptions, searches: Mapping[str, SearchResult], device: torch.device
) -> pd.DataFrame:
    """Return rows of `RANKING` with their one-shot accuracy.

    Args:
        ranking: The rows.
        options: Folders of the searches, their data, and how many images are read.
        searches: By name, in the order of the folders.
        device: Where networks run.

    Raises:
        AutolaError: If a folder has no super-network, or the data are not those of the search.
    """
    if not len(ranking):
        return ranking
    wirings = list(dict.fromkeys(ranking["wiring"]))
    genotypes = [Genotype.from_pairs(json.loads(wiring)) for wiring in wirings]
    found: dict[tuple[str, str], float] = {}
    for folder, (name, search) in zip(options.searches, searches.items(), strict=True):
        supernet = load_model(folder / SUPERNET_FILE, device="cpu")
        train = open_source(options.searched or str(search.settings["data"]), split="train")
        seed = int(search.settings["seed"])
        accuracies = one_shot_accuracies(supernet, train, seed, genotypes, options.one_shot_images, device)
        found.update(((name, wiring), accuracy) for wiring, accuracy in zip(wirings, accuracies, strict=True))
    one_shot = [found[pair] for pair in zip(ranking["search"], ranking["wiring"], strict=True)]
    return ranking.assign(one_shot=one_shot)


def ranking_summary(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return a row per search, columns of `SUMMARY`, made of the rows of `RANKING`."""
    rows = []
    for search, networks in ranking.groupby("search", sort=False):
        by_wiring = networks.groupby("wiring", sort=False)
        one_shot = by_wiring["one_shot"].first().to_numpy(np.float64)
        alone = by_wiring["stand_alone"].mean().to_numpy(np.float64)
        trainings = [group.to_list() for _, group in by_wiring["stand_alone"]]
        interval = kendall_interval(one_shot, alone)
        tau = kendall(one_shot, alone)
        rows.append([search, len(alone), len(networks), tau, *interval, tau_ceiling(trainings)])
    return SUMMARY.frame(rows)
