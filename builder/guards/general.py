"""A number in; so many general prompts, the same ones every time, out: what a base is asked to rehearse.

Made from frames and topics, none of which is among the probes: what is rehearsed must not be what is measured.
"""

from __future__ import annotations


def prompts(most: int) -> list[str]:
    """The first `most`, every frame in turn, each time with another topic."""
    frames = [(frame, topics) for frame, topics in _FRAMES]
    found: list[str] = []
    for turn in range(max(len(topics) for _, topics in frames)):
        found += [
            frame.format(topics[(turn + place) % len(topics)])
            for place, (frame, topics) in enumerate(frames)
            if turn < len(topics)
        ]
    return found[:most]


_THINGS = (
    "a compass", "a bridge", "a candle", "a glacier", "a keyboard", "a market", "a volcano",
    "a violin", "an island", "a passport", "a telescope", "a garden",
)  # fmt: skip
_SUBJECTS = (
    "gravity", "inflation", "evolution", "electricity", "democracy", "the internet", "recycling",
    "sleep", "climate", "music", "insurance", "friendship",
)  # fmt: skip
_DEEDS = (
    "paint a wall", "learn a language", "plan a journey", "write a letter of complaint",
    "bake bread", "repair a bicycle tyre", "prepare a talk", "save electricity", "train a dog",
    "plant a tree", "read more", "keep a diary",
)  # fmt: skip
_SENTENCES = (
    "The shop opens at ten.", "We have lost the key.", "My sister plays the piano.",
    "It will snow tomorrow.", "The soup is too hot.", "Nobody called me yesterday.",
    "They are building a new school.", "This road leads to the sea.",
    "He forgot his umbrella on the bus.", "The children are asleep.",
    "I bought two tickets.", "Her answer surprised us.",
)  # fmt: skip
_SUMS = (
    "14 plus 38", "90 minus 27", "12 times 6", "81 divided by 9", "half of 76", "23 plus 49",
    "7 times 13", "100 minus 64", "a third of 51", "15 times 4", "250 plus 125", "99 divided by 11",
)  # fmt: skip
_PAIRS = (
    "tea and coffee", "a lake and a sea", "a novel and a poem", "copper and iron",
    "a village and a city", "rent and a loan", "a crocodile and a lizard", "jazz and opera",
    "a lawyer and a judge", "fog and smoke", "a bus and a tram", "rice and wheat",
)  # fmt: skip
_FRAMES = (
    ("What is {}?", _THINGS),
    ("Explain {} in two sentences.", _SUBJECTS),
    ("Give three tips: how do I {}?", _DEEDS),
    ("What is {}", tuple(f"{one}?" for one in _SUMS)),
    ("What is the difference between {}?", _PAIRS),
    ("Translate into French: {}", _SENTENCES),
    ("Write a sentence about {}.", _THINGS),
    ("Why does {} matter?", _SUBJECTS),
    ("Make this a question: {}", _SENTENCES),
    ("List what I need to {}.", _DEEDS),
    ("Rewrite in the past tense or the future: {}", _SENTENCES),
    ("Name one advantage and one drawback of {}.", _SUBJECTS),
    ("Write two lines that rhyme about {}.", _THINGS),
    ("Is {} hard? Answer in one sentence.", tuple(f"it to {one}" for one in _DEEDS)),
    ("Which of {} is older? Say why.", _PAIRS),
)
