"""The search that NCBI's ``gds`` database takes, written from a ``Query``, and a validator for such searches.

NCBI does not refuse a field that it does not know: ``array [DTYP]`` runs as ``array[All Fields]`` and finds 174,932
records. So every tag is checked here before anything is sent.
https://www.ncbi.nlm.nih.gov/geo/info/qqtutorial.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from difflib import get_close_matches

from ..errors import FormatError, QuestionError
from ..records import Query, Term

# Short tag → long name, as einfo of db=gds lists them, with the spellings that the web pages emit.
FIELDS = {
    "ALL": "All Fields",
    "UID": "UID",
    "FILT": "Filter",
    "ORGN": "Organism",
    "ACCN": "GEO Accession",
    "TITL": "Title",
    "DESC": "Description",
    "SFIL": "Supplementary Files",
    "ETYP": "Entry Type",
    "STYP": "Sample Type",
    "VTYP": "Sample Value Type",
    "PTYP": "Platform Technology Type",
    "GTYP": "DataSet Type",
    "NSAM": "Number of Samples",
    "SRC": "Sample Source",
    "AUTH": "Author",
    "INST": "Submitter Institute",
    "NPRO": "Number of Platform Probes",
    "SSTP": "Subset Variable Type",
    "SSDE": "Subset Description",
    "GEID": "Reporter Identifier",
    "PDAT": "Publication Date",
    "UDAT": "Update Date",
    "TAGL": "Tag Length",
    "RGSE": "Related Series",
    "RGPL": "Related Platform",
    "MESH": "MeSH Terms",
    "PROJ": "Project",
    "ATNM": "Attribute Name",
    "ATTR": "Attribute",
    "PROP": "Properties",
}
_ALSO = ("porgn", "Filters", "MeSH", "n_samples")
ENTRY_TYPES = ("gse", "gds", "gpl", "gsm")
_MAX_NAMES = 12
_MAX_NARROWER = 24
_LATEST = "3000"
_NOTHING = '""'

_KNOWN = {name.casefold() for name in (*FIELDS, *FIELDS.values(), "porgn")}
_TOKEN = re.compile(r'"[^"]*"|\[[^\]]*\]|[()]|[^\s"()\[\]]+|["\[\]]')
_DATE = re.compile(r"\d{4}(/\d{1,2}(/\d{1,2})?)?")
# Words that are not conditions of their own in an Entrez search.
_OPERATORS = ("AND", "OR", "NOT")


def write_term(query: Query, *, strict: bool = True) -> str:
    """A valid search of ``db=gds`` for the series that the query asks for.

    Names of one concept are OR-ed, with its MeSH heading beside them and never alone, for the MeSH index of gds is
    not complete. Concepts are AND-ed. ``strict=False`` is a broader search: it leaves out plain words, and has the
    names of parts and kinds of tissues and cell types beside their own. Sex, age, groups and what is to be excluded
    are no part of it: NOT would remove good series that only mention the word.
    QuestionError if nothing is left to search for.
    """
    parts = [
        _either(_concept(term, strict=strict) for term in terms) for terms in _concepts(query, strict=strict)
    ]
    parts += _accessions(query)
    parts += _limits(query)
    if not parts:
        raise QuestionError(
            "nothing in the question can be searched for at NCBI; name a disease, tissue, gene or assay"
        )
    term = " AND ".join([*parts, "gse[ETYP]"])
    validate_term(term)
    return term


def validate_term(term: str) -> str:
    """``term`` itself if ``db=gds`` takes it as it is meant.

    QuestionError for an empty search, a field that NCBI would silently take for All Fields (naming the nearest
    right one), an entry type that does not exist or a date or number that is no range; FormatError for parentheses,
    quotes or operators that do not pair.
    """
    tokens = _TOKEN.findall(term)
    if not tokens:
        raise QuestionError("the search is empty")
    _check_pairs(term, tokens)
    _check_operators(term, tokens)
    for before, token in zip(["", *tokens], tokens, strict=False):
        if token.startswith("[") and len(token) > 1:
            _check_field(before, token[1:-1].strip())
    return term


def quote(name: str) -> str:
    """``name`` as an Entrez phrase: quoted, without the signs that Entrez reads as syntax.

    Quotes cannot be escaped in Entrez, so they are left out, as are brackets, parentheses and wildcards.
    """
    return '"' + " ".join(re.sub(r'[\[\]()"*#:&|\\]', " ", name).split()) + '"'


def _concepts(query: Query, *, strict: bool) -> list[list[Term]]:
    """The terms in the order of the question, those that are alternatives together.

    Organisms are alternatives of one another, and so are assays: a series has one or the other.
    """
    concepts: dict[object, list[Term]] = {}
    for number, term in enumerate(query.terms):
        if quote(term.label) != _NOTHING and (strict or term.kind != "word"):
            shared = term.kind if term.kind in ("organism", "assay") else term.group
            concepts.setdefault(shared or -number - 1, []).append(term)
    return list(concepts.values())


def _concept(term: Term, *, strict: bool) -> str:
    if term.kind == "organism":
        return f"{quote(term.label)}[ORGN]"
    if term.kind == "assay":
        return _assay(term)
    names = [f"{quote(name)}[ALL]" for name in [*_searchable(term), *(() if strict else _narrower(term))]]
    if term.mesh:
        names.insert(0, f"{quote(term.mesh)}[MESH]")
    return _either(names)


def _assay(term: Term) -> str:
    """The DataSet Types of an assay; with its names too, where the type alone says too little."""
    types = [f"{quote(name)}[GTYP]" for name in term.types]
    names = [f"{quote(name)}[ALL]" for name in _searchable(term)]
    if not types:
        return _either(names)
    if term.id in term.types:
        return _either(types)
    return _both(_either(types), _either(names))


def _searchable(term: Term) -> list[str]:
    """The names to search for. Names of up to three letters find too much and go, unless nothing else is left."""
    names = [name for name in term.names[:_MAX_NAMES] if quote(name) != _NOTHING]
    if term.kind not in ("gene", "word"):
        names = [name for name in names if len(name) > 3] or names[:1]
    return names


def _narrower(term: Term) -> list[str]:
    """Parts and kinds, which studies name without their whole; MeSH explodes diseases by itself."""
    narrower = term.narrower[:_MAX_NARROWER] if term.kind in ("tissue", "cell_type") else ()
    return [name for name in narrower if len(name) > 3]


def _accessions(query: Query) -> list[str]:
    series = [name for name in query.accessions if not name.startswith("GPL")]
    found = [_either(f"{name}[ACCN]" for name in series)] if series else []
    platforms = [name for name in query.accessions if name.startswith("GPL")] + list(query.platforms)
    if platforms:
        found.append(_either(f"{name}[RGPL]" for name in dict.fromkeys(platforms)))
    return found


def _limits(query: Query) -> list[str]:
    limits = []
    if query.has_counts:
        limits.append('"rnaseq counts"[FILT]')
    low = max(query.min_samples or 0, 2 * (query.min_per_group or 0))
    if low or query.max_samples is not None:
        limits.append(f"{low}:{1_000_000 if query.max_samples is None else query.max_samples}[NSAM]")
    if query.published_from or query.published_to:
        limits.append(f"{_day(query.published_from, '1999')}:{_day(query.published_to, _LATEST)}[PDAT]")
    return limits


def _day(day: date | None, otherwise: str) -> str:
    return otherwise if day is None else f"{day:%Y/%m/%d}"


def _either(parts: Iterable[str]) -> str:
    parts = list(dict.fromkeys(parts))
    return parts[0] if len(parts) == 1 else "(" + " OR ".join(parts) + ")"


def _both(*parts: str) -> str:
    return "(" + " AND ".join(parts) + ")"


def _check_pairs(term: str, tokens: Sequence[str]) -> None:
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth < 0:
            raise FormatError(f"a parenthesis closes that was never opened in {_short(term)}")
        if token in ('"', "[", "]"):
            raise FormatError(f"an unpaired {token} in {_short(term)}")
    if depth:
        raise FormatError(f"{depth} parentheses are not closed in {_short(term)}")


def _check_operators(term: str, tokens: Sequence[str]) -> None:
    for before, here, after in zip(["(", *tokens], tokens, [*tokens[1:], ")"], strict=False):
        if here in _OPERATORS and (before in ("(", *_OPERATORS) or after in (")", *_OPERATORS)):
            raise FormatError(f"{here} has nothing on one side in {_short(term)}")
        if before + here == "()":
            raise FormatError(f"empty parentheses in {_short(term)}")


def _check_field(value: str, name: str) -> None:
    if name.split(":")[0].casefold() not in _KNOWN:
        known = {spelling.casefold(): tag for tag, long in FIELDS.items() for spelling in (tag, long)}
        near = get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
        right = _COMMON_MISTAKES.get(name.casefold()) or (known[near[0]] if near else "")
        hint = f"did you mean [{right}] ({FIELDS[right]})?" if right else f"known are {', '.join(FIELDS)}"
        raise QuestionError(
            f"db=gds has no field [{name}], NCBI would search All Fields instead; {hint}", field=name
        )
    if value in ("", "(", ")", "]", *_OPERATORS):
        raise FormatError(f"the field [{name}] has no value before it")
    _check_value(value.strip('"'), name.casefold())


def _check_value(value: str, name: str) -> None:
    if name in ("etyp", "entry type") and value.casefold() not in ENTRY_TYPES:
        raise QuestionError(f"no entry type {value!r}; have {', '.join(ENTRY_TYPES)}", field=name)
    if name in ("nsam", "number of samples") and not re.fullmatch(r"\d+(:\d+)?", value):
        raise QuestionError(f"{value!r} is no number of samples; write 6:1000000[NSAM]", field=name)
    if name in ("pdat", "udat", "publication date", "update date"):
        ends = value.split(":")
        if len(ends) > 2 or not all(_DATE.fullmatch(end) for end in ends):
            raise QuestionError(f"{value!r} is no date; write 2019/01/01:3000[PDAT]", field=name)
    if name in ("gtyp", "dataset type"):
        from .concepts import dataset_types

        types = {kind.casefold(): kind for kind in dataset_types()}
        if value.casefold() not in types:
            near = get_close_matches(value.casefold(), types, n=1, cutoff=0.3)
            raise QuestionError(
                f"no DataSet Type {value!r}; nearest is {types[near[0]] if near else 'Other'!r}"
            )


# Names that people write for a field, from other databases of NCBI and from the names in esummary's replies.
_COMMON_MISTAKES = {
    "dtyp": "GTYP",
    "gdstype": "GTYP",
    "study type": "GTYP",
    "n_samples": "NSAM",
    "samples": "NSAM",
    "taxon": "ORGN",
    "organisms": "ORGN",
    "species": "ORGN",
    "mh": "MESH",
    "mesh": "MESH",
    "tiab": "TITL",
    "title/abstract": "TITL",
    "abstract": "DESC",
    "summary": "DESC",
    "dp": "PDAT",
    "date": "PDAT",
    "accession": "ACCN",
    "gpl": "RGPL",
    "platform": "RGPL",
    "entrytype": "ETYP",
}


def _short(term: str, limit: int = 80) -> str:
    return repr(term if len(term) <= limit else term[: limit - 1] + "…")
