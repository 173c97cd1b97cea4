"""``autola-analyze gates``."""

from __future__ import annotations

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.options import ArchitectureFlags, CheckpointFlags, ImageFlags, MachineFlags, OutputFlags, asked
from autola_analysis.cli.summary import echo_gates


@grouped_options
def gates(
    checkpoints: CheckpointFlags,
    images: ImageFlags,
    architecture: ArchitectureFlags,
    machine: MachineFlags,
    output: OutputFlags,
) -> None:
    """What the gates of attention modules do: level, spread, saturation, variation across classes.

    Example: autola-analyze gates --ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet
    """
    from autola_analysis.study.gates import gates_report
    from autola_analysis.study.request import ReportRequest

    request = ReportRequest(**asked("gates", checkpoints, architecture, images, machine, output))
    report = gates_report(request)
    if not machine.quiet:
        echo_gates(report, request.out)
