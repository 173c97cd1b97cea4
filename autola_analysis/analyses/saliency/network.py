"""One network of a measurement: it takes batches, and a cache keeps what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from autola_analysis.analyses.pass_cache import PassEntry, found_by_all
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.analyses.saliency.common_targets import CommonTargets
from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.findings import Explained, Findings
from autola_analysis.analyses.saliency.options import Grid
from autola_analysis.analyses.saliency.question import Masks, Question
from autola_analysis.analyses.saliency.rows import ExplainedBatch, chance_rows
from autola_analysis.analyses.variants import Variant, placed
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.stream import Batch

ANALYSIS = "saliency"


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
    """

    variant: Variant
    first: bool
    question: Question
    targets: CommonTargets
    entry: PassEntry | None
    findings: Findings = field(default_factory=Findings)
    grids: dict[tuple[int, ...], Mapping[str, CellGrid]] = field(default_factory=dict)

    def on(self, device: torch.device) -> Network:
        """Return the network on a device: a copy where it is elsewhere."""
        return replace(self, variant=placed(self.variant, device))

    def take(self, batch: Batch, masks: Masks) -> None:
        """Explain the images of one batch, of which the first network decides the targets.

        Raises:
            DataError: If the network cannot run on such images.
        """
        with forward_of(self.variant.title, batch.images.shape[1:]):
            self._take(batch, masks)

    def _take(self, batch: Batch, masks: Masks) -> None:
        options, findings, explained = self.question.options, self.findings, Explained()
        indices = batch.indices.numpy()
        if self.first:
            self.targets.decide(self.variant, batch)
        size = tuple(batch.images.shape[2:])
        grid: Grid | Mapping[str, CellGrid] = self.grids.get(size, options.grid)
        explanation = explain(
            self.variant,
            batch.images,
            options.methods,
            options.layers,
            self.targets.classes[indices],
            grid=grid,
            guide_gates=options.guide_gates,
            batch_size=len(indices),
        )
        if options.grid == "receptive-field":
            self.grids[size] = explanation.grids
        if self.first:
            self.targets.check(self.variant, explanation.logits.shape[1])
            findings.targets_are = str(self.targets.rule)
            explained.targets.extend((int(index), int(self.targets.classes[index])) for index in indices)
            explained.chance.extend(chance_rows(self.question.data, batch, masks))
        findings.about = findings.about or explanation.settings
        seen = ExplainedBatch(self.question, self.variant, batch, masks, explanation)
        explained.rows.extend(seen.rows())
        explained.panels.extend(seen.panels())
        findings.batches.append((int(indices[0]), explained))

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
