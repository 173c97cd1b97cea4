"""Saliency: what in an image a network uses, as maps, and how good the maps are."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="saliency",
    help="Where in an image the networks look: Grad-CAM and guided backpropagation, with numbers (Figure 3).",
    example="--ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --normalize imagenet --images dog.jpg --images cat.jpg",
    options=f"{__name__}.options:SaliencyOptions",
    analysis=f"{__name__}.analysis:Saliency",
    public={
        "CellAxis": f"{__name__}.cells",
        "CellGrid": f"{__name__}.cells",
        "ComparedMaps": f"{__name__}.sanity.result",
        "Explanation": f"{__name__}.explanation",
        "JointExplanation": f"{__name__}.explain_joints",
        "JointSaliencyResult": f"{__name__}.joints.result",
        "ObjectExplanation": f"{__name__}.explain_objects",
        "ObjectSaliencyResult": f"{__name__}.objects.result",
        "Panel": f"{__name__}.result",
        "Picture": f"{__name__}.result",
        "SaliencyOptions": f"{__name__}.options",
        "SaliencyResult": f"{__name__}.result",
        "SanityResult": f"{__name__}.sanity.result",
        "explain": f"{__name__}.explain",
        "explain_joints": f"{__name__}.explain_joints",
        "explain_objects": f"{__name__}.explain_objects",
        "joint_matrix": f"{__name__}.explain_joints",
        "joint_radii": f"{__name__}.explain_joints",
        "joint_shares": f"{__name__}.explain_joints",
        "measure_saliency": f"{__name__}.measure",
        "plot_joint_matrix": f"{__name__}.joints.figure",
        "plot_objects": f"{__name__}.object_figure",
        "plot_saliency": f"{__name__}.figure",
        "plot_sanity": f"{__name__}.sanity.figure",
        "sanity_check": f"{__name__}.sanity.check",
    },
    lists={"methods": f"{__name__}.methods:list_methods"},
)
