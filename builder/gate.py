"""An evaluation in; promote, keep or undecided, with the reasons in words and numbers, out. Pure.

Two kinds of tests speak. Those that must all say "better" need no correction: requiring each at 5 %
errs in at most 5 %. Of the guards any one may forbid, so that their p-values are corrected by Holm's
method. A guard that is not sure but sees more harm than is allowed leaves the run undecided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from builder.guards import bias, forgetting, memorisation, overfitting
from builder.guards.harm import Harm
from builder.preference.told import told as told_of_feedback
from lorekeeper.domain import Arm, Evaluation, Outcome, Verdict
from lorekeeper.paired import Difference, holm, paired
from lorekeeper.settings import Train

FEWEST = 8  # conversations; with fewer, one odd answer turns the verdict
POWER = 0.8  # chance that a true difference is seen, for "how many more questions"
NEVER = 2_000  # questions; a difference that needs more is none that a team can settle
WIDTH = 2 * 1.96  # of a 95 % interval, in standard errors

Finding = tuple[Outcome, str]


def judge(
    evaluation: Evaluation, rules: Train, *, serving: Sequence[float] | None = None
) -> Verdict:
    """Is tuned + retrieval better than base + retrieval, and than what is served now, and did nothing else suffer?

    `serving` is the loss of the adapter that is served, with retrieval, on the same questions;
    None where the base serves.
    """
    tuned = evaluation.arm(Arm.TUNED_RETRIEVAL).nll
    rivals: list[tuple[str, Sequence[float]]] = [
        ("base + retrieval", evaluation.arm(Arm.RETRIEVAL).nll)
    ]
    if serving is not None:
        rivals.append(("the adapter that is served now", serving))
    better = [
        _compare(name, paired(tuned, old, evaluation.conversations), rules) for name, old in rivals
    ]
    guarded = [*_too_few(evaluation), *_guards(evaluation, rules), *_learned_by_heart(evaluation)]
    guarded.sort(key=lambda finding: _ORDER.index(finding[0]))  # what speaks against it first
    findings = [*better, *guarded]
    return Verdict(
        outcome=min((outcome for outcome, _ in findings), key=_ORDER.index),
        reasons=(*(reason for _, reason in findings), *_remarks(evaluation)),
    )


_ORDER = (Outcome.KEEP, Outcome.UNDECIDED, Outcome.PROMOTE)


def _too_few(evaluation: Evaluation) -> list[Finding]:
    found = len(set(evaluation.conversations))
    if found >= FEWEST:
        return []
    told = (
        f"Only {found} conversations are held out; with fewer than {FEWEST}, nothing is promoted."
    )
    return [(Outcome.UNDECIDED, told)]


def _compare(name: str, found: Difference, rules: Train) -> Finding:
    told = (
        f"{found.mean:+.3f} nats per token against {name} "
        f"(95 % interval {found.low:+.3f} to {found.high:+.3f}, {found.questions} questions)"
    )
    if found.p_lower < rules.significance:
        return Outcome.PROMOTE, f"Better: {told}, p = {found.p_lower:.4f}."
    if found.p_higher < rules.significance:
        return Outcome.KEEP, f"Worse: {told}, p = {found.p_higher:.4f}."
    return Outcome.UNDECIDED, f"Too close to call: {told}.{_how_many_more(found, rules)}"


def _how_many_more(found: Difference, rules: Train) -> str:
    """How many held-out questions more would settle a difference of this size.

    The interval says how much of the spread is left once answers of one conversation count together; it
    narrows with the root of the number of questions.
    """
    error = (found.high - found.low) / WIDTH
    if not found.mean or not error:
        return ""
    normal = NormalDist()
    wanted = normal.inv_cdf(1 - rules.significance) + normal.inv_cdf(POWER)
    needed = math.ceil(found.questions * (wanted * error / found.mean) ** 2)
    if needed > NEVER:
        return (
            f" It is so small that more than {NEVER} held-out questions would be needed to see it."
        )
    more = max(1, needed - found.questions)
    return f" About {more} more held-out questions would settle a difference of this size."


def _guards(evaluation: Evaluation, rules: Train) -> list[Finding]:
    """What may have become worse, judged together; without the probes nothing can be promoted."""
    harms = [
        *forgetting.harms(evaluation, rules),
        *bias.harms(evaluation, rules),
        *memorisation.harms(evaluation, rules),
    ]
    counted = holm([one.p for one in harms])
    found = [_suffered(one, p, rules) for one, p in zip(harms, counted, strict=True)]
    if not evaluation.probes:
        found.append(
            (Outcome.UNDECIDED, "Forgetting was not measured, so nothing can be promoted.")
        )
    harmless = sum(outcome is Outcome.PROMOTE for outcome, _ in found)
    told = [finding for finding in found if finding[0] is not Outcome.PROMOTE]
    if harmless:
        told.append((Outcome.PROMOTE, _unharmed(harms, harmless)))
    return told


def _suffered(one: Harm, p: float, rules: Train) -> Finding:
    told = (
        f"{one.what}: {one.found.mean:+.3f} {one.unit} (95 % interval {one.found.low:+.3f} to "
        f"{one.found.high:+.3f}; allowed {one.allowed:+.3f})"
    )
    advice = f" For the next run: {one.advice}." if one.advice else ""
    if p < rules.significance:
        return Outcome.KEEP, f"It became worse: {told}, p = {p:.4f} after correction.{advice}"
    if one.found.mean > one.allowed and not one.is_settled_by_chance:
        return Outcome.UNDECIDED, f"It may have become worse: {told}.{advice}"
    return Outcome.PROMOTE, told


def _unharmed(harms: Sequence[Harm], harmless: int) -> str:
    """One sentence for all that is well, with what comes closest to its limit."""
    nearest = max(harms, key=lambda one: one.found.mean - one.allowed)
    if harmless < len(harms):
        return f"The other {harmless} of {len(harms)} guards found nothing beyond what is allowed."
    return (
        f"No guard of {len(harms)} found anything beyond what is allowed; nearest to its limit is "
        f"{nearest.what}: {nearest.found.mean:+.3f} {nearest.unit} (allowed {nearest.allowed:+.3f})."
    )


def _learned_by_heart(evaluation: Evaluation) -> list[Finding]:
    """A secret that comes out again is kept out, whatever else was gained."""
    found = evaluation.memorised
    if found is None or not found.secrets:
        return []
    told = (
        f"{found.secrets} of {len(found.trained.words)} training answers come out with what reads like a "
        "secret. Withdraw those pairs, change the secrets, and train anew."
    )
    return [(Outcome.KEEP, told)]


def _remarks(evaluation: Evaluation) -> list[str]:
    """What people should know, and what decides nothing."""
    return [
        *_recited(evaluation),
        *_placeholders(evaluation),
        *_overfitted(evaluation),
        *(told_of_feedback(evaluation.preference) if evaluation.preference else []),
    ]


def _recited(evaluation: Evaluation) -> list[str]:
    shares = memorisation.shares(evaluation)
    if shares["trained"] < memorisation.WARN or shares["trained"] <= shares["heldout"]:
        return []
    found = evaluation.memorised
    people = len(found.people) if found else 0
    return [
        f"Learned by heart: {shares['trained']:.0%} of the training answers asked for come out word for word "
        f"(held-out answers {shares['heldout']:.0%}, the base {shares['trained, base']:.0%}), "
        f"the words of {people} {'person' if people == 1 else 'people'}."
    ]


def _placeholders(evaluation: Evaluation) -> list[str]:
    found = evaluation.memorised
    if found is None or not found.placeholders:
        return []
    return [
        f"{found.placeholders} answers to training questions hold a placeholder of what was redacted, such as "
        "[email 1]: people will read it. Write these answers without it."
    ]


def _overfitted(evaluation: Evaluation) -> list[str]:
    gaps = overfitting.gaps(evaluation)
    if not gaps or gaps[0].trained_interval[0] <= gaps[0].heldout_interval[1]:
        return []
    parts = ", ".join(f"{gap.rows} {gap.size:.3f}" for gap in gaps)
    return [
        f"Overfitted: the loss fell by {gaps[0].trained:.3f} nats per token on training rows and by "
        f"{gaps[0].heldout:.3f} on held-out ones (the gap: {parts}). Fewer epochs, or a validation share, keep it smaller."
    ]
