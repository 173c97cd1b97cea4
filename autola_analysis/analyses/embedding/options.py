"""What the embedding of features can be asked."""

from __future__ import annotations

from typing import Literal

from autola_analysis.analyses.options import AnalysisOptions, Limit, Names, Pool, limit_option, option, pool_option

Method = Literal["barnes-hut", "fft", "exact", "pca"]
Metric = Literal["euclidean", "cosine"]


class EmbeddingOptions(AnalysisOptions):
    """What decides features, positions and quality beside the networks and the images.

    The seeds of the embeddings of a network are counted up from `seed`; that of the first is the seed of the picture.
    """

    limit: Limit = limit_option(2000)
    limit_objects: Limit = option(
        5000,
        "Annotated objects, or joints, that a network is looked at by, each class in proportion; 'all' takes all.",
        metavar="N|all",
    )
    layer: Names | None = option(None, "Layers. Default: the last stage.", metavar="A[,B]")
    pool: Pool = pool_option()
    method: Method = option("barnes-hut", "How to embed: t-SNE; fft for very large sets, exact on a GPU; pca is none.")
    perplexity: float = option(
        30.0, "Effective number of neighbours; capped at a third of the images.", ge=1, allow_inf_nan=False
    )
    metric: Metric = option("euclidean", "Distance between features.")
    seeds: int = option(1, "Embeddings per network, with seeds from --seed on; the first is drawn.", ge=1, le=1000)
    align: bool = option(False, "Turn, mirror and scale panels to fit the first, for display only.")
    probe: bool = option(
        True, "Leave out the linear probe, which takes long with hundreds of classes.", flag="--no-probe", negated=True
    )
    processes: int | None = option(None, "Embeddings optimised at once. Default: one per core.", ge=1, le=1024)
