"""Several optimisations at once, each in a process with one thread.

The processes are started as programs of their own rather than through multiprocessing: a fork would copy a process
whose torch threads are running, and spawning would import the user's script a second time, which must be written for
that. They load openTSNE and no torch.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock

from autola_analysis.analyses.embedding.optimise import Problem, Solution
from autola_analysis.core.errors import AutolaError

WORKER = "autola_analysis.analyses.embedding.worker"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def optimise_all(
    problems: Sequence[Problem],
    processes: int,
    progress: Callable[[int], None] | None = None,
    keep: Callable[[Problem, Solution], None] | None = None,
) -> list[Solution]:
    """Optimise several problems in parallel; each solution is the one that `optimise` gives alone.

    After an error or an interrupt no process is left running.

    Args:
        problems: What to embed.
        processes: How many run at once.
        progress: Called with a number of further iterations done, by one thread at a time.
        keep: Called with a problem and its solution when it is finished, by one thread at a time.

    Raises:
        AutolaError: If a process dies, most often for lack of memory.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    for index in range(len(problems)):
        waiting.put(index)
    solutions: dict[int, Solution] = {}
    lock = Lock()

    def report(done: int) -> None:
        if progress is not None:
            with lock:
                progress(done)

    def serve(process: subprocess.Popen[bytes]) -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except Empty:
                return
            solutions[index] = _solve(process, problems[index], report)
            if keep is not None:
                with lock:
                    keep(problems[index], solutions[index])

    count = min(processes, len(problems))
    with ThreadPoolExecutor(count) as pool, _started(count) as workers:
        done, _ = wait([pool.submit(serve, worker) for worker in workers], return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    return [solutions[index] for index in range(len(problems))]


@contextmanager
def _started(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start some workers; none is left when the context ends, however it does."""
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            # -P: a file in the working directory must not take the place of a module.
            command = [sys.executable, "-P", "-m", WORKER]
            # A group of its own: Ctrl-C reaches this process alone, which ends the others without their tracebacks.
            workers.append(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0
                )
            )
        yield workers
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()


def _solve(worker: subprocess.Popen[bytes], problem: Problem, report: Callable[[int], None]) -> Solution:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        pickle.dump(problem, worker.stdin)
        worker.stdin.flush()
        while True:
            kind, value = pickle.load(worker.stdout)
            if kind == "solution":
                return value
            if kind == "error":
                raise RuntimeError(f"an embedding failed in its process:\n{value}")
            report(value)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
        status = worker.wait()
        raise AutolaError(
            f"a process that optimised an embedding ended with status {status}; "
            "is there enough memory for several at once? --processes 1 runs them one after another."
        ) from error
