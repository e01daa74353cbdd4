"""A study as a document of the index, and back.

``text`` holds the stems of all fields, so that a phrase is found wherever it stands; which field it was is read again
from the study itself, which is stored whole, for those few that are shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from ..records import StudyHeader
from .conditions import day
from .ranking import by_number
from .recognise import recognise, version
from .text import Stems, stems_in

if TYPE_CHECKING:
    import tantivy

#: Goes up when what is kept of a study changes; an index of another format is refused.
FORMAT = 3
_APART = " ¦ "
_TUPLES = ("organisms", "types", "platforms", "sample_texts", "relations", "files")


@dataclass(frozen=True, slots=True)
class Entry:
    """A study in the index: ``source`` can fetch it (None where nobody said which), ``concepts`` were recognised."""

    header: StudyHeader
    source: str | None
    synthetic: bool
    concepts: tuple[str, ...]
    stems: Stems


class Given(NamedTuple):
    """A study to be put into the index: what is kept of it as it was given, and a number that is another one as soon
    as anything of that is another.
    """

    header: StudyHeader
    source: str | None
    written: bytes
    digest: int


@lru_cache(maxsize=1)
def schema() -> tantivy.Schema:
    """The fields of the index."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="whitespace", index_option="position")
    builder.add_text_field("title", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("phrases", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("accession", tokenizer_name="raw", index_option="basic", fast=True)
    for name in ("concepts", "organism_key", "type_key"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("organism", "type", "platform", "tissue", "disease", "source", "vocabulary"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    for name in ("n_samples", "published"):
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in ("year", "number", "digest", "n_words"):
        builder.add_integer_field(name, fast=True)
    builder.add_boolean_field("has_values", indexed=True)
    for name in ("given", "found"):
        builder.add_bytes_field(name, stored=True)
    return builder.build()


def given(header: StudyHeader, source: str | None, *, synthetic: bool) -> Given:
    """A study as it is put into the index from ``source``."""
    written = json.dumps([source, synthetic, _fields(header)], ensure_ascii=False).encode("utf-8", "replace")
    made_by = f"{FORMAT} {version()} ".encode()
    digest = int.from_bytes(blake2b(made_by + written, digest_size=8).digest(), signed=True)
    return Given(header, source, written, digest)


def document(study: Given) -> tantivy.Document:
    """The study as the index keeps it."""
    import tantivy

    header = study.header
    stems = stems_in(header)
    known = recognise(header, stems)
    text = " ".join(stems.words)
    document = tantivy.Document(
        accession=header.accession,
        text=text.replace("  ", _APART),
        title=" ".join(stems.of("title")),
        phrases=" ".join(known.phrases),
        concepts=list(known.identifiers),
        organism=list(header.organisms),
        organism_key=[name.casefold() for name in header.organisms],
        type=list(header.types),
        type_key=[name.casefold() for name in header.types],
        platform=list(header.platforms),
        tissue=list(dict.fromkeys(known.tissues)),
        disease=list(dict.fromkeys(known.diseases)),
        source=study.source or "",
        vocabulary=version(),
        n_samples=header.n_samples,
        published=day(header),
        number=by_number(header.accession)[1],
        digest=study.digest,
        n_words=stems.n_words,
        has_values=header.has_values,
    )
    if header.published:
        document.add_integer("year", header.published.year)
    document.add_bytes("given", study.written)
    found = json.dumps([known.identifiers, stems.starts, text], ensure_ascii=False)
    document.add_bytes("found", found.encode("utf-8", "replace"))
    return document


def entry_of(document: tantivy.Document) -> Entry:
    """The study that ``document`` made a document of."""
    source, synthetic, fields = json.loads(document.get_first("given"))  # type: ignore[arg-type]
    concepts, starts, text = json.loads(document.get_first("found"))  # type: ignore[arg-type]
    stems = Stems(text.split(" "), tuple(starts))
    return Entry(_header(fields), source, synthetic, tuple(concepts), stems)


def _header(fields: dict[str, Any]) -> StudyHeader:
    for name in _TUPLES:
        fields[name] = tuple(fields[name])
    if fields["published"]:
        fields["published"] = date.fromisoformat(fields["published"])
    return StudyHeader(**fields)


def _fields(header: StudyHeader) -> dict[str, Any]:
    fields = {name: getattr(header, name) for name in StudyHeader.__slots__}
    fields["published"] = header.published.isoformat() if header.published else None
    return fields
