"""Class selectivity: how far each unit prefers one class.

The `ClassSelectivity` metric is in the module ``metric``: torchmetrics loads pyplot, which nothing else here needs.
"""

from autola_analysis.analyses.selectivity.index import SelectivityIndex, selectivity_index
from autola_analysis.analyses.selectivity.measure import (
    SelectivityOptions,
    measure_selectivities,
    measure_selectivity,
)
from autola_analysis.analyses.selectivity.result import SelectivityResult

__all__ = [
    "SelectivityIndex",
    "SelectivityOptions",
    "SelectivityResult",
    "measure_selectivities",
    "measure_selectivity",
    "selectivity_index",
]
