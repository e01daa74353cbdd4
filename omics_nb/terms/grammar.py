"""What stands between the names: "not", "or", "versus", and what the person wants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..query import Intent, Term
from .concepts import word_list
from .entities import Found
from .text import Token, singular

_NEGATIONS = (
    r"not (?:interested in|looking for|wanted|treated with|exposed to|receiving|given|taking)|"
    r"but not|and not|not(?: including| in| from| of)?|no|without(?: any)?|excluding|excludes?|except(?: for)?|"
    r"other than|rather than|instead of|ignor(?:e|ing)|omit(?:ting)?|leav(?:e|ing) out|neither|minus|free of"
)
_NEGATION = re.compile(rf"\b(?:{_NEGATIONS})\b(?!-)", re.IGNORECASE)
_NEGATION_ENDS = re.compile(
    r"[.;:!?]|,(?!\s*(?:and|or|nor)\b)|\b(?:but|with|in|from|that|which|who|only|by|using|for|on|of|where|at|vs|versus)\b",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"[\s:]*")
_UNTREATED = re.compile(
    r"\bnot treated\b(?!\s+with\b)|\bwithout (?:any )?treatment\b|\bno treatment\b", re.IGNORECASE
)
_VERSUS = re.compile(
    r"\bvs?\b\.?|\bversus\b|\b(?:when |as )?compared (?:with|to|against)\b|\bcompared\b|\brelative to\b|"
    r"\bin comparison (?:with|to)\b|\bas opposed to\b|\bagainst\b|\bin contrast to\b",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"\b(?:differ\w*|changes?|comparisons?|compar\w+|contrasts?|distinguish\w*|discriminat\w+)\b[^.;?]{0,60}?\bbetween\b",
    re.IGNORECASE,
)
_COMPARE = re.compile(r"\b(?:compare|comparing|contrast|contrasting|comparison of)\b", re.IGNORECASE)
_TREATED = re.compile(r"\b(?:treated with|exposed to|given|receiving|treatment with)\b", re.IGNORECASE)
_BEFORE_AND_AFTER = re.compile(
    r"\b(?:before (?:and|versus|vs\.?|or) (?:[\w-]+ (?:days?|weeks?|months?|hours?|h|years?) )?after|pre- and post-)",
    re.IGNORECASE,
)
_JOINS = re.compile(r"\b(?:and|with|to|against|or)\b|\bvs\b\.?|\bversus\b", re.IGNORECASE)
_SIDE_ENDS = frozenset(
    "in from with of by using for on at among after before during between within and or not is are that which who "
    "without under across into through when where whose".split()
)
_STOPPING_KINDS = ("disease", "tissue", "cell_type", "cell_line", "organism", "assay")
_MAX_SIDE = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, tested first, and the place of each in the text."""

    tested: str
    reference: str
    spans: tuple[tuple[int, int], tuple[int, int]]
    note: str = ""


def negated_spans(text: str) -> list[tuple[int, int]]:
    """Places of what the question says no to, the word of negation included."""
    spans: list[tuple[int, int]] = []
    blocked = [match.span() for match in _UNTREATED.finditer(text)]
    for match in _NEGATION.finditer(text):
        if any(start <= match.start() < end for start, end in blocked):
            continue
        if spans and match.start() < spans[-1][1]:
            continue
        begins = _BLANKS.match(text, match.end())
        rest = _NEGATION_ENDS.search(text, begins.end() if begins else match.end())
        spans.append((match.start(), rest.start() if rest else len(text)))
    return spans


def negating_words(text: str) -> list[tuple[int, int]]:
    """Places of the words that say no: "leave out" names no leaf."""
    return [match.span() for match in _NEGATION.finditer(text)]


def comparison(text: str, words: Sequence[Token], found: Sequence[Found]) -> Comparison | None:
    """The two sides of "A versus B", "difference between A and B", "treated with A or B"; None if nothing compares."""
    around = _BEFORE_AND_AFTER.search(text)
    if around:
        side = _right_side(text, words, found, around.end())
        if side:
            event = text[slice(*side)]
            return Comparison(f"after {event}", f"before {event}", (side, side))
    for sides in (_by_versus, _by_between, _by_treatment):
        pair = sides(text, words, found)
        if pair is not None:
            return _control_last(text, *pair)
    return None


def intent(text: str, *, has_accession: bool, compares: bool, has_terms: bool) -> Intent:
    """What the person wants, from the verbs of the question."""
    low = text.casefold()
    if has_accession and re.search(r"\b(valid\w*|check|verify|exists?|is there|correct|real)\b", low):
        return "validate"
    if re.search(r"\b(summar\w+|overview|describe|tell me about|what is known|review)\b", low):
        return "summarise"
    if re.search(
        r"\b((re)?analy[sz]\w*|differential\w*|which genes|what genes|which pathways|what pathways|fold changes?|"
        r"rank genes|genes (that )?(are )?(change|differ|up|down)\w*|"
        r"deregulated|dysregulated|upregulated|downregulated|up-regulated|down-regulated|enrichment|enriched in|"
        r"degs?|volcano)\b",
        low,
    ):
        return "analyse"
    if compares or re.search(r"\b(compar\w+|contrast|differences?|versus|vs)\b", low):
        return "compare"
    return (
        "validate"
        if has_accession and not has_terms and re.fullmatch(r"[\w\s,;]+\?", text.strip())
        else "find"
    )


