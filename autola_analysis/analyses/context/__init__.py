"""Whether networks use an object's surroundings: accuracy when these are exchanged, blurred, or left as they are."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="context",
    help="Whether the networks use what surrounds an object: accuracy on other backgrounds, and without any.",
    example="--ckpt none=a.pth --ckpt HOGA=b.pth --data cluttered-digits",
    options=f"{__name__}.options:ContextOptions",
    analysis=f"{__name__}.analysis:Context",
    by_default=False,  # most data say nothing of where objects are
    public={
        "AlteredPicture": f"{__name__}.result",
        "ContextOptions": f"{__name__}.options",
        "ContextResult": f"{__name__}.result",
        "measure_context": f"{__name__}.measure",
        "plot_altered_images": f"{__name__}.figure",
        "plot_context": f"{__name__}.figure",
    },
)
