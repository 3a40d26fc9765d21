"""Rows in; the topics that they are about, each with the words that set it apart, out.

TF-IDF vectors, reduced by singular value decomposition (latent semantic analysis, Deerwester et al.
1990), in k-means clusters; a cluster is named by the words that weigh most in its centre.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder.dataset import Row
from lorekeeper.redact import PLACEHOLDER

FEWEST = 12  # rows; fewer are read faster than clustered
MOST = 12  # topics, more of which nobody reads
DIMENSIONS = 50
DECIMALS = 4  # to which two rows are the same point
WORD = r"(?u)\b[^\W\d]\w{2,}\b"
NAMED_BY = 4  # words
_NOISE = re.compile(r"https?://\S+|<[^>\s]+>|```|`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    name: str  # its most telling words
    pairs: tuple[int, ...]


def topics(rows: Sequence[Row]) -> tuple[Topic, ...]:
    """Topics, the largest first; none for few rows, or where the rows share no words."""
    if len(rows) < FEWEST:
        return ()
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    words = TfidfVectorizer(
        stop_words="english",
        token_pattern=WORD,
        min_df=2,
        max_df=0.5,
        sublinear_tf=True,
        max_features=5000,
    )
    try:
        weights = words.fit_transform([_text(row) for row in rows])
    except ValueError:  # no word is in two rows and not in half of them
        return ()
    size = min(DIMENSIONS, weights.shape[1] - 1)
    if size < 2:
        return ()
    reduced = make_pipeline(TruncatedSVD(size, random_state=0), Normalizer(copy=False))
    points = reduced.fit_transform(weights)
    different = len({tuple(point) for point in points.round(DECIMALS)})
    count = min(MOST, different, max(2, round(math.sqrt(len(rows) / 2))))
    chosen = KMeans(count, n_init=3, random_state=0).fit_predict(points)
    names = words.get_feature_names_out()
    found = []
    for cluster in range(count):
        inside = [at for at, one in enumerate(chosen) if one == cluster]
        if inside:
            centre = weights[inside].mean(axis=0).A1
            telling = [str(names[at]) for at in centre.argsort()[::-1][:NAMED_BY] if centre[at] > 0]
            found.append(
                Topic(name=", ".join(telling), pairs=tuple(rows[at].pair_id for at in inside))
            )
    return tuple(sorted(found, key=lambda topic: -len(topic.pairs)))


def _text(row: Row) -> str:
    return _NOISE.sub(" ", PLACEHOLDER.sub(" ", f"{row.question} {row.question} {row.answer}"))
