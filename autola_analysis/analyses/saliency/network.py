"""One network of a measurement: it takes batches, and a cache keeps what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from autola_analysis.analyses.pass_cache import PassEntry, found_by_all
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.analyses.saliency.common_targets import CommonTargets
from autola_analysis.analyses.saliency.explain import explained
from autola_analysis.analyses.saliency.findings import Explained, Findings
from autola_analysis.analyses.saliency.inputs import standardised
from autola_analysis.analyses.saliency.items.together import ANALYSIS
from autola_analysis.analyses.saliency.options import Grid
from autola_analysis.analyses.saliency.plan import Plan
from autola_analysis.analyses.saliency.question import Masks, Question
from autola_analysis.analyses.saliency.rows import ExplainedBatch, chance_rows
from autola_analysis.analyses.variants import Variant, placed
from autola_analysis.core.distributed import current
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.trunk import WORTH, Trunk, faster_trunk


@dataclass(frozen=True)
class Network:
    """A network that is explained.

    Attributes:
        variant: The network, with the preprocessing of its images.
        first: Whether it decides the targets and stands beside the maps that know nothing.
        question: What it is asked.
        targets: What all networks explain.
        entry: Where a cache keeps what it gave; None without a cache.
        findings: What it gave.
        grids: Where the cells of its layers lie in images of a size, as far as that was probed.
        trunk: What runs where gradients are taken at layers; None is the network itself.
    """

    variant: Variant
    first: bool
    question: Question
    targets: CommonTargets
    entry: PassEntry | None
    findings: Findings = field(default_factory=Findings)
    grids: dict[tuple[int, ...], Mapping[str, CellGrid]] = field(default_factory=dict)
    trunk: Trunk | None = None

    @cached_property
    def plan(self) -> Plan:
        """What to take from each forward."""
        options = self.question.options
        return Plan.of(self.variant, options.methods, options.layers, options.guide_gates, None, {})

    def on(self, device: torch.device) -> Network:
        """Return the network on a device: a copy where it is elsewhere."""
        return replace(self, variant=placed(self.variant, device))

    def prepared(self, probe: Tensor | None, fold: bool) -> Network:
        """Return the network with what is to run, the same in all processes.

        Args:
            probe: A few images; None where this measurement has none.
            fold: Whether a faster copy may run.

        Raises:
            DataError: If the network cannot run on such images.
        """
        network = self.variant.model
        if not self.plan.begins_at_layers:
            return replace(self, trunk=Trunk(network, reason="a method explains the image itself"))
        if probe is None or not fold or len(self.question.data) < WORTH:
            return replace(self, trunk=Trunk(network, reason="it was not asked for" if not fold else "few images"))
        with forward_of(self.variant.title, probe.shape[1:]):
            trunk = faster_trunk(network, self.plan.layers, standardised(self.variant, probe))
        if not current().all_true(trunk.model is not network) and not trunk.reason:
            trunk = Trunk(network, reason="in another process its faster copy puts out something else")
        return replace(self, trunk=trunk)

    def take(self, batch: Batch, masks: Masks) -> None:
        """Explain the images of one batch, of which the first network decides the targets.

        Raises:
            DataError: If the network cannot run on such images.
        """
        with forward_of(self.variant.title, batch.images.shape[1:]):
            self._take(batch, masks)

    def _take(self, batch: Batch, masks: Masks) -> None:
        options, findings, gave = self.question.options, self.findings, Explained()
        indices = batch.indices.numpy()
        if self.first:
            self.targets.decide(self.variant, batch)
        size = tuple(batch.images.shape[2:])
        grid: Grid | Mapping[str, CellGrid] = self.grids.get(size, options.grid)
        explanation = explained(
            self.variant,
            self.plan,
            batch.images,
            self.targets.classes[indices],
            grid=grid,
            batch_size=len(indices),
            trunk=self.trunk,
        )
        if options.grid == "receptive-field":
            self.grids[size] = explanation.grids
        if self.first:
            self.targets.check(self.variant, explanation.logits.shape[1])
            findings.targets_are = str(self.targets.rule)
            gave.targets.extend((int(index), int(self.targets.classes[index])) for index in indices)
            gave.chance.extend(chance_rows(self.question.data, batch, masks))
        findings.about = findings.about or explanation.settings
        seen = ExplainedBatch(self.question, self.variant, batch, masks, explanation)
        gave.rows.extend(seen.rows())
        gave.panels.extend(seen.panels())
        findings.batches.append((int(indices[0]), gave))

    def restore(self) -> bool:
        """Take what the cache holds; returns whether it holds everything."""
        if not found_by_all(self.entry) or self.entry is None:
            return False
        self.findings.restore(self.entry.path / ANALYSIS)
        return True

    def keep(self, device: str) -> None:
        """Write what the network gave into the cache, where there is one."""
        if self.entry is not None and self.entry.may_write():
            with self.entry.writing([ANALYSIS]) as folder, self.entry.explained():
                self.findings.save(folder / ANALYSIS)
                self.entry.complete(folder, {"device": device})

    def share_targets(self) -> None:
        """Let all processes know the targets, where this network has decided them."""
        if self.first:
            self.targets.share(self.findings.targets(len(self.question.data)))
