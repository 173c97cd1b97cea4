"""Accuracy while units of a layer are switched off: one by one, and more and more of them."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="ablation",
    help="Accuracy while units are switched off, one by one and cumulatively: selective first, reversed, at random.",
    example="--ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet",
    options=f"{__name__}.options:AblationOptions",
    analysis=f"{__name__}.analysis:Ablation",
    public={
        "AblationCurves": f"{__name__}.outcome",
        "AblationOptions": f"{__name__}.options",
        "AblationResult": f"{__name__}.result",
        "measure_ablation": f"{__name__}.measure",
        "plot_ablation": f"{__name__}.figure",
    },
)
