"""Conditions in a question that are no words to search for: dates, sample counts, sex, age, data at hand.

Each line of the tables of rules is a pattern and what it means. In a pattern a blank stands for blanks, ``_`` for
blanks or none, and ``<name>`` for a fragment of ``_FRAGMENTS``. What one rule has read, later ones do not see.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Literal, NamedTuple

from ..errors import QuestionError

_UNITS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
_NUMBERS = {word: number for number, word in enumerate(_UNITS, start=1)} | {
    "a dozen": 12,
    "dozen": 12,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "hundred": 100,
    "a hundred": 100,
    "one hundred": 100,
    "two hundred": 200,
    "a thousand": 1000,
    "one thousand": 1000,
}
_MONTHS = "january february march april may june july august september october november december".split()
_EARLIEST_YEAR, _LATEST_YEAR = 1990, 2100
_ANY_NUMBER = r"\d{1,3}(?:,\d{3})+|\d+|" + "|".join(sorted(_NUMBERS, key=len, reverse=True))
_ANY_DAY = (
    r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?|(?:"
    + "|".join(f"{month}|{month[:3]}" for month in _MONTHS)
    + r")\.?,?\s+(?:19|20)\d{2}|(?:19|20)\d{2}"
)
_FEMALES, _MALES = r"(?:wom[ae]n|females?|girls?)", r"(?:m[ae]n|males?|boys?)"
#: What a sex or an age is told by, and names may hold too.
OF_PEOPLE = re.compile(
    rf"\b(?:{_FEMALES}|{_MALES}|child\w*|juvenile|p(?:a?e)diatric|infantile|neonatal|newborn|adult)\b",
    re.IGNORECASE,
)
YOUNG = re.compile(
    r"\b(?:child(?:ren|hood)?|pa?ediatric|adolescents?|teenagers?|infants?|neonat(?:es?|al)|newborns?)\b",
    re.IGNORECASE,
)
_GROWN = re.compile(r"\b(?:adults?|elderly)\b", re.IGNORECASE)
_BOTH_SEXES = re.compile(rf"\b{_FEMALES}\b.*\b{_MALES}\b|\b{_MALES}\b.*\b{_FEMALES}\b", re.IGNORECASE)
_THINGS = (
    r"(?:samples?|arrays?|chips?|patients?|subjects?|individuals?|donors?|people|participants?|specimens?|biopsies|"
    r"gsms?|libraries|observations|cases|controls|replicates?|tumou?rs|animals|mice|rats)"
)
# Numbers that are part of a name: type 2 diabetes, stage 4 tumours, trisomy 21 patients.
_NO_NAME = "".join(
    rf"(?<!{word}\s)" for word in "type stage grade phase trisomy chromosome day week group".split()
)

_WITH_AGES = (
    "women men females males girls boys patients subjects individuals donors people participants adults"
)

_FRAGMENTS = {
    "n": f"{_NO_NAME}(?P<n>{_ANY_NUMBER})",
    "m": f"(?P<m>{_ANY_NUMBER})",
    "day": f"(?P<day>{_ANY_DAY})",
    "last day": f"(?P<last>{_ANY_DAY})",
    "year": r"(?P<day>(?:19|20)\d\d)",
    "last year": r"(?P<last>(?:19|20)\d\d)",
    "to": r"(?:-|–|to|and|until|till|through)",
    "at least": (
        r"(?:at least|at minimum|min(?:imum)?(?: of)?|no (?:fewer|less) than|not (?:fewer|less) than|>=|≥|⩾|=>)"
    ),
    "more than": r"(?:more than|over|greater than|larger than|bigger than|above|>)",
    "at most": r"(?:at most|max(?:imum)?(?: of)?|no more than|not more than|up to|<=|≤|⩽|=<)",
    "fewer than": r"(?:fewer than|less than|under|below|smaller than|<)",
    # Only looked at: "20 breast cancer patients" keeps its disease.
    "things": rf"(?=\s*(?:[a-z]+[\s-]){{0,2}}?{_THINGS}(?!\w))",
    "samples": _THINGS,
    "count": r"(?:n|sample size|number of samples|samples?|sample count)\s*(?:of\s+)?(?:=|is\s+)?",
    "per group": (
        r"(?:per|in each|in every|each|for each|/)\s*"
        r"(?:group|condition|arm|class|genotype|treatment|time\s?point)"
    ),
    "published": (
        r"(?:(?:that (?:was|were) )?"
        r"(?:published|released|submitted|deposited|posted|public|dated|made public)\s+)?"
    ),
    "ago": r"(?:last|past|previous|recent)",
    "unit": r"(?P<unit>years?|months?|weeks?|days?|decades?)",
    "years": r"(?:years?|yrs?|y|months?|mo|weeks?|wks?|days?)",
    "people": (
        r"(?:(?:young|older|old|middle-aged)\s+)?(?:children|child|pa?ediatric|adolescents?|teenagers?|infants?|neonat(?:es?|al)|newborns?|adults?|"
        r"elderly)(?:\s+(?:patients?|subjects?))?"
    ),
    # Only looked at: whose age is told by a bare number.
    "of people": "(?:" + "|".join(rf"(?<={who}\s)" for who in _WITH_AGES.split()) + ")",
    "females": _FEMALES,
    "males": _MALES,
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the conditions say; ``spans`` are the places of the text that they were read from."""

    min_samples: int | None = None
    max_samples: int | None = None
    min_per_group: int | None = None
    published_from: date | None = None
    published_to: date | None = None
    sex: Literal["female", "male"] | None = None
    age: str | None = None
    has_raw: bool = False
    has_counts: bool = False
    notes: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


