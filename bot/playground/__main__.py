"""`python -m bot.playground`: a small workspace on a free port; its page's address and the app's tokens out."""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path

from bot.playground.sample import sample_workspace
from bot.playground.server import Playground


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bot.playground", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--manifest", type=Path, help="the app's manifest.json")
    asked = parser.parse_args()
    manifest = json.loads(asked.manifest.read_text("utf-8")) if asked.manifest else None
    slack = Playground(sample_workspace())
    slack.install(manifest)
    with slack.start(asked.port):
        print(f"Open {slack.page_url}")
        print(f"SLACK_API_URL={slack.api_url}")
        print(f"SLACK_BOT_TOKEN={slack.bot_token}")
        print(f"SLACK_APP_TOKEN={slack.app_token}")
        print(f"SLACK_SIGNING_SECRET={slack.signing_secret}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()
