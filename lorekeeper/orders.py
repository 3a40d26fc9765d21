"""A text from chat or a document in; the same text without the sentences that give orders to a model, out.

Whatever is retrieved is data. A sentence that speaks to the assistant ("ignore your instructions …")
is never shown to it, so that there is nothing to obey; a question that is such an order is refused.
Patterns find the known ways (OWASP's LLM01, "Prompt injection"); what they miss meets `serving.guard`,
and the rule that no passage is there that its reader may not see.
"""

from __future__ import annotations

import re
import unicodedata

from lorekeeper.text import sentences

LEFT_OUT = "[left out: it gave orders to the assistant]"

_RULES = r"(?:instruct\w*|prompts?|rules?|guidelines?|directions?|directives?|orders?|polic(?:y|ies)|restrictions?|safeguards?|filters?|constraints?|training)"
_SHOW = r"(?:reveal|show|print|repeat|output|display|tell|give|leak|dump|share|write|recite|quote|list|send|post|paste|disclose|spell|translate|summari[sz]e|encode|copy|expose|read|what(?:'s| is| are| was| were))"
_AI = (
    r"(?:ai|a\.i\.|assistants?|chat ?bots?|bots?|llms?|language models?|models?|agents?|lorekeeper)"
)
_SENSITIVE = r"(?:tokens?|passwords?|credentials?|api[ -]?keys?|secrets?|signing[ -]secret|env(?:ironment)? variables?|private keys?|gateway[ -]key)"

_ORDERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Away with the rules
        rf"\b(?:ignor\w*|disregard|forget|overrid\w*|bypass|skip|drop|violate|unlearn|cancel|discard|stop following)\b[^.!?\n]{{0,40}}\b(?:previous|prior|above|earlier|preceding|all|any|your|every|these|those|the system|former|original|initial)\b[^.!?\n]{{0,30}}\b{_RULES}\b",
        rf"\b(?:previous|prior|above|earlier|your|system) {_RULES}\b[^.!?\n]{{0,30}}\b(?:no longer|void|cancel\w*|obsolete|revoked|suspended|lifted|do(?:es)? not apply|don'?t apply)\b",
        rf"\b(?:new|updated|real|actual|important|secret|urgent|override) (?:system )?{_RULES}(?: for you)?\s*:",
        r"\bignor(?:iere?|ez|a|e)\b[^.!?\n]{0,30}\b(?:anweisungen|instructions|instrucciones|istruzioni|regeln|consignes)\b",
        r"\bvergiss\b[^.!?\n]{0,30}\b(?:anweisungen|regeln)\b",
        # What stands before the conversation
        rf"\b{_SHOW}\b[^.!?\n]{{0,50}}\b(?:system (?:prompt|message|instructions?)|(?:your|initial|hidden|original|secret|full|entire|developer) (?:system )?(?:{_RULES}|configuration|context|message)|prompt above|(?:everything|text|words|lines?|sentences?|all(?: of it)?|what(?: stands| is| was)?) (?:that is |that stands |written )?(?:above|before (?:this|the first|my)))\b",
        # Somebody else
        r"\byou(?: a|')re (?:now|no longer|actually|really)\b|\bfrom now on,? (?:you|act|answer|speak|respond|every|reply)\b",
        r"\b(?:pretend|imagine) (?:to be|that you|you(?: a|')re)\b|\b(?:role-?play|act|behave|respond|answer) as (?:if you|though you|an? (?:unrestricted|evil|different|uncensored|pirate|hacker|admin\w*|root)|dan\b|the admin|my|root)",
        r"\b(?:developer|debug|admin|god|sudo|maintenance|unrestricted|jailbreak|dan) mode\b|\bjailbreak\b|\bdo anything now\b",
        r"\b(?:i am|i'm|this is) (?:your|the) (?:developer|creator|admin\w*|owner|operator|maker|ceo|boss|system)\b",
        # A turn that nobody took
        r"<\s*\|?\s*/?(?:im_start|im_end|system|sys|eot_id|start_header_id|endoftext)\b|\[/?(?:inst|system|sys)\]|<<\s*/?sys\s*>>",
        r"(?:^|\n|[.!?]\s)\W*(?:system|assistant|developer|new task|instruction)s?\W*:\s*\S|(?:^|\n)#{2,}\s*(?:system|instruction|new task|assistant)",
        # Spoken to the model, not to the reader
        rf"\b(?:dear|attention|note (?:to|for)|message (?:to|for)|instructions? (?:to|for)|reminder (?:to|for)|hey|hello|to) (?:the |all |any |every |this )?{_AI}\b\W*(?:reading|:|,|that|which|who|—|-|$)",
        rf"\b(?:if|when(?:ever)?|as) (?:you(?: a|')re |you )?(?:an? |the )?{_AI}\b[^.!?\n]{{0,60}}(?:\b(?:must|should|say|answer|reply|respond|include|add|write|tell|print|do|read\w*|process\w*|summari\w+)\b)",
        rf"\b(?:the |this |any |every )?{_AI} (?:must|shall|should|has to|needs to|is to|will now)\b[^.!?\n]{{0,60}}\b(?:say|answer|reply|respond|include|add|write|tell|print|reveal|ignore|obey|follow|send|end|begin|recommend|call|praise)\b",
        # Secrets, and what was said elsewhere
        rf"\b{_SHOW}\b[^.!?\n]{{0,40}}\b(?:your|bot'?s?|slack|the (?:server|bot|system|host|gateway)'?s?|my colleague\w*)\b[^.!?\n]{{0,30}}\b{_SENSITIVE}\b",
        rf"\b{_SHOW}\b(?! (?:me |us )?how\b)[^.!?\n]{{0,60}}\b(?:private|secret|other|hidden|all|locked)(?: slack)? (?:channels?|groups?|conversations?|dms?|messages|direct messages)\b",
        rf"\b{_SHOW}\b[^.!?\n]{{0,60}}\b(?:said|wrote|posted|written|discussed)\b[^.!?\n]{{0,30}}\b(?:in (?:a |the |their |her |his |my |our )?(?:private|secret|dms?|direct messages?)|privately)\b",
        # Against people
        r"\b(?:call|insult|mock|ridicule|curse|swear at|humiliate|threaten|defame|abuse)\b[^.!?\n]{0,40}\b(?:idiots?|stupid|losers?|morons?|fools?|names|liars?|useless|incompetent|him|her|them|<@\w+>|everyone|everybody|colleagues?)\b",
        r"\b(?:say|tell|write|answer|reply|announce|claim)\b[^.!?\n]{0,50}\b(?:is|are) (?:an? |all )?(?:idiots?|stupid|losers?|morons?|fools?|liars?|thie(?:f|ves)|useless|incompetent|fired|ugly)\b",
        r"\b(?:tag|ping|notify|mention|alert|summon|wake)\b[^.!?\n]{0,30}(?:@?\b(?:everyone|channel|here|all members|everybody|the whole (?:team|company|workspace))\b|<!)",
        # Words on the way out
        r"\b(?:append|include|insert|embed|render|attach|add|end|begin|start|finish|put|place)\b[^.!?\n]{0,60}(?:!\[|\bmarkdown image\b|\binto (?:a|the) (?:link|url|image)\b|\b(?:a|this|the following) (?:link|image|url|sentence|phrase|word|text) (?:to|in|into|at|with)\b[^.!?\n]{0,20}\b(?:every|each|your|the) (?:answer|reply|response)|\b(?:every|each|your|all) (?:answers?|repl(?:y|ies)|responses?|sentences?)\b)",
        r"\b(?:base64|rot13|hex|morse|backwards|reversed)\b[^.!?\n]{0,60}\b(?:follow|execute|obey|do what|carry out|run it|act on|comply)\b|\b(?:decode|decrypt|deobfuscate)\b[^.!?\n]{0,60}\b(?:follow|execute|obey|do what|carry out|run|act on|comply)\b",
        r"\b(?:answer|reply|respond|say|write|output|print)\b[^.!?\n]{0,20}\b(?:only|exactly|nothing but|just|simply)\b[^.!?\n]{0,20}[\"'`“]?\b(?:pwned|hacked|owned|yes master|i obey|compromised)\b",
        r"\b(?:obey|comply with) (?:me|this|these|my|the following|every)\b|\bdo not (?:mention|reveal|tell)[^.!?\n]{0,40}\b(?:this (?:instruction|message|note|order)|you were told)\b",
    )
)  # fmt: skip

_HIDDEN = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_LOOKALIKE = str.maketrans(
    "аеорсухіјѕԁɡһӏοαερικνυτАВЕКМНОРСТХІЈЅ", "aeopcyxijsdghloaepiknutABEKMHOPCTXIJS"
)


def gives_orders(text: str) -> bool:
    """Whether it tells the assistant what to do, hidden characters and lookalikes aside."""
    seen = _as_seen(text)
    return any(pattern.search(seen) for pattern in _ORDERS)


def without_orders(text: str) -> str:
    """The text, with a mark in place of every sentence that gives orders; the same where none does.

    An order that only shows across sentences takes the whole text with it.
    """
    if not gives_orders(text):
        return text
    kept: list[str] = []
    for part in sentences(text):
        if not gives_orders(part):
            kept.append(part)
        elif not kept or kept[-1].strip() != LEFT_OUT:
            kept.append(f"{LEFT_OUT}\n" if part.endswith("\n") else f"{LEFT_OUT} ")
    clean = "".join(kept).strip()
    return LEFT_OUT if gives_orders(clean.replace(LEFT_OUT, "")) else clean


def _as_seen(text: str) -> str:
    """What a reader sees: compatibility forms folded, nothing hidden, Cyrillic and Greek lookalikes Latin."""
    folded = unicodedata.normalize("NFKC", _HIDDEN.sub("", text)).translate(_LOOKALIKE)
    return folded.replace("’", "'")
