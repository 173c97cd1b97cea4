"""What the gates of attention modules do: their level, spread, saturation, and variation across classes."""

from autola_analysis.analyses.gates.find import Gate, find_gates
from autola_analysis.analyses.gates.measure import measure_gates, measure_gates_of
from autola_analysis.analyses.gates.result import GateResult

__all__ = ["Gate", "GateResult", "find_gates", "measure_gates", "measure_gates_of"]
