"""The examples of docs/extending.md, as files."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "extending.md"
BLOCK = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, str]:
    """Return the examples by the names of their files."""
    return dict(BLOCK.findall(GUIDE.read_text(encoding="utf-8")))


def installed_package(folder: Path, module: str) -> Path:
    """Write an example as an installed package offers it, entry points included; return the folder to import from."""
    entries = re.findall(
        r'^\[project\.entry-points\."([\w.]+)"\]\n((?:\w+ = "[^"]+"\n)+)', examples()["pyproject.toml"], re.M
    )
    (folder / f"{module}.py").write_text(examples()[f"{module}.py"], encoding="utf-8")
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"[{group}]\n" + values.replace('"', "") for group, values in entries]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder
