"""How well networks do: accuracy and calibration of classifiers, average precision of detectors and of joints."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="evaluate",
    help="How well the networks do: accuracy or average precision, per class, with intervals, and confusions.",
    example="--ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet",
    options=f"{__name__}.options:EvaluationOptions",
    analysis=f"{__name__}.analysis:Evaluate",
    public={
        "DetectionNumbers": f"{__name__}.detection.numbers",
        "DetectionResult": f"{__name__}.detection.result",
        "EvaluationOptions": f"{__name__}.options",
        "EvaluationResult": f"{__name__}.result",
        "Found": f"{__name__}.detection.found",
        "KeypointNumbers": f"{__name__}.keypoints.numbers",
        "KeypointResult": f"{__name__}.keypoints.result",
        "People": f"{__name__}.keypoints.people",
        "Predictions": f"{__name__}.predictions",
        "evaluate": f"{__name__}.measure",
        "plot_average_precision": f"{__name__}.detection.figure",
        "plot_class_accuracy": f"{__name__}.figure",
        "plot_class_precision": f"{__name__}.detection.figure",
        "plot_confusion": f"{__name__}.figure",
        "plot_joints": f"{__name__}.keypoints.figure",
        "plot_keypoint_precision": f"{__name__}.keypoints.figure",
        "plot_precision_recall": f"{__name__}.detection.figure",
    },
)
