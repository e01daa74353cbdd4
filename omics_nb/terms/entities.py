"""Names of things in a question: every kind competes, the longest name wins its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..query import Term
from .concepts import FILES, word_list
from .text import Token, key, singular, tokens

if TYPE_CHECKING:
    from .lookup import Name, Vocabulary

_MAX_WORDS = 8
_MIN_TYPO = 7
# What may stand between the words of one name: blanks, signs without blanks, or the comma of a name that has one.
_INSIDE = re.compile(r"\s+|[-‐‑–—_/.,+:'’()·]{1,2}|\s*[-‐‑–—]\s*|[+-] |, ")
# A plus, or a minus that no word follows: of a marker.
_SIGN = re.compile(r"(\+|[-−–](?=[\s,;)]|$))")
_ABBREVIATED = re.compile(r"\.\s*")
_PRIORITY = {kind: place for place, kind in enumerate(FILES.values())}
_COORDINATED = ("disease", "cell_type", "tissue")
_CONJUNCTIONS = ("and", "or")
_MAX_NARROWER = 60
_WITH_NARROWER = ("tissue", "cell_type", "disease")
# A disease with more kinds than this is a whole field: what names one of them is seldom what was asked for.
_BROAD = 40


@dataclass(frozen=True, slots=True)
class Found:
    """A term and the places of its first and last word among the words of the question."""

    term: Term
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The terms in the order of the question, notes on what was guessed, and the places that names have taken."""

    found: tuple[Found, ...]
    notes: tuple[str, ...] = ()
    covered: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Candidate:
    first: int
    last: int
    name: Name
    length: int


def find(words: Sequence[Token], text: str, vocabulary: Vocabulary) -> Reading:
    """Terms for the words; names do not overlap. One wrong letter in a long word is mended and noted."""
    norms = [word.norm for word in words]
    chosen = _arbitrate(_candidates(words, norms, text, vocabulary), vocabulary)
    mended = _mend(norms, chosen, vocabulary)
    notes: list[str] = []
    if mended:
        again = [mended.get(i, norm) for i, norm in enumerate(norms)]
        better = _arbitrate(_candidates(words, again, text, vocabulary), vocabulary)
        used = sorted({i for c in better for i in range(c.first, c.last + 1)} & set(mended))
        if used:
            chosen, norms = better, again
            notes = [f'"{words[i].text}" is read as "{mended[i]}".' for i in used]
    chosen = _share_heads(words, norms, text, chosen, vocabulary)
    found = [_found(candidate, words, text, vocabulary) for candidate in chosen]
    covered = frozenset(i for item in found for i in range(item.first, item.last + 1))
    return Reading(tuple(found), (*notes, *_guesses(chosen, vocabulary)), covered)


def _candidates(
    words: Sequence[Token], norms: Sequence[str], text: str, vocabulary: Vocabulary
) -> list[_Candidate]:
    spans = [(i, j) for i in range(len(words)) for j in range(i, _reach(words, text, i))]
    forms = {(i, j): _forms(norms[i : j + 1]) for i, j in spans}
    names = vocabulary.names(form for group in forms.values() for form in group)
    context = _context(text)
    return [
        _Candidate(i, j, name, len(form))
        for (i, j), group in forms.items()
        for form in group
        for name in names.get(form, ())
        if _fits(words[i : j + 1], norms[i : j + 1], text, name) and _meant(name, context, vocabulary)
    ]


def _reach(words: Sequence[Token], text: str, first: int) -> int:
    """One past the last word that may belong to a name beginning at ``first``."""
    last = first
    while last + 1 < len(words) and last - first + 1 < _MAX_WORDS:
        gap = text[words[last].end : words[last + 1].start]
        initial = len(words[last].norm) == 1 and _ABBREVIATED.fullmatch(gap)
        if not (initial or _INSIDE.fullmatch(gap)):
            break
        last += 1
    return last + 1


def _forms(norms: Sequence[str]) -> tuple[str, ...]:
    """Keys to try: as written, the last word singular, all words singular."""
    singulars = [singular(norm) for norm in norms]
    return tuple(dict.fromkeys((key(norms), key([*norms[:-1], singulars[-1]]), key(singulars))))


