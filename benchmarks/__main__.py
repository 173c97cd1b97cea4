"""All benchmarks, one after the other, on networks and images that need no download: about an hour."""

from benchmarks import embedding, hoga, processes, saliency, selectivity

if __name__ == "__main__":
    hoga.print_table(runs=5, threads=2)
    selectivity.print_table(runs=5, threads=2)
    saliency.print_table()
    processes.print_table(runs=5)
    embedding.print_table(embedding.made_up(10_000), runs=3, threads=2)
