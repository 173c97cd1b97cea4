"""All benchmarks, one after the other."""

from benchmarks import hoga, saliency, selectivity

if __name__ == "__main__":
    hoga.print_table(runs=5, threads=2)
    selectivity.print_table(runs=5, threads=2)
    saliency.print_table()
