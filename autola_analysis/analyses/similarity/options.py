"""What the similarity of features can be asked."""

from __future__ import annotations

from autola_analysis.analyses.options import AnalysisOptions, Limit, Names, Pool, limit_option, option, pool_option


class SimilarityOptions(AnalysisOptions):
    """What decides the numbers beside the networks and the images."""

    limit: Limit = limit_option(2000)
    layers: Names | None = option(None, "Layers. Default: the stages layer1, layer2, ...", metavar="A,B")
    pool: Pool = pool_option()
    minibatch: int = option(
        2000, "Images whose features are compared at once; fewer need less time and memory.", ge=4, le=100_000
    )
