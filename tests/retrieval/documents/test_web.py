"""Web pages are fetched politely, kept, looked at again, and never from where nobody may ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lorekeeper.settings import Retrieval, Settings, Store
from retrieval.documents import browse, documents, web
from retrieval.documents.browse import Browser, Forbidden, NotFetched

OPEN = Retrieval(private_pages=True)


@dataclass
class Site:
    """A web server on this machine: what it answers by path, and what it was asked."""

    url: str
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def put(self, path: str, body: str | bytes = "", status: int = 200, **headers: str) -> str:
        content = body if isinstance(body, bytes) else body.encode()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = (status, {"Content-Type": "text/html"} | told, content)
        return self.url + path


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.headers.append(dict(self.headers))
            status, headers, body = found.pages.get(self.path, (404, {}, b""))
            if status == 200 and self.headers.get("If-None-Match", "?") == headers.get("ETag"):
                status, body = 304, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Site(url=f"http://localhost:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(source: str, data: Path, settings: Retrieval = OPEN) -> list[web.WebPage]:
    return web.fetch(source, settings, data, browser=Browser(settings, pause=0.0))


def test_a_page_is_a_document_with_its_address_title_and_time(site: Site, data: Path) -> None:
    when = "Fri, 02 Jan 2026 00:00:00 GMT"
    url = site.put("/relay", "<title>Relay</title><p>Restart it.", Last_Modified=when)
    assert documents.read(url, OPEN, data).left_out[0].reason == "was not fetched yet"
    fetch(url, data)
    (page,) = documents.read(url, OPEN, data).documents
    assert (page.title, page.text, page.url, page.at) == (
        "Relay",
        "Restart it.\n",
        url,
        1767312000.0,
    )
    assert site.headers[-1]["User-Agent"] == "Lorekeeper"


def test_a_sitemap_brings_the_pages_of_its_own_host(site: Site, data: Path) -> None:
    urls = [site.put(f"/{name}", f"<p>page {name}") for name in "abc"]
    listed = "".join(
        f"<url><loc>{url}</loc></url>" for url in [*urls, "http://elsewhere.example/x"]
    )
    inner = site.put("/inner.xml", f"<urlset>{listed}</urlset>")
    outer = site.put(
        "/sitemap.xml", f"<sitemapindex><sitemap><loc>{inner}</loc></sitemap></sitemapindex>"
    )
    assert [page.url for page in fetch(outer, data)] == urls
    few = OPEN.model_copy(update={"most_pages": 2})
    *_, left_out = fetch(outer, data, few)
    assert left_out.reason == "names 3 pages; the first 2 are read"


def test_a_sitemap_that_fails_leaves_what_it_brought_before(site: Site, data: Path) -> None:
    url = site.put("/a", "<p>kept")
    sitemap = site.put("/sitemap.xml", f"<urlset><url><loc>{url}</loc></url></urlset>")
    fetch(sitemap, data)
    site.put("/sitemap.xml", "<urlset><url>", status=200)
    reading = fetch(sitemap, data)
    assert [page.text for page in reading] == ["", "kept\n"]
    assert reading[0].reason.startswith("is no sitemap")


def test_a_sitemap_with_entities_is_refused(site: Site, data: Path) -> None:
    harmful = '<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset><loc>&a;</loc></urlset>'
    (refused,) = fetch(site.put("/sitemap.xml", harmful), data)
    assert refused.reason == "declares a document type, which no sitemap needs"


def test_a_page_that_did_not_change_is_not_sent_again(site: Site, data: Path) -> None:
    url = site.put("/a", "<p>one", ETag='"1"')
    before = fetch(url, data)
    assert fetch(url, data) == before
    site.put("/a", "<p>two", ETag='"2"')
    assert fetch(url, data)[0].text == "two\n"


def test_a_page_that_is_gone_goes_and_one_that_fails_stays_with_the_reason(
    site: Site, data: Path
) -> None:
    url = site.put("/a", "<p>one")
    fetch(url, data)
    site.put("/a", status=500)
    (failing,) = fetch(url, data)
    assert (failing.text, failing.reason) == ("one\n", "answers 500")
    site.put("/a", status=410)
    (gone,) = fetch(url, data)
    assert (gone.text, gone.reason) == ("", "answers 410")


def test_robots_txt_is_heeded(site: Site, data: Path) -> None:
    url = site.put("/private/a", "<p>no")
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/")
    assert fetch(url, data)[0].reason == "is not for robots, says its robots.txt"
    assert "/private/a" not in site.asked
    site.put("/robots.txt", status=503)
    assert fetch(url, data)[0].reason == "is not for robots, says its robots.txt"


def test_text_in_another_charset_is_understood(site: Site, data: Path) -> None:
    body = "<meta charset=iso-8859-1><p>Grüße".encode("latin-1")
    assert fetch(site.put("/a", body), data)[0].text == "Grüße\n"


def test_a_page_over_the_limit_and_one_of_another_kind_are_left_out(site: Site, data: Path) -> None:
    small = OPEN.model_copy(update={"largest_file": 100})
    assert fetch(site.put("/a", "x" * 101), data, small)[0].reason == "has more than 100 bytes"
    video = site.put("/b", b"\0", Content_Type="video/mp4")
    assert fetch(video, data)[0].reason.startswith("is not Markdown, text, HTML")


def test_redirects_are_followed_and_looked_at_each_time(site: Site, data: Path) -> None:
    site.put("/new", "<p>here")
    old = site.put("/old", status=301, Location="/new")
    assert fetch(old, data)[0].text == "here\n"
    for place in ("file:///etc/passwd", "ftp://localhost/x", "http://[broken", "gopher://x"):
        (refused,) = fetch(site.put("/out", status=302, Location=place), data)
        assert refused.reason.startswith("leads to")
    circle = site.put("/circle", status=302, Location="/circle")
    assert fetch(circle, data)[0].reason == "redirects more than 5 times"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "0.0.0.0", "::1", "fe80::1%eth0",
     "fc00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "224.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_private_addresses_are_refused_before_anything_is_asked(address: str) -> None:
    browser = Browser(Retrieval(), resolve=lambda *_: ["93.184.215.14", address])
    with browser, pytest.raises(Forbidden, match="not public"):
        browser.get("https://innocent.example/")


def test_what_was_checked_is_what_is_connected_to(site: Site) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.1"]])  # one for robots.txt, one for the page, no more
    site.put("/a", "<p>x")
    port = site.url.rpartition(":")[2]
    with Browser(OPEN, resolve=lambda *_: next(answers), pause=0.0) as browser:
        assert browser.get(f"http://name.example:{port}/a")
    assert site.headers[-1]["Host"] == f"name.example:{port}"


def test_a_server_that_does_not_answer_is_a_reason() -> None:
    with Browser(OPEN, pause=0.0) as browser, pytest.raises(NotFetched):
        browser._ask("http://127.0.0.1:9/", {}, 10)


def test_a_host_that_wants_long_pauses_is_not_read(site: Site, data: Path) -> None:
    site.put("/robots.txt", "User-agent: *\nCrawl-delay: 60\nAllow: /")
    assert fetch(site.put("/a", "<p>x"), data)[0].reason.startswith("asks for pauses of 60 s")


def test_what_is_due_is_fetched_and_what_is_fresh_is_not(
    site: Site, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "PAUSE", 0.0)
    url = site.put("/a", "<p>x")
    retrieval = OPEN.model_copy(update={"documents": (url,)})
    settings = Settings(store=Store(data=data), retrieval=retrieval)
    before = web.stamp(url, data)
    web.fetch_due(settings)
    assert web.stamp(url, data) != before
    asked = len(site.asked)
    web.fetch_due(settings)
    assert len(site.asked) == asked


def test_the_follower_fetches_by_itself_and_ends(site: Site, data: Path) -> None:
    url = site.put("/a", "<p>x")
    retrieval = OPEN.model_copy(update={"documents": (url,)})
    came = threading.Event()
    real = web.fetch

    def fetch_and_tell(*args: object, **options: object) -> object:
        try:
            return real(*args, **options)  # type: ignore[arg-type]  # handed through as they came
        finally:
            came.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, "fetch", fetch_and_tell)
        with web.Follower(Settings(store=Store(data=data), retrieval=retrieval)):
            assert came.wait(60)
    assert web.fetched(url, data)[0].text == "x\n"
