"""A process that optimises one problem after another: ``python -m autola_analysis.analyses.embedding.worker``.

It reads pickled problems from its standard input and writes pickled replies to its standard output: ("progress", n),
("solution", solution), ("error", traceback). It ends when its input does, and when nobody reads its replies any more,
so that it never outlives the process that started it by more than a few iterations.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from typing import IO, Any

from autola_analysis.analyses.embedding.optimise import optimise


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the starter decides what ends
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing that a library prints may get between the replies
    try:
        _serve(sys.stdin.buffer, replies)
    except BrokenPipeError:
        os._exit(1)  # nobody reads any more; closing the pipe would only raise again


def _serve(problems: IO[bytes], replies: IO[bytes]) -> None:
    def reply(kind: str, value: Any) -> None:
        pickle.dump((kind, value), replies)
        replies.flush()

    while True:
        try:
            problem = pickle.load(problems)
        except EOFError:
            return
        try:
            solution = optimise(problem, progress=lambda done: reply("progress", done))
        except BrokenPipeError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the process that asked must hear of it
            reply("error", traceback.format_exc())
        else:
            reply("solution", solution)


if __name__ == "__main__":
    main()
