"""Every comparison in one process, on a CPU or a GPU, in seconds to minutes: `python -m benchmarks --quick`."""
