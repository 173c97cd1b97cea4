"""All benchmarks, one after the other."""

from benchmarks import selectivity

if __name__ == "__main__":
    selectivity.print_table(runs=5, threads=2)
