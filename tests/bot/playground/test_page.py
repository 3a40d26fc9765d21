"""A person at the page, in a real browser, with a real Bolt app on the other side."""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.playground.server import Playground

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


@pytest.fixture
def page(slack: Playground) -> Iterator[Any]:
    """The playground's page; a script error on it fails the test."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge")
    browser_path = next(filter(None, map(shutil.which, names)), None)
    if browser_path is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to have a Chromium: `apt-get install chromium`")
        pytest.skip("no Chromium on the PATH")
    errors: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(slack.page_url)
        yield page
        browser.close()
    assert errors == []


def be(page: Any, name: str) -> None:
    page.locator("#you .you-name").click()
    page.get_by_role("option", name=re.compile(name)).click()
    page.locator("#you", has_text=name).wait_for()


def test_a_person_writes_threads_reacts_presses_and_fills_in(
    slack: Playground,
    bolt: App,
    connect: Callable[[App], SocketModeHandler],
    page: Any,
) -> None:
    kept: list[str] = []

    @bolt.event("app_mention")
    def answer(event: dict[str, Any], say: Any) -> None:
        button = {"type": "button", "action_id": "open", "text": text("Keep this answer")}
        say(
            text="Answer",
            thread_ts=event["ts"],
            blocks=[
                {"type": "markdown", "text": "Run **make** <img src=x onerror=alert(1)>"},
                {"type": "actions", "elements": [button]},
            ],
        )

    @bolt.action("open")
    def pressed(ack: Any, body: dict[str, Any], client: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal())

    @bolt.view("keep")
    def submitted(ack: Any, view: dict[str, Any]) -> None:
        said = view["state"]["values"]["answer"]["text"]["value"]
        if len(said) < 10:
            ack(response_action="errors", errors={"answer": "Please write a sentence."})
            return
        kept.append(said)
        ack()

    bolt.event("message")(lambda: None)
    connect(bolt)
    be(page, "Bob")

    page.fill("#composer-text", "@lore how do I <b>build</b> this?")
    page.press("#composer-text", "Enter")
    message = page.locator("#messages .message", has_text="how do I <b>build</b> this?")
    message.wait_for()
    assert slack.member("bob").sees("general")[0].user == slack.workspace.user("bob").id

    message.hover()
    message.get_by_label("Add a reaction").click()
    page.get_by_label("Find an emoji").fill("books")
    page.keyboard.press("Enter")
    message.get_by_label("books, 1").wait_for()

    message.get_by_text("1 reply").click()
    thread = page.locator("#thread")
    thread.locator("strong", has_text="make").wait_for()
    assert thread.locator("img").count() == 0
    page.fill("#thread-composer-text", "thanks")
    page.keyboard.press("Enter")
    thread.get_by_text("2 replies").wait_for()

    thread.get_by_role("button", name="Keep this answer").click()
    dialog = page.get_by_role("dialog", name="Keep it")
    dialog.get_by_label("Answer").fill("short")
    dialog.get_by_role("button", name="Keep", exact=True).click()
    dialog.get_by_text("Please write a sentence.").wait_for()
    dialog.get_by_label("Answer").fill("Run make in the root folder.")
    dialog.get_by_role("button", name="Keep", exact=True).click()
    dialog.wait_for(state="hidden")
    assert kept == ["Run make in the root folder."]


def test_a_command_is_completed_and_its_answer_is_marked_as_private(
    slack: Playground, bolt: App, connect: Callable[[App], SocketModeHandler], page: Any
) -> None:
    bolt.command("/lore")(lambda ack, command: ack(f"Asked for: {command['text']}"))
    connect(bolt)
    page.locator("#composer-text").press_sequentially("/lo")
    page.locator(".completions li", has_text="/lore").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.type("status")
    page.keyboard.press("Enter")
    private = page.locator(".message.ephemeral", has_text="Asked for: status")
    private.get_by_text("Only visible to you").wait_for()


def test_a_permalink_opens_the_thread_and_marks_the_message(slack: Playground, page: Any) -> None:
    ann = slack.member("ann")
    root = ann.post("general", "the question")
    reply = ann.reply(root, "the very answer")
    page.goto(ann.permalink(reply))
    page.locator("#thread .message.marked", has_text="the very answer").wait_for()
    assert page.locator(".message.marked").count() == 1


def test_a_stream_is_shown_while_it_grows(slack: Playground, page: Any) -> None:
    from slack_sdk import WebClient

    client = WebClient(token=slack.bot_token, base_url=slack.api_url)
    ann = slack.member("ann")
    root = ann.post("general", "question")
    room = slack.workspace.channel("general").id
    stream = client.chat_stream(
        channel=room,
        thread_ts=root.ts,
        recipient_team_id=slack.workspace.team_id,
        recipient_user_id=ann.id,
        buffer_size=1,
    )
    stream.append(markdown_text="First half")
    page.goto(ann.permalink(ann.thread(root)[-1]))
    page.locator("#thread .message.streaming", has_text="First half").wait_for()
    stream.append(markdown_text=" and second")
    page.locator("#thread .streaming", has_text="First half and second").wait_for()
    stream.stop()
    page.locator("#thread .message:not(.streaming)", has_text="and second").wait_for()


def test_who_cannot_see_a_channel_is_told_so(slack: Playground, page: Any) -> None:
    ann = slack.member("ann")
    link = ann.permalink(ann.post("secret", "for few"))
    be(page, "Gus")
    page.goto(link)
    page.get_by_text("You can't see this conversation").wait_for()
    assert page.get_by_text("for few").count() == 0


def text(value: str) -> dict[str, str]:
    return {"type": "plain_text", "text": value}


def modal() -> dict[str, Any]:
    field = {"type": "plain_text_input", "action_id": "text", "multiline": True}
    block = {"type": "input", "block_id": "answer", "label": text("Answer"), "element": field}
    return {
        "type": "modal",
        "callback_id": "keep",
        "title": text("Keep it"),
        "submit": text("Keep"),
        "blocks": [block],
    }


def test_a_picture_is_shown_in_its_place(page: Any, slack: Playground) -> None:
    be(page, "Ann")
    page.get_by_role("button", name="general").or_(
        page.get_by_role("link", name="general")
    ).first.click()
    slack.member("ann").share("general", "dot.png", DOT)
    shown = page.get_by_alt_text("dot.png")
    shown.wait_for()
    # Not `wait_for_function`: it looks again with `eval`, which the page's policy forbids.
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


def test_a_person_shares_a_file_pins_its_message_and_deletes_it(
    page: Any, slack: Playground
) -> None:
    be(page, "Ann")
    page.get_by_role("link", name="general").or_(
        page.get_by_role("button", name="general")
    ).first.click()
    page.get_by_label("A file to share").set_input_files(
        {"name": "ports.md", "mimeType": "text/markdown", "buffer": b"# Ports"}
    )
    page.get_by_role("link", name="ports.md").wait_for()
    message = slack.member("ann").sees("general")[-1]
    assert slack.workspace.files.get(message.files[0]).content == b"# Ports"
    row = page.locator(f"[data-ts='{message.ts}']").first
    for label, then in (("Pin to channel", "📌"), ("Delete ports.md", "This file was deleted.")):
        row.hover()
        row.get_by_label("More actions").click()
        page.get_by_role("menuitem", name=label).click()
        row.get_by_text(then).wait_for()
