"""A study as a document of the index, and back.

``text`` holds the stems of all fields, so that a phrase is found wherever it stands; which field it was is read again
from the study itself, which is stored whole, for those few that are shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..records import StudyHeader
from .conditions import day
from .ranking import by_number
from .recognise import Recognised, recognise, version
from .text import field_texts, stems_of

if TYPE_CHECKING:
    import tantivy

#: Goes up when what is kept of a study changes; an index of another format is refused.
FORMAT = 1
_APART = "¦"
_RAW = ("accession", "concepts", "organism_key", "type_key")
_TUPLES = ("organisms", "types", "platforms", "sample_texts", "relations")


@dataclass(frozen=True, slots=True)
class Entry:
    """A study in the index: ``source`` can fetch it (None where nobody said which), ``concepts`` were recognised.

    ``stems`` are those of its ``field_texts``.
    """

    header: StudyHeader
    source: str | None
    synthetic: bool
    concepts: tuple[str, ...] = ()
    stems: tuple[list[str], ...] = ()


@lru_cache(maxsize=1)
def schema() -> tantivy.Schema:
    """The fields of the index."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="whitespace", index_option="position")
    builder.add_text_field("title", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("phrases", tokenizer_name="whitespace", index_option="freq")
    for name in _RAW:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("organism", "type", "platform", "tissue", "disease", "source", "vocabulary"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    for name in ("n_samples", "published"):
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in ("year", "number", "digest", "n_words"):
        builder.add_integer_field(name, fast=True)
    builder.add_boolean_field("has_values", indexed=True)
    builder.add_bytes_field("study", stored=True)
    return builder.build()


def document(entry: Entry, digest: int) -> tantivy.Document:
    """The study as the index keeps it."""
    import tantivy

    header = entry.header
    stems = [stems_of(text) for text in field_texts(header).values()]
    known = recognise(header, stems)
    texts = [" ".join(words) for words in stems]
    n_words = sum(len(words) - words.count("") for words in stems)
    document = tantivy.Document(
        accession=header.accession,
        text=f" {_APART} ".join(texts).replace("  ", f" {_APART} "),
        title=texts[0],
        phrases=" ".join(known.phrases),
        concepts=list(known.identifiers),
        organism=list(header.organisms),
        organism_key=[name.casefold() for name in header.organisms],
        type=list(header.types),
        type_key=[name.casefold() for name in header.types],
        platform=list(header.platforms),
        tissue=list(dict.fromkeys(known.tissues)),
        disease=list(dict.fromkeys(known.diseases)),
        source=entry.source or "",
        vocabulary=version(),
        n_samples=header.n_samples,
        published=day(header),
        number=by_number(header.accession)[1],
        digest=digest,
        n_words=n_words,
        has_values=header.has_values,
    )
    if header.published:
        document.add_integer("year", header.published.year)
    document.add_bytes("study", _stored(entry, known, texts))
    return document


def digest_of(entry: Entry) -> int:
    """A number that is another one as soon as anything that the index keeps of the study is another."""
    fields = (FORMAT, version(), entry.source, entry.synthetic, *_fields(entry.header).values())
    # Each value after its length, each list after its own, so that no two studies give the same text.
    texts = [
        text
        for value in fields
        for text in ((str(len(value)), *value) if isinstance(value, tuple) else (str(value),))
    ]
    counted = "".join(f"{len(text)} {text}" for text in texts)
    return int.from_bytes(blake2b(counted.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)


def entry_of(document: tantivy.Document) -> Entry:
    """The study that ``document`` made a document of."""
    stored = json.loads(document.get_first("study"))  # type: ignore[arg-type]
    return Entry(
        header_of(stored["header"]),
        stored["source"],
        stored["synthetic"],
        tuple(stored["concepts"]),
        tuple(text.split(" ") if text else [] for text in stored["stems"]),
    )


def header_of(fields: dict[str, Any]) -> StudyHeader:
    """A header from its fields as JSON holds them."""
    known: dict[str, Any] = {name: tuple(fields[name]) for name in _TUPLES}
    known["published"] = date.fromisoformat(fields["published"]) if fields["published"] else None
    return StudyHeader(**(fields | known))


def _stored(entry: Entry, known: Recognised, texts: Sequence[str]) -> bytes:
    stored = {
        "header": _fields(entry.header),
        "source": entry.source,
        "synthetic": entry.synthetic,
        "concepts": known.identifiers,
        "stems": texts,
    }
    return json.dumps(stored, ensure_ascii=False).encode("utf-8", "replace")


def _fields(header: StudyHeader) -> dict[str, Any]:
    return {name: getattr(header, name) for name in StudyHeader.__slots__} | {
        "published": header.published.isoformat() if header.published else None
    }
