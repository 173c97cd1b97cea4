"""What the gates of attention modules do: their level, spread, saturation, and variation across classes."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="gates",
    help="What the gates of attention modules do: level, spread, saturation, variation across classes.",
    example="--ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet",
    options=f"{__name__}.options:GateOptions",
    analysis=f"{__name__}.analysis:Gates",
    public={
        "GateOptions": f"{__name__}.options",
        "GateResult": f"{__name__}.result",
        "measure_gates": f"{__name__}.measure",
        "plot_gates": f"{__name__}.figure",
    },
)
