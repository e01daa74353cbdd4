"""A question in words → a ``Query``: what was meant, where it stood, and what was not understood.

The order matters: accessions and conditions are read first and leave the text; then one arbiter gives every other
place to the longest name of any kind; then "not", "or" and "versus" are read between the names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from ..errors import QuestionError
from ..query import Query, Span, Term
from . import grammar
from .concepts import word_list
from .entities import Found, Reading, find
from .filters import OF_PEOPLE, YOUNG, Conditions, conditions
from .text import Token, key, singular, tokens

if TYPE_CHECKING:
    from .lookup import Vocabulary

MAX_LENGTH = 2_000
# Of these the more exact of two terms is what was meant; a tissue and its part may both be.
_WITH_KINDS = ("disease", "assay")
_ACCESSION = re.compile(r"(?<![A-Za-z0-9])(GSE|GDS|GSM|GPL)[ -]?(\d{1,9})(?![A-Za-z0-9])", re.IGNORECASE)
# Accessions of other archives, which a search for studies takes as plain words.
_ELSEWHERE = (
    (re.compile(r"\bPRJ(?:NA|EB|DB)\d+\b", re.IGNORECASE), "a BioProject"),
    (re.compile(r"\b[SED]R[APRSXZ]\d{5,}\b", re.IGNORECASE), "the Sequence Read Archive"),
    (re.compile(r"\bE-[A-Z]{4}-\d+\b", re.IGNORECASE), "ArrayExpress"),
    (re.compile(r"\bPMID:?\s*\d+", re.IGNORECASE), "PubMed"),
)
# Both alleles are gone.
_NULL_ALLELES = re.compile(r"(?<=\w)(?:\s?\(?[-−–]/[-−–]\)?)")
# A number, with or without its unit: "24h", "10nM".
_AMOUNT = re.compile(r"\d+(h|hr|hrs|d|min|nm|um|mum|mm|mg|ug|mug|ng|ml|kg|gy)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def understand(text: str, *, today: date | None = None, vocabulary: Vocabulary | None = None) -> Query:
    """The question as it was understood.

    ``today`` is what "the last 5 years" counts from. QuestionError if the text is empty, longer than 2,000
    characters, holds control characters or no word at all, or if its conditions contradict one another.
    """
    text = _readable(text)
    if vocabulary is None:
        from .lookup import vocabulary as embedded

        vocabulary = embedded()
    free, accessions, platforms, places = _take_accessions(text)
    read = conditions(free, today or date.today(), names=_names_of_people(text, free, vocabulary))
    for start, end in read.spans:
        free = _blank(free, start, end)
    places = tuple(sorted((*places, *read.spans)))
    words = [token for token in tokens(text) if free[token.start : token.end].strip("\0") == token.text]
    reading = find(words, free, vocabulary)
    query = _query(_Parts(text, free, words, reading, read), vocabulary)
    query = replace(query, accessions=accessions, platforms=platforms, condition_spans=places)
    return _judged(
        replace(query, notes=(*vocabulary.notes, *reading.notes, *query.notes), vocabulary=vocabulary.version)
    )


def _readable(text: str) -> str:
    if not isinstance(text, str):
        raise QuestionError(f"a question is text, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise QuestionError(
            f"the question has {len(text):,} characters; the limit is {MAX_LENGTH:,}: ask in a sentence or two"
        )
    text = text.strip()
    if not text:
        raise QuestionError(
            "the question is empty; ask for example: breast cancer, human, RNA-seq, at least 6 samples"
        )
    unreadable = _CONTROL.search(text) or re.search(r"[\ud800-\udfff]", text)
    if unreadable:
        raise QuestionError(
            f"the question holds the control character {unreadable[0]!r} at {unreadable.start()}"
        )
    if not re.search(r"[^\W_]", text):
        raise QuestionError(f"there is no word in {text[:40]!r}; name a disease, tissue, gene, drug or assay")
    return text


def _take_accessions(text: str) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[Span, ...]]:
    """The text without accessions, those of records, those of platforms (which are a condition), and their places."""
    found = [(match, match[1].upper() + match[2]) for match in _ACCESSION.finditer(text)]
    for match, _ in found:
        text = _blank(text, *match.span())
    names = tuple(dict.fromkeys(name for _, name in found))
    platforms = tuple(name for name in names if name.startswith("GPL"))
    records = tuple(name for name in names if not name.startswith("GPL"))
    return text, records, platforms, tuple(match.span() for match, _ in found)


def _names_of_people(text: str, free: str, vocabulary: Vocabulary) -> list[Span]:
    """Places of names that hold a word for a sex or an age: "male infertility" asks for no men."""
    if not OF_PEOPLE.search(text):
        return []
    named = [item.term for item in find(tokens(text), free, vocabulary).found if item.last > item.first]
    return [
        term.span
        for term in named
        if OF_PEOPLE.search(term.text) and not _is_known_without(YOUNG, term.text, vocabulary)
    ]


def _is_known_without(pattern: re.Pattern[str], name: str, vocabulary: Vocabulary) -> bool:
    """Whether the rest of a name is one too: "pediatric ALL" is ALL, and an age; neonatal jaundice is no age."""
    rest = pattern.sub("", name)
    return rest != name and bool(vocabulary.names([key([word.norm for word in tokens(rest)])]))


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + "\0" * (end - start) + text[end:]


class _Parts(NamedTuple):
    """What was read so far; ``free`` is the text without what is read already, place by place."""

    text: str
    free: str
    words: list[Token]
    reading: Reading
    read: Conditions


def _query(parts: _Parts, vocabulary: Vocabulary) -> Query:
    text, free, words, reading, read = parts
    negated = grammar.negated_spans(free)
    found = _meant(parts)
    compared = grammar.comparison(free, words, found)
    plain, ignored = _plain_words(words, reading, free, negated)
    named = [*(item.term for item in found), *_knockouts(free, vocabulary)]
    terms = sorted([*named, *plain], key=lambda term: term.span)
    sides = compared.spans if compared else ()
    kept = _without_generic([term for term in terms if not _inside(term, negated)], sides, vocabulary)
    groups = grammar.alternatives(free, kept)
    return Query(
        text=text,
        terms=_distinct(replace(term, group=group) for term, group in zip(kept, groups, strict=True)),
        min_samples=read.min_samples,
        max_samples=read.max_samples,
        min_per_group=read.min_per_group,
        published_from=read.published_from,
        published_to=read.published_to,
        compare=(compared.tested, compared.reference) if compared else None,
        compare_spans=compared.spans if compared else (),
        ignored=ignored,
        notes=(*read.notes, *([compared.note] if compared and compared.note else [])),
        excluded=_distinct(term for term in terms if _inside(term, negated)),
        sex=read.sex,
        age=read.age,
        has_raw=read.has_raw,
        has_counts=read.has_counts,
    )


def _meant(parts: _Parts) -> list[Found]:
    """What was found, without the disease of "non-diabetic" and the leaf of "leave out"."""
    saying_no = grammar.negating_words(parts.free)
    return [
        item
        for item in parts.reading.found
        if not _after_non(parts.words, item.first, parts.free) and not _inside(item.term, saying_no)
    ]


def _knockouts(text: str, vocabulary: Vocabulary) -> list[Term]:
    """What "-/-" after a gene says."""
    signs = _NULL_ALLELES.search(text)
    known = find(tokens("knockout"), "knockout", vocabulary).found if signs else ()
    return [replace(item.term, text=signs[0], span=signs.span()) for item in known if signs]


def _without_generic(terms: Sequence[Term], sides: Sequence[Span], vocabulary: Vocabulary) -> list[Term]:
    """Terms without what another term says more exactly: "gene expression by RNA-seq", "influenza infection".

    What is a side of a comparison stays: "NAFLD versus NASH" names both, though a "tumour versus normal" names nothing.
    """

    def generic(term: Term) -> bool:
        if term.kind == "assay" and any(
            other.kind == "assay" and set(other.types) < set(term.types) for other in terms if other.types
        ):
            return True
        below = set(vocabulary.narrower(term.id)) if term.id and term.kind in _WITH_KINDS else set()
        return any(other.label in below for other in terms if other.kind == term.kind)

    return [term for term in terms if (_inside(term, sides) and term.narrower) or not generic(term)]


def _plain_words(
    words: Sequence[Token], reading: Reading, text: str, negated: Sequence[tuple[int, int]]
) -> tuple[list[Term], tuple[str, ...]]:
    """Words that name nothing known: those to search for, and those that carry no condition."""
    kept: list[Term] = []
    ignored: list[str] = []
    for first, last in _runs(words, reading, text):
        start, end = words[first].start, words[last].end
        denied = any(low <= start < high for low, high in negated)
        if _carries_nothing(words[first : last + 1], denied=denied):
            ignored.append(text[start:end])
        elif denied and kept and kept[-1].span[1] + 1 == start and _inside(kept[-1], negated):
            kept[-1] = _word(text, kept[-1].span[0], end)
        else:
            kept.append(_word(text, start, end))
    return kept, tuple(dict.fromkeys(ignored))


def _word(text: str, start: int, end: int) -> Term:
    return Term(text[start:end], "word", text[start:end], span=(start, end))


def _runs(words: Sequence[Token], reading: Reading, text: str) -> Iterator[tuple[int, int]]:
    """Words that no name covers; words joined by hyphens are one: "MIP-2", "non-smokers", "knock-in"."""
    i = 0
    while i < len(words):
        last = i
        while last + 1 < len(words) and text[words[last].end : words[last + 1].start] in ("-", "‐", "‑"):
            if (last + 1 in reading.covered or last in reading.covered) and words[i].norm != "non":
                break
            last += 1
        if i not in reading.covered:
            yield i, last
        i = last + 1


def _after_non(words: Sequence[Token], place: int, text: str) -> bool:
    """Whether a word is the second half of "non-diabetic", which is a word of its own and not the disease."""
    if not place or words[place - 1].norm != "non":
        return False
    return text[words[place - 1].end : words[place].start] == "-"


def _carries_nothing(run: Sequence[Token], *, denied: bool) -> bool:
    """Whether a run of words is no condition. Said no to, "cell lines" is one, though "cell" alone is none."""
    norms = [word.norm for word in run]
    if denied:
        denying = word_list("denying_words")
        return all(norm in denying or singular(norm) in denying for norm in norms)
    stop = word_list("stopwords")
    return all(
        norm in stop
        or singular(norm) in stop
        or len(norm) < 2
        or _AMOUNT.fullmatch(norm)
        or grammar.is_group_word(norm)
        for norm in norms
    )


def _inside(term: Term, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= term.span[0] < end for start, end in spans)


def _distinct(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Terms without those that name the same thing again."""
    first: dict[tuple[str, str], Term] = {}
    for term in terms:
        first.setdefault((term.kind, term.label.casefold()), term)
    return tuple(first.values())


