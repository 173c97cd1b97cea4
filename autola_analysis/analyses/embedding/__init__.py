"""Features of many images, their embedding in the plane, and how good it is.

Nothing heavy is imported here: the processes that optimise embeddings load ``optimise`` alone, without torch.
"""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="embedding",
    command="embed",
    help="Features of a layer in the plane by t-SNE, and how well they separate the classes (Figure 2).",
    example="--ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet",
    options=f"{__name__}.options:EmbeddingOptions",
    analysis=f"{__name__}.analysis:EmbeddingAnalysis",
    public={
        "Embedding": f"{__name__}.result",
        "EmbeddingOptions": f"{__name__}.options",
        "Features": f"{__name__}.features",
        "embed": f"{__name__}.embed",
        "embed_all": f"{__name__}.embed",
        "extract_features": f"{__name__}.extract",
        "plot_embedding": f"{__name__}.figure",
        "plot_knn_accuracy": f"{__name__}.figure",
    },
)
