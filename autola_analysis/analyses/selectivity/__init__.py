"""Class selectivity: how far each unit prefers one class, and the images that drive it."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="selectivity",
    help="Class selectivity of every unit, per layer and variant (Figure 1 of the supplement).",
    example="--ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet",
    options=f"{__name__}.options:SelectivityOptions",
    analysis=f"{__name__}.analysis:Selectivity",
    public={
        "ClassSelectivity": f"{__name__}.metric",
        "SelectivityIndex": "autola_analysis.analyses.selectivity_index",
        "SelectivityOptions": f"{__name__}.options",
        "SelectivityResult": f"{__name__}.result",
        "TopImages": f"{__name__}.top_images",
        "measure_selectivity": f"{__name__}.measure",
        "plot_selectivity": f"{__name__}.figure",
    },
)
