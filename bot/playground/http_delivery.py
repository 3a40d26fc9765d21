"""A payload and an app's request URL in; a signed POST to it, and what the app said, out."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor

import httpx2

from bot.playground.clocks import Clock
from bot.playground.delivery import ACK_SECONDS, Outcome, as_request, settle, signed_headers
from bot.playground.records import App, Json, Refused


class SignedHttp:
    """Posts to request URLs from a few threads."""

    def __init__(self, clock: Clock) -> None:
        self.timeout = ACK_SECONDS
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="playground-http")
        self._client = httpx2.Client(follow_redirects=False, trust_env=False)

    def send(
        self, app: App, kind: str, payload: Json, *, retry: int, reason: str | None
    ) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        url = (app.events_url if kind == "events_api" else app.interactivity_url) or ""
        extra: dict[str, str] = {}
        if retry:
            extra = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason or "unknown"}
        self._pool.submit(lambda: settle(future, self._post(app, url, kind, payload, extra)))
        return future

    def verify_url(self, app: App, url: str) -> None:
        """The `url_verification` handshake. Raises Refused(url_verification_failed)."""
        body: Json = {
            "token": app.verification_token,
            "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
            "type": "url_verification",
        }
        outcome = self._post(app, url, "events_api", body, {})
        if outcome.reason or outcome.body.get("challenge") != body["challenge"]:
            raise Refused("url_verification_failed")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _post(self, app: App, url: str, kind: str, payload: Json, extra: dict[str, str]) -> Outcome:
        body, content_type = as_request(kind, payload)
        headers = signed_headers(app.signing_secret, body, self._clock)
        headers |= {"Content-Type": content_type, "User-Agent": "Slackbot 1.0"} | extra
        try:
            answer = self._client.post(url, content=body, headers=headers, timeout=self.timeout)
        except httpx2.TimeoutException:
            return Outcome(reason="http_timeout")
        except (httpx2.HTTPError, RuntimeError):
            # RuntimeError: the client was closed while the playground stops.
            return Outcome(reason="connection_failed")
        if not 200 <= answer.status_code < 300:
            return Outcome(reason="http_error", no_retry="x-slack-no-retry" in answer.headers)
        return Outcome(body=_answer(answer.text))


def _answer(text: str) -> Json:
    """A JSON object as it is; any other text as a message's text, as Slack reads a command's ack."""
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        return {"text": text}
    return body if isinstance(body, dict) else {"text": str(body)}