def _fits(words: Sequence[Token], norms: Sequence[str], text: str, name: Name) -> bool:
    """Capitals as the name asks for them, and blanks only where the name has a boundary."""
    start, end = words[0].start, words[-1].end
    if name.exact and (
        not text.startswith(name.name, start) or len(name.name) < end - start or text.isupper()
    ):
        return False
    if not _same_signs(words, text, name) or text.count(", ", start, end) > name.name.count(", "):
        return False
    length = 0
    for before, after, norm in zip(words, words[1:], norms, strict=False):
        length += len(norm)
        # A plural inside a name shifts the boundary by its ending.
        if text[before.end : after.start].isspace() and not name.breaks & {length, length - 1, length - 2}:
            return False
    return True


def _same_signs(words: Sequence[Token], text: str, name: Name) -> bool:
    """Whether ER+ is asked of an "ER+ …", and an ER- is not taken for an ER.

    A minus counts only where it ends a marker (CD4-, HER2-) and is neither a hyphen nor the first half of "-/-".
    """
    if (
        "+" not in name.name
        and "-" not in name.name
        and not _SIGN.search(text, words[0].end, words[-1].end + 2)
    ):
        return True
    asked, here = _signs(tokens(name.name), name.name), _signs(words, text)
    minus = {place for place, sign in here.items() if sign == "-"}
    return minus == {place for place, sign in asked.items() if sign == "-"}


def _signs(words: Sequence[Token], text: str) -> dict[int, str]:
    """Place within the key → the sign that follows there."""
    signs, length = {}, 0
    for word in words:
        length += len(word.norm)
        found = _SIGN.match(text, word.end)
        marker = word.text.isupper() or any(letter.isdigit() for letter in word.text)
        if found and (found[1] == "+" or marker):
            signs[length] = "+" if found[1] == "+" else "-"
    return signs


def _context(text: str) -> str:
    return " " + " ".join(re.findall(r"[\w+-]+", text.casefold())) + " "


def _meant(name: Name, context: str, vocabulary: Vocabulary) -> bool:
    """Whether an ambiguous name means this concept here; names that are not ambiguous always do."""
    readings = vocabulary.ambiguous.get(name.key)
    if not readings:
        return True
    label = vocabulary.concept(name.concept).label
    for reading in readings:
        if not reading.context or any(f" {word} " in context for word in reading.context):
            return reading.label == label
    return False


def _arbitrate(candidates: Iterable[_Candidate], vocabulary: Vocabulary) -> list[_Candidate]:
    """The longest names first, each taking its place; at the same length capitals as written, then the kind."""

    def order(candidate: _Candidate) -> tuple[int, int, int, int, int]:
        kind = vocabulary.concept(candidate.name.concept).kind
        return (
            -candidate.length,
            -candidate.name.exact,
            _PRIORITY[kind],
            candidate.first,
            candidate.name.concept,
        )

    taken: set[int] = set()
    chosen = []
    found = sorted(candidates, key=order)
    for candidate in found:
        places = range(candidate.first, candidate.last + 1)
        if taken.isdisjoint(places):
            taken.update(places)
            chosen.append(candidate)
    return sorted(_with_shared_words(chosen, found, vocabulary), key=lambda candidate: candidate.first)


def _with_shared_words(
    chosen: Sequence[_Candidate], candidates: Iterable[_Candidate], vocabulary: Vocabulary
) -> list[_Candidate]:
    """Names with the disease of "breast cancer stem cells", whose last word is the cell's first: both are meant."""

    def kind(candidate: _Candidate) -> str:
        return vocabulary.concept(candidate.name.concept).kind

    result = list(chosen)
    for cell in (c for c in chosen if kind(c) == "cell_type"):
        for whole in candidates:
            if whole.first < cell.first <= whole.last < cell.last and kind(whole) == "disease":
                under = [c for c in result if whole.first <= c.first and c.last < cell.first]
                if all(kind(c) == "tissue" for c in under):
                    result = [*(c for c in result if c not in under), whole]
                    break
    return result


