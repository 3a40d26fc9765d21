"""Only this machine's own pages get in."""

from __future__ import annotations

import http.client

import httpx2
import pytest

from bot.playground.server import Playground


def status(slack: Playground, path: str, host: str, method: str = "GET") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", slack.port, timeout=10)
    connection.request(method, path, headers={"Host": host})
    code = connection.getresponse().status
    connection.close()
    return code


@pytest.mark.parametrize("path", ["/", "/api/auth.test", "/member/changes", "/page/main.js"])
def test_a_foreign_host_name_is_refused_everywhere(slack: Playground, path: str) -> None:
    assert status(slack, path, "rebound.example") == 421
    assert status(slack, path, f"127.0.0.1.evil.example:{slack.port}") == 421
    assert status(slack, path, f"127.0.0.1:{slack.port}") != 421


def test_the_server_listens_on_loopback_only(slack: Playground) -> None:
    assert slack.page_url.startswith("http://127.0.0.1:")


def test_acting_needs_the_pages_session(slack: Playground) -> None:
    body = {"me": "ann", "act": "workspace", "args": {}}
    for headers in ({}, {"X-Playground-Session": "guessed"}):
        answer = httpx2.post(f"{slack.page_url}member/act", json=body, headers=headers)
        assert answer.status_code == 403
    assert httpx2.get(f"{slack.page_url}member/changes").status_code == 403
    live = httpx2.get(f"{slack.page_url}member/live", params={"me": "ann", "session": "x"})
    assert live.status_code == 403


def test_a_misshapen_act_is_refused(slack: Playground) -> None:
    page = httpx2.get(slack.page_url).text
    session = page.split('name="session" content="')[1].split('"')[0]
    for body in (b"", b"[]", b'{"me": "ann"}', b'{"me": "ann", "act": "post", "args": 7}'):
        answer = httpx2.post(
            f"{slack.page_url}member/act",
            content=body,
            headers={"X-Playground-Session": session},
        )
        assert answer.status_code == 400


def test_the_page_forbids_scripts_from_elsewhere(slack: Playground) -> None:
    page = httpx2.get(slack.page_url)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "https://" not in page.text.replace("http://www.w3.org", "")


def test_only_the_pages_own_files_are_served(slack: Playground) -> None:
    assert httpx2.get(f"{slack.page_url}page/main.js").status_code == 200
    for name in ("..%2Fserver.py", "nothing.js", "%2e%2e%2fweb.py"):
        assert httpx2.get(f"{slack.page_url}page/{name}").status_code == 404


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[1]", "application/json", "json_not_object"),
        (b"x", "multipart/form-data; boundary=a", "invalid_form_data"),
        (b"\xff=\xff", "application/x-www-form-urlencoded", "invalid_charset"),
    ],
)
def test_misshapen_calls_are_refused_as_slack_does(
    slack: Playground, body: bytes, kind: str, error: str
) -> None:
    headers = {"Content-Type": kind, "Authorization": f"Bearer {slack.bot_token}"}
    answer = httpx2.post(f"{slack.api_url}auth.test", content=body, headers=headers)
    assert answer.json()["error"] == error


def test_a_file_needs_its_key(slack: Playground) -> None:
    file = slack.workspace.files.begin("a.txt", 1, slack.bot_user)
    url = f"{slack.page_url}upload/{file.id}"
    assert httpx2.post(f"{url}/wrong", content=b"x").status_code == 404
    assert httpx2.post(f"{url}/{file.key}", content=b"x").text == "OK - 1"
    download = httpx2.get(f"{slack.page_url}files/{file.user}/{file.id}/{file.key}")
    assert download.headers["content-disposition"] == "attachment"


def test_a_websocket_needs_a_ticket(slack: Playground) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{slack.port}/link/?ticket=no"):
        pass
