"""How similar the features of networks are, beside how similar those of two runs of one variant are."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="similarity",
    help="How similar layers of networks are (linear CKA), beside two training runs of one variant.",
    example="--ckpt none=a0.pth --ckpt none=a1.pth --ckpt HOGA=b0.pth --ckpt HOGA=b1.pth --data cifar10",
    options=f"{__name__}.options:SimilarityOptions",
    analysis=f"{__name__}.analysis:Similarity",
    public={
        "SimilarityOptions": f"{__name__}.options",
        "SimilarityResult": f"{__name__}.result",
        "measure_similarity": f"{__name__}.measure",
        "plot_similarity": f"{__name__}.figure",
    },
)