def _mend(norms: Sequence[str], chosen: Sequence[_Candidate], vocabulary: Vocabulary) -> dict[int, str]:
    """Likely typing errors, place → right word: one letter off a long word of the vocabulary."""
    known = {i for candidate in chosen for i in range(candidate.first, candidate.last + 1)}
    mended = {}
    for i, norm in enumerate(norms):
        if i in known or len(norm) < _MIN_TYPO or not (norm.isalpha() and norm.isascii()) or _is_plain(norm):
            continue
        right = vocabulary.near(norm)
        if right:
            mended[i] = right
    return mended


def _is_plain(norm: str) -> bool:
    lists = ("stopwords", "plain_words", "group_words")
    return any(norm in word_list(name) or singular(norm) in word_list(name) for name in lists)


def _share_heads(
    words: Sequence[Token],
    norms: Sequence[str],
    text: str,
    chosen: list[_Candidate],
    vocabulary: Vocabulary,
) -> list[_Candidate]:
    """Names that share the head of the next one: "breast or ovarian cancer", "B and T cells"."""
    result = list(chosen)
    for candidate in chosen:
        part = _sharing(words, norms, text, candidate, candidate, vocabulary)
        while part is not None:
            result = [c for c in result if c.last < part.first or c.first > part.last] + [part]
            part = _sharing(words, norms, text, part, candidate, vocabulary)
    return sorted(result, key=lambda c: c.first)


def _sharing(
    words: Sequence[Token],
    norms: Sequence[str],
    text: str,
    after: _Candidate,
    whole: _Candidate,
    vocabulary: Vocabulary,
) -> _Candidate | None:
    """The name that ends before ``after`` and borrows the last words of ``whole``; None if there is none."""
    kind = vocabulary.concept(whole.name.concept).kind
    end = after.first - 1
    joined = end >= 0 and (norms[end] in _CONJUNCTIONS or words[end].end + 1 != words[after.first].start)
    if kind not in _COORDINATED or whole.first == whole.last or not joined:
        return None
    end -= norms[end] in _CONJUNCTIONS
    for first in range(max(end - 2, 0), end + 1):
        for tail in range(whole.first + 1, whole.last + 1):
            head = [singular(norm) for norm in norms[tail : whole.last + 1]]
            found = vocabulary.names([key([*norms[first : end + 1], *head])])
            for name in (name for names in found.values() for name in names if not name.exact):
                other = vocabulary.concept(name.concept).kind == kind and name.concept != whole.name.concept
                if other and _same_signs(words[first : end + 1], text, name):
                    return _Candidate(first, end, name, len(name.key))
    return None


def _found(candidate: _Candidate, words: Sequence[Token], text: str, vocabulary: Vocabulary) -> Found:
    concept = vocabulary.concept(candidate.name.concept)
    span = (words[candidate.first].start, words[candidate.last].end)
    narrower = vocabulary.narrower(concept.id) if concept.kind in _WITH_NARROWER and concept.id else ()
    if concept.kind == "disease" and len(narrower) > _BROAD:
        narrower = ()
    term = Term(
        text=text[span[0] : span[1]],
        kind=concept.kind,
        label=concept.label,
        id=concept.id or None,
        synonyms=concept.synonyms,
        span=span,
        mesh=concept.mesh or None,
        types=concept.types,
        xrefs=concept.xrefs,
        narrower=narrower[:_MAX_NARROWER],
    )
    return Found(term, candidate.first, candidate.last)


def _guesses(chosen: Sequence[_Candidate], vocabulary: Vocabulary) -> list[str]:
    notes = []
    for candidate in chosen:
        readings = vocabulary.ambiguous.get(candidate.name.key, [])
        label = vocabulary.concept(candidate.name.concept).label
        others = list(
            dict.fromkeys(reading.label for reading in readings if reading.label not in (label, "-"))
        )
        if others:
            notes.append(f'"{candidate.name.name}" is read as {label}; it may also mean {", ".join(others)}.')
    return notes