def _judged(query: Query) -> Query:
    """The query with its intent, its confidence and what would make the question better."""
    named = [term for term in (*query.terms, *query.excluded) if term.kind != "word"]
    unknown = [term for term in query.terms if term.kind == "word"]
    intent = grammar.intent(
        query.text,
        has_accession=bool(query.accessions),
        compares=query.compare is not None,
        has_terms=bool(named),
    )
    confidence, reasons = _confidence(query, named, unknown)
    return replace(
        query,
        intent=intent,
        confidence=confidence,
        confidence_reasons=reasons,
        suggestions=_suggestions(query, named),
    )


def _confidence(
    query: Query, named: Sequence[Term], unknown: Sequence[Term]
) -> tuple[float, tuple[str, ...]]:
    """The share of what was said that was understood, less a tenth for each guess."""
    understood = len(named) + len(query.accessions) + len(query.platforms)
    understood += sum(
        value is not None for value in (query.published_from, query.published_to, query.compare)
    )
    understood += sum(bool(value) for value in (query.min_samples, query.max_samples, query.min_per_group))
    guesses = [note for note in query.notes if " is read as " in note and "published" not in note]
    if not understood:
        return 0.1, ("Nothing in the question is known to the vocabulary; it is searched as plain words.",)
    share = understood / (understood + len(unknown))
    reasons = [f"{understood} of {understood + len(unknown)} things in the question were recognised."]
    if unknown:
        reasons.append("Searched as plain words: " + ", ".join(term.text for term in unknown) + ".")
    if guesses:
        reasons.append(f"{len(guesses)} readings are guesses.")
    return round(max(share - 0.1 * len(guesses), 0.1), 2), tuple(reasons)


def _suggestions(query: Query, named: Sequence[Term]) -> tuple[str, ...]:
    kinds = {term.kind for term in named}
    if query.accessions:
        return ()
    wanted = [
        f"{match[0]} is of {archive}, not of GEO: name the GSE that belongs to it."
        for pattern, archive in _ELSEWHERE
        for match in pattern.finditer(query.text)
    ]
    if not kinds & {"disease", "tissue", "cell_type", "cell_line", "gene", "drug"}:
        wanted.append("Name a disease, tissue, cell type, gene or drug.")
    if not kinds & {"organism", "cell_line"}:
        wanted.append("Name an organism, for example: human.")
    if "assay" not in kinds:
        wanted.append("Name an assay, for example: RNA-seq or microarray.")
    if (
        re.search(r"\b(recent|new|newest|latest|modern)\b", query.text, re.IGNORECASE)
        and not query.published_from
    ):
        wanted.append('Say how recent, for example: "since 2020".')
    if re.search(r"\b(large|big|many samples|small)\b", query.text, re.IGNORECASE) and not query.min_samples:
        wanted.append('Say how large, for example: "at least 20 samples".')
    return tuple(wanted)
