"""How well networks classify: accuracy, calibration, accuracy per class, and what they confuse."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="evaluate",
    help="How well the networks classify: accuracy and calibration, per class, with intervals, and confusions.",
    example="--ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet",
    options=f"{__name__}.options:EvaluationOptions",
    analysis=f"{__name__}.analysis:Evaluate",
    public={
        "EvaluationOptions": f"{__name__}.options",
        "EvaluationResult": f"{__name__}.result",
        "Predictions": f"{__name__}.predictions",
        "evaluate": f"{__name__}.measure",
        "plot_class_accuracy": f"{__name__}.figure",
        "plot_confusion": f"{__name__}.figure",
    },
)
