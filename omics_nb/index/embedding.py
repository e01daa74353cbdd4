"""Optional: the order of hits fused with that of an embedder, shown as a score of its own.

An embedder is anything that makes vectors of texts: a function around a local model, or ``Embeddings`` for what answers
at OpenAI's ``/v1/embeddings`` (https://platform.openai.com/docs/api-reference/embeddings). Both orders are fused by
reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009), which needs no common scale.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ..errors import MissingExtraError, ModelError
from ..records import Hit, Hits

#: Texts → a vector for each, all of one length.
Embedder = Callable[[Sequence[str]], Sequence[Sequence[float]]]
#: So many hits, or this times the limit, are put in order together.
AT_LEAST, TIMES = 50, 3
_RANK = 60  # Cormack's k: how little the very first places count
_MOST_CHARACTERS = 4_000
_BATCH = 64
_TIMEOUT_S = 60.0
_BASE_URLS = {"openai": "https://api.openai.com/v1", "ollama": "http://127.0.0.1:11434/v1"}


@dataclass(frozen=True, slots=True)
class Embeddings:
    """An embedder at ``BASE_URL/embeddings``. A key goes only over https, or to this machine."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text; ModelError where they cannot be had."""
        import httpx

        url = self.base_url.rstrip("/") + "/embeddings"
        parts = urlsplit(url)
        if (
            self.api_key
            and parts.scheme != "https"
            and parts.hostname not in ("127.0.0.1", "::1", "localhost")
        ):
            raise ModelError(f"an API key must not travel unencrypted to {url}", model=self.model)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        found: list[list[float]] = []
        try:
            with httpx.Client(timeout=_TIMEOUT_S, headers=headers) as http:
                for first in range(0, len(texts), _BATCH):
                    batch = list(texts[first : first + _BATCH])
                    reply = http.post(url, json={"model": self.model, "input": batch})
                    reply.raise_for_status()
                    found += _vectors(reply.json(), len(batch))
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{url} gave no embeddings: {error}", model=self.model) from error
        return found


@dataclass(frozen=True, slots=True)
class Local:
    """An embedder on this machine, by sentence-transformers (https://sbert.net): a model's name or its folder."""

    model: str

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text. MissingExtraError without the library, ModelError where it has no such model."""
        encoded = _sentence_transformer(self.model).encode(list(texts))
        return [[float(value) for value in vector] for vector in encoded]


@lru_cache(maxsize=2)
def _sentence_transformer(model: str) -> Any:
    try:
        library = import_module("sentence_transformers")
    except ImportError as error:
        raise MissingExtraError(
            f"a local embedder needs a library: pip install sentence-transformers ({error})"
        ) from error
    try:
        return library.SentenceTransformer(model)
    except (OSError, ValueError) as error:
        raise ModelError(f"sentence-transformers cannot open {model!r}: {error}", model=model) from error


def open_embedder(spec: str) -> Embedder:
    """The embedder ``PROVIDER:MODEL``: openai (or what speaks as it does), ollama, or local.

    The first two are at ``OPENAI_BASE_URL`` and ``OLLAMA_BASE_URL`` where these are set, the key of the first is
    ``OPENAI_API_KEY``. ModelError for another provider.
    """
    provider, _, model = spec.partition(":")
    if model and provider == "local":
        return Local(model)
    if model and provider in _BASE_URLS:
        base_url = os.environ.get(f"{provider.upper()}_BASE_URL") or _BASE_URLS[provider]
        return Embeddings(base_url, model, os.environ.get("OPENAI_API_KEY") if provider == "openai" else None)
    known = ", ".join([*_BASE_URLS, "local"])
    raise ModelError(f"no embedder {spec!r}; write PROVIDER:MODEL with one of {known}", model=spec)


def _vectors(said: Any, n: int) -> list[list[float]]:
    rows = sorted(said["data"], key=lambda row: row["index"])
    vectors = [[float(value) for value in row["embedding"]] for row in rows]
    if len(vectors) != n:
        raise ValueError(f"{len(vectors)} vectors for {n} texts")
    return vectors


def fuse(hits: Hits, embedder: Embedder, *, limit: int) -> Hits:
    """The hits in the order of both, the first ``limit``; ``embedding`` of each is its cosine to the question.

    Where the embedder fails the order is as it was, with a note that says why.
    """
    if not hits:
        return hits
    try:
        similar = _similarities(hits, embedder)
    except ModelError as error:
        notes = (*hits.notes, f"Ordered without embeddings: {error}.")
        return replace(hits, hits=hits.hits[:limit], notes=notes)
    by_meaning = sorted(range(len(hits)), key=lambda n: -similar[n])
    place = {n: rank for rank, n in enumerate(by_meaning)}
    fused = sorted(range(len(hits)), key=lambda n: -(1 / (_RANK + n) + 1 / (_RANK + place[n])))
    said = f"The order is that of the sums 1 / ({_RANK} + rank), by score and by the embedding's cosine."
    chosen = [replace(hits[n], embedding=round(similar[n], 6)) for n in fused[:limit]]
    return replace(hits, hits=tuple(chosen), weights=(*hits.weights, said))


def _similarities(hits: Hits, embedder: Embedder) -> list[float]:
    texts = [hits.query.text, *map(_text, hits)]
    try:
        vectors = [list(map(float, vector)) for vector in embedder(texts)]
    except (ModelError, MissingExtraError):
        raise
    except Exception as error:  # a function of the user's: it may raise anything
        raise ModelError(f"the embedder failed: {type(error).__name__}: {error}") from error
    lengths = {len(vector) for vector in vectors}
    if len(vectors) != len(texts) or len(lengths) != 1 or not _finite(vectors):
        raise ModelError(
            f"the embedder gave {len(vectors)} vectors of lengths {sorted(lengths)} for {len(texts)} texts;"
            " it must give one of finite numbers for each, all of one length"
        )
    question, *others = vectors
    return [_cosine(question, other) for other in others]


def _finite(vectors: Sequence[Sequence[float]]) -> bool:
    return all(math.isfinite(value) for vector in vectors for value in vector)


def _text(hit: Hit) -> str:
    return f"{hit.title}\n{hit.summary}"[:_MOST_CHARACTERS]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    size = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / size if size else 0.0
