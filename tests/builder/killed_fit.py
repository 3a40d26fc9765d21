"""`python killed_fit.py BASE WORK STEP`: trains the tiny model as test_fit does, and is killed after a step."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fitting import fitted

from lorekeeper.domain import Progress


def main() -> None:
    base, work, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

    def die(progress: Progress) -> None:
        if progress.step == last:
            os.kill(os.getpid(), signal.SIGKILL)

    fitted(base, work, watch=die, dropout=0.1)


if __name__ == "__main__":
    main()