class _Seen(NamedTuple):
    """A place that a rule matched, and what was found before it."""

    match: re.Match[str]
    found: Conditions
    today: date

    @property
    def text(self) -> str:
        return " ".join(self.match[0].split())

    def number(self, name: str = "n") -> int:
        written = self.match[name].casefold()
        return _NUMBERS[written] if written in _NUMBERS else int(written.replace(",", ""))


# None where the words turn out to be no condition after all.
_Reader = Callable[[_Seen], Conditions | None]


def conditions(text: str, today: date, *, names: Sequence[tuple[int, int]] = ()) -> Conditions:
    """Every condition of a question. QuestionError if two of them leave no study, as "after 2020, before 2015".

    ``names`` are places of names that hold a sex or an age and are none: male infertility, adult T-cell leukemia.
    """
    found = Conditions()
    for about, rules in _GROUPS:
        for pattern, read in _compiled(rules) if about.search(text) else ():
            found, text = _apply(pattern, read, text, found, today)
        if rules is _DATE_RULES:
            for start, end in names:
                text = text[:start] + "\0" * (end - start) + text[end:]
    _check(found)
    return found


def _apply(
    pattern: re.Pattern[str], read: _Reader, text: str, found: Conditions, today: date
) -> tuple[Conditions, str]:
    """What a rule adds, and the text without the places that it has read."""
    for match in list(pattern.finditer(text)):
        result = read(_Seen(match, found, today))
        if result is not None:
            found = replace(result, spans=(*result.spans, match.span()))
            text = text[: match.start()] + "\0" * len(match[0]) + text[match.end() :]
    return found, text


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or its last day where that month is shorter."""
    index = day.year * 12 + day.month - 1 - months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _check(found: Conditions) -> None:
    first, last, low, high = found.published_from, found.published_to, found.min_samples, found.max_samples
    if first and last and first > last:
        raise QuestionError(f"the dates leave nothing: from {first} to {last}; give the earlier date first")
    if low is not None and high is not None and low > high:
        raise QuestionError(f"the sample counts leave nothing: at least {low} and at most {high}")


def _samples(low: int | None = None, high: int | None = None, note: str = "") -> _Reader:
    """Bounds, as offsets to the number that was read; None leaves a bound as it is."""

    def read(seen: _Seen) -> Conditions | None:
        number, found = seen.number(), seen.found
        if note and number == 1:
            return None  # "one sample of …" counts nothing
        if low is not None:
            found = replace(found, min_samples=number + low)
        if high is not None:
            found = replace(found, max_samples=max(number + high, 0))
        return _noted(found, note.format(number)) if note else found

    return read


def _between(low: int, high: int) -> _Reader:
    """Both bounds at once, as offsets to the two numbers."""

    def read(seen: _Seen) -> Conditions:
        return replace(
            seen.found, min_samples=seen.number() + low, max_samples=max(seen.number("m") + high, 0)
        )

    return read


def _sample_range(seen: _Seen) -> Conditions:
    low, high = sorted((seen.number(), seen.number("m")))
    return replace(seen.found, min_samples=low, max_samples=high)


def _per_group(more: int = 0) -> _Reader:
    def read(seen: _Seen) -> Conditions:
        number = seen.number() + more
        note = f"{number} samples in each group need {2 * number} samples at least."
        return _noted(replace(seen.found, min_per_group=number), note)

    return read


def _published(start: str = "", end: str = "", name: str = "day") -> _Reader:
    """Published from the ``first`` or ``after`` the last day of a period, to its ``last`` or ``before`` its first."""

    def read(seen: _Seen) -> Conditions | None:
        period = _period(seen.match[name])
        if period is None:
            return None
        found = seen.found
        if start:
            day = period[0] if start == "first" else period[1] + timedelta(days=1)
            found = replace(found, published_from=day)
        if end:
            day = period[1] if end == "last" else period[0] - timedelta(days=1)
            found = replace(found, published_to=day)
        if start == "after":
            found = _noted(found, f'"{seen.text}" is read as published from {found.published_from} on.')
        if end == "before":
            found = _noted(found, f'"{seen.text}" is read as published up to {found.published_to}.')
        return found

    return read


def _published_within(seen: _Seen) -> Conditions | None:
    periods = sorted(filter(None, (_period(seen.match["day"]), _period(seen.match["last"]))))
    if len(periods) < 2:
        return None
    return replace(seen.found, published_from=periods[0][0], published_to=periods[1][1])


def _period(text: str) -> tuple[date, date] | None:
    """First and last day of a year, month or day as written; None where the year is none of this archive."""
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    year = next(number for number in numbers if number > 999)
    rest = [number for number in numbers if number <= 999]
    if not _EARLIEST_YEAR <= year <= _LATEST_YEAR:
        return None
    month = next((i for i, name in enumerate(_MONTHS, 1) if text.casefold().startswith(name[:3])), 0)
    month = month or (rest.pop(0) if rest else 0)
    try:
        if rest:
            return date(year, month, rest[0]), date(year, month, rest[0])
        first = date(year, month or 1, 1)
        return first, date(year, month or 12, monthrange(year, month or 12)[1])
    except ValueError as error:
        raise QuestionError(f"{text!r} is no date; write 2019, 2019-03 or 2019-03-31") from error


def _in_the_last(seen: _Seen) -> Conditions:
    written = seen.match.groupdict()
    number = seen.number() if written.get("n") else 1
    unit = seen.match["unit"].casefold().rstrip("s")
    if unit == "year" and not written.get("n") and "last" in seen.text.casefold():
        return _whole_year(seen.found, seen.today.year - 1)
    months = {"year": 12, "month": 1, "decade": 120}.get(unit, 0)
    days = number * (7 if unit == "week" else 1)
    start = months_before(seen.today, number * months) if months else seen.today - timedelta(days=days)
    return _noted(
        replace(seen.found, published_from=start), f'"{seen.text}" is read as published from {start} on.'
    )


def _older(seen: _Seen) -> Conditions:
    end = months_before(seen.today, 12 * seen.number())
    return _noted(replace(seen.found, published_to=end), f'"{seen.text}" is read as published up to {end}.')


def _this_year(seen: _Seen) -> Conditions:
    return _whole_year(seen.found, seen.today.year)


def _whole_year(found: Conditions, year: int) -> Conditions:
    return replace(found, published_from=date(year, 1, 1), published_to=date(year, 12, 31))


def _sex(sex: Literal["female", "male"]) -> _Reader:
    """A sex, unless the question names both: "men and women" is a comparison or no condition."""

    def read(seen: _Seen) -> Conditions | None:
        return None if _BOTH_SEXES.search(seen.match.string) else replace(seen.found, sex=sex)

    return read


def _age(seen: _Seen) -> Conditions | None:
    """An age as it was written; one in words does not replace one in numbers."""
    whole = seen.match.string
    if not any(letter.isdigit() for letter in seen.text) and YOUNG.search(whole) and _GROWN.search(whole):
        return None  # "children and adults" is a comparison or no condition
    if seen.found.age and any(letter.isdigit() for letter in seen.found.age):
        return seen.found
    return replace(seen.found, age=seen.text.casefold())


def _raw(seen: _Seen) -> Conditions:
    return replace(seen.found, has_raw=True)


def _counts(seen: _Seen) -> Conditions:
    return replace(seen.found, has_counts=True)


def _noted(found: Conditions, note: str) -> Conditions:
    return replace(found, notes=(*found.notes, note))


@cache
def _compiled(rules: tuple[tuple[str, _Reader], ...]) -> tuple[tuple[re.Pattern[str], _Reader], ...]:
    return tuple((_pattern(pattern), read) for pattern, read in rules)


def _pattern(pattern: str) -> re.Pattern[str]:
    def fragment(match: re.Match[str]) -> str:
        return {"_": r"\s*", " ": r"\s+"}.get(match[0]) or _FRAGMENTS[match[1]]

    return re.compile(
        rf"(?<![\w>=<-])(?:{re.sub('<([a-z ]+)>|_| ', fragment, pattern)})(?!\w)", re.IGNORECASE
    )


_N_OR_MORE = r"<n>_(?:\+|or more|or larger|and more|and up)"

# Patterns are compiled when a question first holds what its group is about: all of them together take 0.2 s.
_COUNT_RULES: tuple[tuple[str, _Reader], ...] = (
    # How many in each group, then how many at all.
    ("(?:with )?(?:<at least>_)?<n>(?: or more)?(?: biological)? (?:<samples> )?<per group>", _per_group()),
    ("(?:with )?<more than>_<n> (?:<samples> )?<per group>", _per_group(more=1)),
    ("(?:with )?(?:<at least>_)?<n>(?: or more)? (?:biological )?replicates?", _per_group()),
    ("(?:with )?<more than>_<n> (?:biological )?replicates?", _per_group(more=1)),
    ("<count>_<at least>_<n>", _samples(low=0)),
    ("<count>_<at most>_<n>", _samples(high=0)),
    ("<count>_<more than>_<n>", _samples(low=1)),
    ("<count>_<fewer than>_<n>", _samples(high=-1)),
    ("n_=_<n>", _samples(low=0, note="n = {0} is read as at least {0} samples.")),
    *(
        (
            f"(?:with |having )?{least}_<n>(?: <samples>)?,? (?:and|but) {most}_<m><things>",
            _between(low, high),
        )
        for least, low in (("<at least>", 0), ("<more than>", 1))
        for most, high in (("<at most>", 0), ("<fewer than>", -1))
    ),
    ("(?:with |between |from )?<n>_<to>_<m><things>", _sample_range),
    ("(?:with |having )?<at least>_<n><things>", _samples(low=0)),
    ("(?:with |having )?<at most>_<n><things>", _samples(high=0)),
    ("(?:with |having )?<more than>_<n><things>", _samples(low=1)),
    ("(?:with |having )?<fewer than>_<n><things>", _samples(high=-1)),
    (f"(?:with )?{_N_OR_MORE}<things>", _samples(low=0)),
    ("(?:with )?<n> or (?:fewer|less) <things>", _samples(high=0)),
    ("(?:with |of |having )?<n> <samples> or more", _samples(low=0)),
    ("exactly <n>_<things>", _samples(low=0, high=0)),
    ("(?:with |of )?<n><things>", _samples(low=0, note="{0} samples is read as at least {0}.")),
)
_DATE_RULES: tuple[tuple[str, _Reader], ...] = (
    # When it was published.
    ("<published>(?:between|from) <day>_<to>_<last day>", _published_within),
    ("<published>(?:in |during |from )?<year>_(?:<to>|/)_<last year>", _published_within),
    (
        (
            "<published>(?:no earlier than|not before|since|from|starting(?: in| from)?|as of|>=|≥)_<day>"
            "(?: on| onwards?| or later)?"
        ),
        _published(start="first"),
    ),
    ("<published><day> (?:onwards?|or later|and later|or newer)", _published(start="first")),
    ("<published>(?:after|later than|newer than|more recent than|>)_<day>", _published(start="after")),
    (
        "<published>(?:no later than|not after|until|till|up to|through|by|<=|≤)_(?:the end of )?<day>",
        _published(end="last"),
    ),
    ("<published><day> (?:or earlier|and earlier|or older)", _published(end="last")),
    ("<published>(?:before|prior to|earlier than|older than|<)_<day>", _published(end="before")),
    ("<published>(?:(?:with)?in |during |over |from |of )?(?:the )?<ago>(?: <n>)? <unit>", _in_the_last),
    (
        "<published>(?:no more than|less than|not older than|no older than|at most|within) <n> <unit> (?:old|ago)",
        _in_the_last,
    ),
    ("<published>(?:not older than|no older than|newer than) <n> <unit>", _in_the_last),
    ("<published>(?:in )?this year", _this_year),
    ("<published>(?:in|during|of|from|on) <day>", _published(start="first", end="last")),
    ("(?:published|released|submitted|deposited|dated) <day>", _published(start="first", end="last")),
)
_OTHER_RULES: tuple[tuple[str, _Reader], ...] = (
    # What there must be.
    (
        (
            "(?:with )?(?:raw data|raw files?|cel files?|fastq(?: files?)?|idat files?|"
            "raw reads|raw sequenc[a-z]+ data)"
            "(?: (?:are |is )?available)?"
        ),
        _raw,
    ),
    (
        (
            "(?:with )?(?:(?:raw|processed|normali[sz]ed) (?:gene )?counts?|read counts?"
            "|count (?:matrix|matrices|data|tables?)|gene counts?)"
            "(?: (?:are |is )?available)?"
        ),
        _counts,
    ),
    # Who the samples come from.
    (
        (
            "(?:<people> )?(?:aged?|older than|younger than|over|under|above|below|between)"
            "(?: (?:over|under|above|below|between|than))? <n>(?:_<to>_<m>)? <years>(?:_-?_(?:old|of age))?"
        ),
        _age,
    ),
    ("<n>(?:_<to>_<m>)?_-?_<years>_-?_(?:old|of age)", _age),
    ("(?:<people> )?aged? (?:(?:over|under|above|below|between) )?<n>(?:_<to>_<m>)?", _age),
    ("<of people>(?:over|under|above|below|older than|younger than) <n>", _age),
    ("older than <n> years", _older),
    ("<people>", _age),
    ("<females>(?: only)?", _sex("female")),
    ("<males>(?: only)?", _sex("male")),
)
_GROUPS = (
    (re.compile(_ANY_NUMBER, re.IGNORECASE), _COUNT_RULES),
    (
        re.compile(
            r"\d{4}|\b(?:last|past|previous|recent|this)\b|\b(?:ago|old|older|newer)\b", re.IGNORECASE
        ),
        _DATE_RULES,
    ),
    (re.compile(r"\w"), _OTHER_RULES),
)
