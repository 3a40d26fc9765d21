"""`python -m bench`: which measurements there are, and how each is called."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path


def main() -> None:
    """List every benchmark with the first line of what it says of itself."""
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        about = (import_module(f"bench.{path.stem}").__doc__ or "").strip().splitlines()[0]
        print(f"python -m bench.{path.stem}\n    {about}")


if __name__ == "__main__":
    main()
