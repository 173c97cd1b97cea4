"""Variables of a launcher: the wrong ones end in a sentence at once, and the store is closed to the network."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from autola_analysis.core.errors import OptionError
from autola_analysis.inference.launching import Launch
from tests.processes import ROOT

RIGHT = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
FAR = {**RIGHT, "MASTER_ADDR": "192.0.2.1"}  # an address for documentation, which belongs to nobody
WRONG = {
    "RANK": ("7", "-1", "one", "", "1.0", "٣", "9" * 5000),
    "WORLD_SIZE": ("0", "abc", "2 ", "1e3", "99999999"),
    "MASTER_PORT": ("0", "99999", "http", "-1"),
    "LOCAL_RANK": ("x", "-1"),
    "LOCAL_WORLD_SIZE": ("0", "3", "two"),
    "MASTER_ADDR": ("no.such.host.invalid", "", "a" * 300, "a\0b", "ü" * 70),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    alone = {"LOCAL_WORLD_SIZE": "2"} if name == "MASTER_ADDR" else {}
    with pytest.raises(OptionError, match=rf"^{name} (is|of) .*(torchrun|number)"):
        Launch.read({**RIGHT, **alone, name: value})


def test_several_machines_need_a_secret() -> None:
    with pytest.raises(OptionError, match=r"give all of them one secret .* in AUTOLA_SECRET"):
        Launch.read(FAR)
    with pytest.raises(OptionError, match="AUTOLA_SECRET"):
        Launch.read({**RIGHT, "LOCAL_WORLD_SIZE": "1", "AUTOLA_SECRET": "short"})
    assert Launch.read({**FAR, "AUTOLA_SECRET": "0123456789abcdef"}).secret == b"0123456789abcdef"
    assert Launch.read({**FAR, "LOCAL_WORLD_SIZE": "2"}).alone


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_the_store_of_one_machine_listens_to_this_machine_only(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    right = {**RIGHT, "MASTER_ADDR": address, "MASTER_PORT": str(port)}
    stores = []
    threads = [
        Thread(target=lambda rank=rank: stores.append(Launch.read({**right, "RANK": rank}).meet())) for rank in "01"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(stores) == 2
    stores[0].set("key", "value")
    assert stores[1].get("key") == b"value"
    tables = [Path(f"/proc/net/{name}").read_text().splitlines() for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table[1:]]
    addresses = [local for _, local, _, state, *_ in rows if local.endswith(f":{port:04X}") and state == "0A"]
    assert addresses == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"RANK": "7"}, "RANK is '7'"),
        ({"MASTER_ADDR": "no.such.host.invalid", "LOCAL_WORLD_SIZE": "2"}, "no machine of that name"),
    ],
)
def test_a_command_with_wrong_variables_ends_soon(variables: dict[str, str], sentence: str, tmp_path: Path) -> None:
    start = time.monotonic()
    command = [sys.executable, "-m", "autola_analysis", "demo", "--out", str(tmp_path / "out")]
    environment = {**os.environ, **RIGHT, **variables}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stdout) == (2, "")
    assert sentence in process.stderr
    assert process.stderr.count("\n") == 1
    assert time.monotonic() - start < 30
