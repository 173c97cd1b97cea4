"""``autola-analyze embed``."""

from __future__ import annotations

from typing import Annotated

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.options import (
    ArchitectureFlags,
    CheckpointFlags,
    ImageFlags,
    MachineFlags,
    OutputFlags,
    asked,
    split_commas,
)
from autola_analysis.cli.summary import echo_embeddings


@grouped_options
def embed(
    checkpoints: CheckpointFlags,
    images: ImageFlags,
    architecture: ArchitectureFlags,
    machine: MachineFlags,
    output: OutputFlags,
    layer: Annotated[
        str | None, typer.Option(metavar="A[,B]", help="Layers, separated by commas. Default: the last stage.")
    ] = None,
    pool: Annotated[str, typer.Option(metavar="mean|flatten", help="What becomes of a layer's maps.")] = "mean",
    method: Annotated[
        str, typer.Option(metavar="barnes-hut|fft|pca", help="How to embed; fft is for very large sets.")
    ] = "barnes-hut",
    perplexity: Annotated[
        float, typer.Option(help="Effective number of neighbours; capped at a third of the images.")
    ] = 30.0,
    metric: Annotated[str, typer.Option(metavar="euclidean|cosine", help="Distance between features.")] = "euclidean",
    seeds: Annotated[
        int, typer.Option(min=1, help="Embeddings per network, with seeds from --seed on; the first is drawn.")
    ] = 1,
    align: Annotated[
        bool, typer.Option("--align", help="Turn, mirror and scale panels to fit the first, for display only.")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Embeddings optimised at once. Default: one per core.")
    ] = None,
) -> None:
    """T-SNE of the features of a layer, with numbers for how well they separate the classes (Figure 2).

    Example: autola-analyze embed --ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet
    """
    from autola_analysis.analyses.embedding.tsne import EmbeddingOptions
    from autola_analysis.study.embedding import EmbeddingRequest, embedding_report

    request = EmbeddingRequest(
        **asked("embed", checkpoints, architecture, images, machine, output),
        layers=split_commas(layer),
        pool=pool,
        options=EmbeddingOptions(method, perplexity, metric, machine.device),
        seeds=seeds,
        first_seed=images.seed,
        processes=processes,
        align=align,
    )
    report = embedding_report(request)
    if not machine.quiet:
        echo_embeddings(report, request.out)