def alternatives(text: str, terms: Sequence[Term]) -> list[int]:
    """A number for each term; terms of one kind joined by "or", "/" or a list that ends in "or" share one above 0."""
    groups = [0] * len(terms)
    number = 0
    for i in range(len(terms) - 1):
        gap = text[terms[i].span[1] : terms[i + 1].span[0]].strip().casefold()
        if terms[i].kind == terms[i + 1].kind and gap in (
            "or",
            "/",
            "and/or",
            ", or",
            "or in",
            "or of",
            "or the",
        ):
            if not groups[i]:
                number += 1
                groups[i] = number
            groups[i + 1] = groups[i]
            _take_list(text, terms, groups, i)
    return groups


def _take_list(text: str, terms: Sequence[Term], groups: list[int], last: int) -> None:
    while last and terms[last - 1].kind == terms[last].kind:
        if text[terms[last - 1].span[1] : terms[last].span[0]].strip() != ",":
            return
        groups[last - 1] = groups[last]
        last -= 1


def is_group_word(norm: str) -> bool:
    """Whether a word names a side of a comparison and nothing to search for: control, treated, normal."""
    return norm in word_list("group_words") or singular(norm) in word_list("group_words")


_Sides = tuple[tuple[int, int], tuple[int, int]]


def _by_versus(text: str, words: Sequence[Token], found: Sequence[Found]) -> _Sides | None:
    for match in _VERSUS.finditer(text):
        left = _left_side(text, words, found, match.start())
        right = _right_side(text, words, found, match.end())
        if left and right:
            return left, right
    return None


def _by_between(text: str, words: Sequence[Token], found: Sequence[Found]) -> _Sides | None:
    for opening in (_BETWEEN, _COMPARE):
        match = opening.search(text)
        if match is None:
            continue
        for join in _JOINS.finditer(text, match.end()):
            left = _right_side(text, words, found, match.end(), until=join.start())
            if opening is _COMPARE and left and left[1] < join.start() - 1:
                # "compare the transcriptome of M1 and M2": what stands before the "and" is the side.
                left = _left_side(text, words, found, join.start()) or left
            right = _right_side(text, words, found, join.end())
            if left and right and join.start() >= left[1]:
                return left, right
    return None


def _by_treatment(text: str, words: Sequence[Token], found: Sequence[Found]) -> _Sides | None:
    match = _TREATED.search(text)
    join = match and re.compile(r"\bor\b|\band\b", re.IGNORECASE).search(text, match.end())
    if not match or not join:
        return None
    left = _right_side(text, words, found, match.end(), until=join.start())
    right = _right_side(text, words, found, join.end())
    if not left or not right:
        return None
    control = any(_is_control(text[start:end]) for start, end in (left, right))
    return (left, right) if control else None


def _left_side(text: str, words: Sequence[Token], found: Sequence[Found], end: int) -> tuple[int, int] | None:
    last = max((i for i, word in enumerate(words) if word.end <= end), default=-1)
    if last < 0 or re.search(r"[.;?!]", text[words[last].end : end]):
        return None
    entity = {i: item for item in found for i in range(item.first, item.last + 1)}
    first = last + 1
    while first > 0 and last - first + 1 < _MAX_SIDE:
        i = first - 1
        gap = text[words[i].end : words[i + 1].start] if i + 1 < len(words) else ""
        if (
            (i < last and re.search(r"[,.;:?!(]", gap))
            or words[i].norm in _SIDE_ENDS
            or words[i].norm in _LEADING
        ):
            break
        item = entity.get(i)
        if item is not None and item.term.kind in _STOPPING_KINDS:
            if first == last + 1 or gap == "-":
                first = item.first
            break
        first = item.first if item is not None else i
    return (words[first].start, words[last].end) if first <= last else None


def _right_side(
    text: str, words: Sequence[Token], found: Sequence[Found], start: int, until: int | None = None
) -> tuple[int, int] | None:
    stop = len(text) if until is None else until
    inside = [i for i, word in enumerate(words) if word.start >= start and word.end <= stop]
    while inside and words[inside[0]].norm in _LEADING:
        inside.pop(0)
    entity = {i: item for item in found for i in range(item.first, item.last + 1)}
    taken: list[int] = []
    for i in inside:
        gap = text[words[taken[-1]].end : words[i].start] if taken else ""
        item = entity.get(i)
        starts_entity = item is not None and item.first == i and item.term.kind in _STOPPING_KINDS
        if words[i].norm in _SIDE_ENDS or re.search(r"[,.;:?!)]", gap) or len(taken) >= _MAX_SIDE:
            break
        if starts_entity and taken:
            break
        taken.append(i)
        hyphen = text[words[i].end : words[i].end + 1] == "-"
        if item is not None and item.last == i and item.term.kind in _STOPPING_KINDS and not hyphen:
            break
    return (words[taken[0]].start, words[taken[-1]].end) if taken else None


_LEADING = frozenset("the a an their its those these that either both to with".split()) | frozenset(
    "find compare comparing studies study datasets data samples show me list search between".split()
)


def _control_last(text: str, left: tuple[int, int], right: tuple[int, int]) -> Comparison:
    tested, reference = text[slice(*left)], text[slice(*right)]
    if _is_control(tested) and not _is_control(reference):
        note = f'"{tested}" names the controls and is taken as the reference.'
        return Comparison(reference, tested, (right, left), note)
    return Comparison(tested, reference, (left, right))


def _is_control(side: str) -> bool:
    low = side.casefold().replace("-", " ")
    return any(
        re.search(rf"\b{re.escape(word.replace('_', ' '))}s?\b", low) for word in word_list("control_words")
    )
