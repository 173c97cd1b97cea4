"""``autola-analyze`` and ``python -m autola_analysis``."""

from __future__ import annotations

from typing import NoReturn

from autola_analysis.core.interrupts import end_quietly


def main() -> NoReturn:
    """Run the command line, see `autola_analysis.cli.main`."""
    end_quietly()
    from autola_analysis.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
