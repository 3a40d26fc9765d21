"""slack_sdk's own WebClient gets Slack's answers and Slack's refusals."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.playground.clocks import HandClock
from bot.playground.server import Playground

TEXT = {"type": "plain_text", "text": "x"}
MODAL = {"type": "modal", "title": TEXT, "blocks": [{"type": "divider"}]}


def error_of(call: Any, **args: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        call(**args)
    return str(refused.value.response["error"])


def general(slack: Playground) -> str:
    return slack.workspace.channel("general").id


def test_auth_test_names_the_bot(slack: Playground, client: WebClient) -> None:
    answer = client.auth_test()
    assert answer["user_id"] == slack.bot_user
    assert answer["bot_id"] == slack.app.bot_id
    assert answer["team_id"] == slack.workspace.team_id
    assert answer["url"] == slack.page_url
    assert "chat:write" in answer.headers["x-oauth-scopes"]


def test_a_posted_message_comes_back_in_history_and_can_be_changed_and_deleted(
    slack: Playground, client: WebClient
) -> None:
    channel = general(slack)
    ts = client.chat_postMessage(channel=channel, text="one & two")["ts"]
    assert client.conversations_history(channel=channel)["messages"][0]["text"] == "one &amp; two"
    changed = client.chat_update(channel=channel, ts=ts, text="three")
    assert changed["message"]["edited"]["user"] == slack.bot_user
    client.chat_delete(channel=channel, ts=ts)
    assert client.conversations_history(channel=channel)["messages"] == []
    kinds = [envelope["event"].get("subtype") for envelope in slack.workspace.events]
    assert kinds == [None, "message_changed", "message_deleted"]


def test_text_alone_takes_the_blocks_away_and_blocks_leave_no_edited_mark(
    slack: Playground, client: WebClient
) -> None:
    channel = general(slack)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*b*"}}]
    ts = client.chat_postMessage(channel=channel, text="a", blocks=blocks)["ts"]
    only_blocks = {"channel": channel, "ts": ts, "blocks": blocks}
    assert "edited" not in client.api_call("chat.update", json=only_blocks)["message"]
    assert "blocks" not in client.chat_update(channel=channel, ts=ts, text="c")["message"]


def test_a_thread_has_slacks_summary_on_its_root(slack: Playground, client: WebClient) -> None:
    ann, bob = slack.member("ann"), slack.member("bob")
    root = ann.post("general", "question")
    bob.reply(root, "answer")
    last = ann.reply(root, "thanks")
    messages = client.conversations_replies(channel=general(slack), ts=root.ts)["messages"]
    assert messages[0]["thread_ts"] == root.ts
    assert messages[0]["reply_count"] == 2
    assert messages[0]["reply_users"] == [bob.id, ann.id]
    assert messages[0]["latest_reply"] == last.ts
    assert messages[1]["parent_user_id"] == ann.id
    in_channel = client.conversations_history(channel=general(slack))["messages"]
    assert [message["ts"] for message in in_channel] == [root.ts]


def test_a_reply_to_a_reply_lands_in_the_same_thread(slack: Playground, client: WebClient) -> None:
    ann = slack.member("ann")
    root = ann.post("general", "question")
    reply = ann.reply(root, "more")
    posted = client.chat_postMessage(channel=general(slack), text="here", thread_ts=reply.ts)
    assert posted["message"]["thread_ts"] == root.ts


def test_a_deleted_root_with_replies_leaves_a_tombstone(
    slack: Playground, client: WebClient
) -> None:
    ann = slack.member("ann")
    root = ann.post("general", "question")
    reply = ann.reply(root, "more")
    ann.delete(root)
    messages = client.conversations_replies(channel=general(slack), ts=root.ts)["messages"]
    assert [message.get("subtype") for message in messages] == ["tombstone", None]
    assert messages[1]["ts"] == reply.ts
    assert "question" not in str(messages)


def test_history_is_paged_by_cursor_without_loss_or_repeat(
    slack: Playground, client: WebClient
) -> None:
    ann = slack.member("ann")
    posted = [ann.post("general", f"number {n}").ts for n in range(7)]
    pages = [
        ([message["ts"] for message in page["messages"]], page["has_more"])
        for page in client.conversations_history(channel=general(slack), limit=3)
    ]
    assert [len(found) for found, _ in pages] == [3, 3, 1]
    assert [ts for found, _ in pages for ts in found] == posted[::-1]
    assert [more for _, more in pages] == [True, True, False]


def test_history_honours_oldest_latest_and_inclusive(slack: Playground, client: WebClient) -> None:
    ann = slack.member("ann")
    a, b, c = [ann.post("general", text).ts for text in "abc"]
    channel = general(slack)

    def found(**args: Any) -> list[str]:
        messages = client.conversations_history(channel=channel, **args)["messages"]
        return [message["ts"] for message in messages]

    assert found(oldest=a) == [c, b]
    assert found(oldest=a, inclusive=True) == [c, b, a]
    assert found(oldest=a, latest=c) == [b]
    assert found(oldest=b, latest=b, inclusive=True, limit=1) == [b]


def test_replies_members_channels_and_people_are_paged(
    slack: Playground, client: WebClient
) -> None:
    ann = slack.member("ann")
    root = ann.post("general", "root")
    for n in range(4):
        ann.reply(root, str(n))
    channel = general(slack)
    replies = [
        m["text"]
        for p in client.conversations_replies(channel=channel, ts=root.ts, limit=2)
        for m in p["messages"]
    ]
    assert replies == ["root", "0", "1", "2", "3"]
    members = [
        m for p in client.conversations_members(channel=channel, limit=1) for m in p["members"]
    ]
    assert members == slack.workspace.channel("general").members
    names = [c["name"] for p in client.conversations_list(limit=1) for c in p["channels"]]
    assert names == ["general", "help"]
    users = [u["name"] for p in client.users_list(limit=2) for u in p["members"]]
    assert users == ["ann", "bob", "gus", "lore"]


def test_private_channels_are_invisible_until_the_app_is_invited(
    slack: Playground, client: WebClient
) -> None:
    secret = slack.workspace.channel("secret").id
    assert error_of(client.conversations_info, channel=secret) == "channel_not_found"
    assert error_of(client.chat_postMessage, channel=secret, text="x") == "channel_not_found"
    slack.member("ann").invite("secret", "lore")
    assert client.conversations_info(channel=secret)["channel"]["is_private"] is True
    listed = client.conversations_list(types="private_channel")["channels"]
    assert [channel["name"] for channel in listed] == ["secret"]


def test_reading_and_writing_need_membership(slack: Playground, client: WebClient) -> None:
    channel = slack.workspace.channel("help").id
    assert error_of(client.chat_postMessage, channel=channel, text="x") == "not_in_channel"
    assert error_of(client.conversations_history, channel=channel) == "not_in_channel"
    client.conversations_join(channel=channel)
    assert client.chat_postMessage(channel=channel, text="x")["ok"]
    assert client.conversations_join(channel=channel)["warning"] == "already_in_channel"


def test_only_posting_takes_a_channels_name(slack: Playground, client: WebClient) -> None:
    assert client.chat_postMessage(channel="#general", text="x")["channel"] == general(slack)
    assert error_of(client.conversations_info, channel="#general") == "channel_not_found"
    assert error_of(client.conversations_history, channel="general") == "channel_not_found"


def test_slacks_refusals(slack: Playground, client: WebClient) -> None:
    channel = general(slack)
    ann = slack.member("ann")
    message = ann.post("general", "mine")
    own = client.chat_postMessage(channel=channel, text="own")["ts"]

    def post(**args: Any) -> Any:
        return client.api_call("chat.postMessage", json=args)  # chat_postMessage warns of these

    update = client.chat_update
    assert error_of(post, channel="C404", text="x") == "channel_not_found"
    assert error_of(post, channel=channel) == "no_text"
    assert error_of(post, channel=channel, text="x", thread_ts="1.2") == "thread_not_found"
    assert error_of(post, channel=channel, text="x" * 4001) == "msg_too_long"
    assert error_of(post, channel=channel, markdown_text="x" * 12_001) == "msg_too_long"
    assert error_of(post, channel=channel, text="x", markdown_text="y") == "markdown_text_conflict"
    assert error_of(post, channel=channel, blocks="not json") == "invalid_blocks_format"
    assert error_of(update, channel=channel, ts=message.ts, text="x") == "cant_update_message"
    assert error_of(update, channel=channel, ts="1.2", text="x") == "message_not_found"
    assert error_of(update, channel=channel, ts=own, text="&" * 1000) == "msg_too_long"
    assert error_of(client.chat_delete, channel=channel, ts=message.ts) == "cant_delete_message"
    replies = client.conversations_replies
    assert error_of(replies, channel=channel, ts="1.2") == "thread_not_found"
    history = client.conversations_history
    assert error_of(history, channel=channel, cursor="nonsense") == "invalid_cursor"
    assert error_of(client.users_info, user="U404") == "user_not_found"
    lookup = client.users_lookupByEmail
    assert error_of(lookup, email="nobody@example.org") == "users_not_found"
    assert error_of(client.api_call, api_method="no.such") == "unknown_method"
    gus = slack.workspace.user("gus").id
    whisper = client.chat_postEphemeral
    assert error_of(whisper, channel=channel, user=gus, text="x") == "user_not_in_channel"


def test_blocks_beyond_the_limits_are_refused_with_the_place(
    slack: Playground, client: WebClient
) -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=general(slack), text="x", blocks=[section])
    answer = refused.value.response
    assert answer["error"] == "invalid_blocks"
    assert "/blocks/0/text/text" in answer["response_metadata"]["messages"][0]
    long = [{"type": "markdown", "text": "x" * 7000}] * 2
    assert (
        error_of(client.chat_postMessage, channel=general(slack), text="x", blocks=long)
        == "msg_blocks_too_long"
    )


def test_reactions_add_get_and_remove(slack: Playground, client: WebClient) -> None:
    message = slack.member("ann").post("general", "hi")
    at = {"channel": general(slack), "timestamp": message.ts}
    client.reactions_add(name="eyes", **at)
    assert error_of(client.reactions_add, name="eyes", **at) == "already_reacted"
    assert client.reactions_get(**at)["message"]["reactions"][0]["count"] == 1
    client.reactions_remove(name="eyes", **at)
    assert error_of(client.reactions_remove, name="eyes", **at) == "no_reaction"
    assert error_of(client.reactions_add, name="EYES!", **at) == "invalid_name"


def test_tokens_are_checked(slack: Playground) -> None:
    def asking(token: str | None) -> WebClient:
        return WebClient(token=token, base_url=slack.api_url)

    assert error_of(asking(None).auth_test) == "not_authed"
    assert error_of(asking("xoxb-wrong").auth_test) == "invalid_auth"
    assert error_of(asking(slack.app_token).auth_test) == "not_allowed_token_type"
    opens = asking(slack.bot_token).apps_connections_open
    assert error_of(opens, app_token=slack.bot_token) == "not_allowed_token_type"


def test_a_missing_scope_is_named(slack: Playground, client: WebClient) -> None:
    slack.app.scopes = frozenset({"chat:write"})
    with pytest.raises(SlackApiError) as refused:
        client.users_list()
    answer = refused.value.response
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "users:read",
        "chat:write",
    )


def test_history_of_a_private_channel_needs_its_own_scope(
    slack: Playground, client: WebClient
) -> None:
    slack.member("ann").invite("secret", "lore")
    slack.app.scopes = frozenset({"channels:history", "channels:read"})
    secret = slack.workspace.channel("secret").id
    assert error_of(client.conversations_history, channel=secret) == "missing_scope"


def test_an_email_is_only_shown_with_its_scope(slack: Playground, client: WebClient) -> None:
    ann = slack.workspace.user("ann").id
    assert client.users_info(user=ann)["user"]["profile"]["email"] == "ann@playground.example"
    slack.app.scopes = frozenset({"users:read"})
    assert "email" not in client.users_info(user=ann)["user"]["profile"]


def test_a_direct_message_is_opened_and_posted_to(slack: Playground, client: WebClient) -> None:
    bob = slack.workspace.user("bob").id
    opened = client.conversations_open(users=bob)["channel"]["id"]
    assert client.chat_postMessage(channel=bob, text="hi")["channel"] == opened
    assert slack.member("bob").sees(opened)[0].text == "hi"
    assert client.conversations_info(channel=opened)["channel"]["is_im"] is True


def test_an_ephemeral_message_is_seen_by_one_and_kept_nowhere(
    slack: Playground, client: WebClient
) -> None:
    ann, bob = slack.member("ann"), slack.member("bob")
    client.chat_postEphemeral(channel=general(slack), user=ann.id, text="psst")
    assert [m.text for m in ann.sees("general")] == ["psst"]
    assert bob.sees("general") == []
    assert client.conversations_history(channel=general(slack))["messages"] == []


def test_a_file_is_uploaded_in_slacks_three_steps(slack: Playground, client: WebClient) -> None:
    channel = general(slack)
    answer = client.files_upload_v2(
        channel=channel, filename="card.md", content="# Card", initial_comment="The card"
    )
    file = answer["files"][0]
    message = client.conversations_history(channel=channel)["messages"][0]
    assert (message["subtype"], message["text"]) == ("file_share", "The card")
    assert message["files"][0]["size"] == 6
    assert client.files_info(file=file["id"])["file"]["title"] == "card.md"


def test_usergroups_and_pins_are_listed(slack: Playground, client: WebClient) -> None:
    group = slack.workspace.add_usergroup("curators", ["ann"])
    assert client.usergroups_list(include_users=True)["usergroups"][0]["handle"] == "curators"
    users = client.usergroups_users_list(usergroup=group.id)["users"]
    assert users == [slack.workspace.user("ann").id]
    message = slack.member("ann").post("general", "keep")
    slack.workspace.pin("general", message.ts, "ann")
    items = client.pins_list(channel=general(slack))["items"]
    assert items[0]["message"]["ts"] == message.ts


def test_a_permalink_names_the_channel_the_message_and_its_thread(
    slack: Playground, client: WebClient
) -> None:
    ann = slack.member("ann")
    root = ann.post("general", "root")
    reply = ann.reply(root, "reply")
    link = client.chat_getPermalink(channel=general(slack), message_ts=reply.ts)["permalink"]
    digits = reply.ts.replace(".", "")
    assert link.startswith(f"{slack.page_url}archives/{general(slack)}/p{digits}")
    assert f"thread_ts={root.ts}" in link


def test_the_sdk_waits_out_a_rate_limit_and_then_succeeds(
    slack: Playground, client: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    slack.workspace.faults.next("auth.test", status=429, retry_after=7)
    assert client.auth_test()["ok"]
    assert slept
    assert slept[0] >= 7


def test_budgets_hold_per_method_and_minute(still: Playground, clock: HandClock) -> None:
    client = WebClient(token=still.bot_token, base_url=still.api_url)
    still.tiers.on = True
    for _ in range(20):
        client.users_list()
    with pytest.raises(SlackApiError) as refused:
        client.users_list()
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["retry-after"] == "60"
    client.conversations_info(channel=general(still))
    clock.advance(60)
    assert client.users_list()["ok"]


def test_a_fault_may_lose_only_the_answer(slack: Playground, client: WebClient) -> None:
    slack.workspace.faults.next("chat.postMessage", status=500, after=True)
    with pytest.raises(SlackApiError):
        client.chat_postMessage(channel=general(slack), text="posted all the same")
    assert slack.member("ann").sees("general")[0].text == "posted all the same"


def test_a_trigger_is_good_for_three_seconds_and_one_use(
    still: Playground, clock: HandClock
) -> None:
    client = WebClient(token=still.bot_token, base_url=still.api_url)
    ann = still.workspace.user("ann").id
    views = still.workspace.views
    late = views.new_trigger(ann, still.app)
    clock.advance(3.5)
    assert error_of(client.views_open, trigger_id=late, view=MODAL) == "expired_trigger_id"
    fresh = views.new_trigger(ann, still.app)
    client.views_open(trigger_id=fresh, view=MODAL)
    assert error_of(client.views_open, trigger_id=fresh, view=MODAL) == "exchanged_trigger_id"
    assert error_of(client.views_open, trigger_id="1.2", view=MODAL) == "invalid_trigger_id"


def test_modals_stack_up_to_three(slack: Playground, client: WebClient) -> None:
    ann = slack.workspace.user("ann").id

    def trigger() -> str:
        return slack.workspace.views.new_trigger(ann, slack.app)

    first = client.views_open(trigger_id=trigger(), view=MODAL)["view"]
    second = client.views_push(trigger_id=trigger(), view=MODAL)["view"]
    assert second["previous_view_id"] == first["id"] == second["root_view_id"]
    client.views_push(trigger_id=trigger(), view=MODAL)
    assert error_of(client.views_push, trigger_id=trigger(), view=MODAL) == "push_limit_reached"
    other = MODAL | {"title": {"type": "plain_text", "text": "new"}}
    stale = {"view_id": first["id"], "view": other, "hash": "stale"}
    assert error_of(client.views_update, **stale) == "hash_conflict"
    updated = client.views_update(view_id=first["id"], view=other, hash=first["hash"])["view"]
    assert updated["title"]["text"] == "new"
    assert updated["id"] == first["id"]


def test_home_is_published_with_its_hash(slack: Playground, client: WebClient) -> None:
    ann = slack.workspace.user("ann").id
    home = {"type": "home", "blocks": [{"type": "divider"}]}
    first = client.views_publish(user_id=ann, view=home)["view"]
    second = client.views_publish(user_id=ann, view=home, hash=first["hash"])["view"]
    assert second["id"] == first["id"]
    stale = {"user_id": ann, "view": home, "hash": first["hash"]}
    assert error_of(client.views_publish, **stale) == "hash_conflict"


def test_a_stream_that_takes_too_long_is_over(still: Playground, clock: HandClock) -> None:
    client = WebClient(token=still.bot_token, base_url=still.api_url)
    ann = still.member("ann")
    root = ann.post("general", "question")
    stream = client.chat_stream(
        channel=general(still),
        thread_ts=root.ts,
        recipient_team_id=still.workspace.team_id,
        recipient_user_id=ann.id,
        buffer_size=1,
    )
    stream.append(markdown_text="Half an")
    clock.advance(301)
    with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
        stream.append(markdown_text=" answer")
    message = ann.thread(root)[-1]
    assert (message.streaming, message.text) == ("errored", "Half an")
    client.chat_update(channel=general(still), ts=message.ts, text="Half an answer")
    assert ann.again(message).text == "Half an answer"


def test_a_stream_outside_a_direct_message_needs_its_recipient(
    slack: Playground, client: WebClient
) -> None:
    root = slack.member("ann").post("general", "question")
    args = {"channel": general(slack), "thread_ts": root.ts}
    assert error_of(client.chat_startStream, **args) == "missing_recipient_team_id"


def test_streamed_tasks_become_a_plan(slack: Playground, client: WebClient) -> None:
    ann = slack.member("ann")
    room = ann.open_dm()
    root = ann.post(room, "question")
    started = client.chat_startStream(
        channel=room,
        thread_ts=root.ts,
        task_display_mode="plan",
        chunks=[{"type": "task_update", "id": "1", "title": "Search", "status": "in_progress"}],
    )
    client.chat_appendStream(
        channel=room,
        ts=started["ts"],
        chunks=[
            {"type": "plan_update", "title": "Answering"},
            {"type": "task_update", "id": "1", "title": "Search", "status": "complete"},
            {"type": "markdown_text", "text": "Done."},
        ],
    )
    client.chat_stopStream(channel=room, ts=started["ts"])
    message = ann.thread(root)[-1]
    assert message.blocks[0]["title"] == "Answering"
    assert message.blocks[0]["tasks"][0]["status"] == "complete"
    assert message.streaming == "completed"
    bad = {"channel": room, "thread_ts": root.ts, "chunks": [{"type": "what"}]}
    assert error_of(client.chat_startStream, **bad) == "invalid_chunks"


def test_a_status_is_shown_until_the_app_posts(slack: Playground, client: WebClient) -> None:
    ann = slack.member("ann")
    root = ann.post("general", "question")
    channel = general(slack)
    client.assistant_threads_setStatus(channel_id=channel, thread_ts=root.ts, status="is thinking")
    assert ann.status("general", root.ts) == "is thinking"
    client.chat_postMessage(channel=channel, thread_ts=root.ts, text="answer")
    assert ann.status("general", root.ts) == ""


def test_prompts_with_a_thread_are_accepted_and_not_shown(
    slack: Playground, client: WebClient
) -> None:
    ann = slack.member("ann")
    room = ann.open_dm()
    root = ann.post(room, "hello")
    prompts = [{"title": "Ask", "message": "Ask me"}]
    set_prompts = client.assistant_threads_setSuggestedPrompts
    assert set_prompts(channel_id=room, thread_ts=root.ts, prompts=prompts)["ok"]
    assert ann.suggested_prompts(room) == []
    client.api_call(
        "assistant.threads.setSuggestedPrompts", json={"channel_id": room, "prompts": prompts}
    )
    assert ann.suggested_prompts(room) == prompts


def test_stopping_a_session_tells_the_app_which_messages_stream(
    slack: Playground, client: WebClient
) -> None:
    ann = slack.member("ann")
    room = ann.open_dm()
    root = ann.post(room, "question")
    started = client.chat_startStream(channel=room, thread_ts=root.ts, markdown_text="a")
    ann.stop_session(room, root.ts)
    event = slack.workspace.events[-1]["event"]
    assert event["type"] == "agent_session_stopped"
    assert event["streaming_message_ts"] == [started["ts"]]
    assert (event["user"], event["thread_ts"]) == (ann.id, root.ts)
