"""The page of a run: everything that was measured, nothing that was not, and nobody else's markup."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import findings
import pytest

from builder.report.evidence import Evidence, Told
from builder.report.page import page
from lorekeeper.domain import Evaluation, Outcome, Verdict

WORDS = "<script>alert(1)</script> & $x_1$ {{ 7*7 }}"


def bare(**changes: object) -> Evidence:
    """What a run that measured nothing leaves."""
    empty = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    told = Verdict(outcome=Outcome.UNDECIDED, reasons=("Only 0 conversations are held out.",))
    return Evidence(run=1, at=0.0, evaluation=empty, verdict=told)


def test_it_tells_everything_that_was_measured() -> None:
    told = page(findings.evidence(), since=["2026-11-25, by U1: promoted by hand"])
    for what in (
        "Adapter v3", "Promoted: it answers better", "Better: -0.3 nats", "by U1: promoted by hand",
        "Qwen/Qwen3-0.6B", "d2: 96 pairs to train on, 24 held out", "Against base + retrieval",
        "Loss while it learned", "Question by question", "What it forgot", "How it tells people apart", "tuned + retrieval",
        "<td>rouge_l</td><td>0.375</td>", "training answers given back word for word", "50%",
        "Turn it 5 times.", "What is new in d2 since d1", "What came?", "Left out as too long: 1",
        "0.004 kWh", "the whole run", "+10%", "-10%", "lore train --again 7",
    ):  # fmt: skip
        assert what in told, what


def test_tasks_and_stages_are_shown_on_their_own_measures() -> None:
    evaluation = replace(findings.evaluation(), tasks=(findings.task(),), stages=findings.stages())
    verdict = Verdict(outcome=Outcome.FOR_TASK, reasons=("Better at triage.",))
    told = page(findings.evidence(evaluation=evaluation, verdict=verdict))
    for what in (
        "For its task: it does that better", "The task triage", "macro_f1", "base, with examples",
        "<td>0.750</td>", "0.650 to 0.850", "4 of 9 held-out rows.", "after general", "before training",
        "Backward transfer: +0.100", 'class="verdict for-its-task"',
    ):  # fmt: skip
        assert what in told, what
    assert "It is down" not in told


def test_what_was_not_measured_is_not_there() -> None:
    told = page(bare())
    assert "Undecided: too little evidence" in told
    for what in (
        "What it forgot",
        "Loss while it learned",
        "Plan and reality",
        "Left out",
        "since",
    ):
        assert f"<h2>{what}" not in told


def test_what_people_and_models_wrote_is_shown_as_it_is_and_never_read_as_markup() -> None:
    evaluation = findings.evaluation()
    written = Evaluation(
        questions=(WORDS,) * findings.QUESTIONS,
        references=(WORDS,) * findings.QUESTIONS,
        conversations=evaluation.conversations,
        arms=evaluation.arms,
        precision=WORDS,
    )
    told = page(
        findings.evidence(
            evaluation=written,
            told=(Told(question=5, before=WORDS, after=WORDS),),
            verdict=Verdict(outcome=Outcome.KEEP, reasons=(WORDS,)),
            about={"base_model": WORDS, "recipe": {"about": WORDS}},
        ),
        since=[WORDS],
    )
    assert "<script" not in told
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x_1$ {{ 7*7 }}" in told


def test_it_asks_for_nothing_from_anywhere() -> None:
    told = page(findings.evidence())
    assert "default-src 'none'" in told
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", told)
    assert [one for one in addresses if not one.startswith("#")] == []


def test_charts_take_their_colours_from_the_page() -> None:
    drawn = re.findall(r"<svg.*?</svg>", page(findings.evidence()), re.DOTALL)
    assert len(drawn) == 6
    assert all("var(--ink)" in one for one in drawn)
    assert not any("#1d1c1e" in one for one in drawn)


@pytest.mark.browser
@pytest.mark.parametrize(("wide", "scheme"), [(360, "dark"), (1280, "light")])
def test_it_fits_a_phone_and_a_desk_in_a_real_browser(
    tmp_path: Path, wide: int, scheme: str
) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
    )
    if not path:
        if os.environ.get("CI"):
            pytest.fail("CI has to have a Chromium: `apt-get install chromium`")
        pytest.skip("no Chromium on the PATH")
    file = tmp_path / "report.html"
    file.write_text(page(findings.evidence()), encoding="utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        shown = browser.new_page(viewport={"width": wide, "height": 800}, color_scheme=scheme)
        said: list[str] = []
        shown.on("console", lambda message: said.append(message.text))
        shown.on("request", lambda request: said.append(request.url))
        shown.goto(file.as_uri())
        assert said == [file.as_uri()]
        assert shown.evaluate("document.documentElement.scrollWidth") == wide
        shown.get_by_text("How do I turn the key of service 5?").click()
        assert shown.get_by_text("Turn it 5 times.").first.is_visible()
        back = "getComputedStyle(document.body).backgroundColor"
        assert (
            shown.evaluate(back)
            == {"dark": "rgb(22, 21, 24)", "light": "rgb(246, 245, 248)"}[scheme]
        )
        browser.close()
