"""Messages come back in order of their time, threads complete."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.playground.conversation import Conversation, ts_key


def message(ts: str, thread_ts: str | None = None) -> dict[str, object]:
    return {"ts": ts, "user": "U1"} | ({"thread_ts": thread_ts} if thread_ts else {})


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=30))
def test_history_is_in_order_however_it_was_loaded(seconds: list[int]) -> None:
    log = Conversation()
    for second in seconds:
        log.add(message(f"{second}.000100"))
    assert log.timeline() == [f"{second}.000100" for second in sorted(seconds)]


@given(st.lists(st.integers(2, 50), unique=True), st.data())
def test_what_is_removed_is_gone_from_thread_and_count(
    seconds: list[int], data: st.DataObject
) -> None:
    log = Conversation()
    log.add(message("1.000000"))
    for second in seconds:
        log.add(message(f"{second}.000000", "1.000000"))
    gone = data.draw(st.sets(st.sampled_from(seconds))) if seconds else set()
    for second in gone:
        log.remove(f"{second}.000000")
    left = sorted(set(seconds) - gone)
    assert log.thread("1.000000")[1:] == [f"{second}.000000" for second in left]
    assert log.shown("1.000000").get("reply_count", 0) == len(left)


def test_a_reply_loaded_before_its_root_is_found() -> None:
    log = Conversation()
    log.add(message("5.000000", "3.000000"))
    assert log.thread("3.000000") == ["5.000000"]
    log.add(message("3.000000"))
    assert log.thread("3.000000") == ["3.000000", "5.000000"]
    assert log.timeline() == ["3.000000"]


def test_time_is_compared_as_a_number() -> None:
    assert ts_key("9.000001") < ts_key("10.000000") < ts_key("10.1")
