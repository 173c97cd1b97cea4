"""An executable that stands in for Python in scripts, whose programs are forked as those of `tests.processes` are."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Thread

from tests.processes import context, run_python

CLIENT = """#!{python} -SE
import json, os, signal, socket, sys

if sys.argv[1] not in ("-m", "-c"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
answers = server.makefile()
asked = [sys.argv[1:], os.getcwd(), dict(os.environ), os.getpid()]
server.sendall(json.dumps(asked).encode() + b"\\n")
program = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(program, number))
status = int(answers.readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
"""What a script calls: it asks for a program, passes signals on to it and ends as it ends."""


@contextmanager
def forked_python(folder: Path) -> Iterator[Path]:
    """Write the executable into a folder, and serve it; programs that are under way in the end are killed."""
    path, address = folder / "forked-python", str(folder / "forked-python.socket")
    path.write_text(CLIENT.format(python=sys.executable, address=address))
    path.chmod(0o755)
    programs: list[ForkServerProcess] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        Thread(target=_serve, args=(server, path, programs), daemon=True).start()
        try:
            yield path
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            for program in programs:
                program.kill()
                program.join()


def _serve(server: socket.socket, path: Path, programs: list[ForkServerProcess]) -> None:
    with suppress(OSError):  # raised when the server is closed
        while True:
            Thread(target=_answer, args=(server.accept()[0], path, programs), daemon=True).start()


def _answer(client: socket.socket, path: Path, programs: list[ForkServerProcess]) -> None:
    with client, client.makefile() as asked:
        arguments, folder, environment, number = json.loads(asked.readline())
        streams = [f"/proc/{number}/fd/{stream}" for stream in (1, 2)]
        program = context.Process(target=_program, args=(path, arguments, folder, environment, *streams))
        program.start()
        programs.append(program)
        client.sendall(f"{program.pid}\n".encode())
        wait([program.sentinel, client])
        if program.exitcode is None:  # the client was killed
            program.kill()
        program.join()
        with suppress(OSError):
            client.sendall(f"{program.exitcode}\n".encode())


def _program(path: Path, arguments: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    sys.executable = str(path)
    run_python(arguments, folder, {}, environment, out, err)
