"""Terms and conditions as queries of the index.

Terms are put together from objects. Conditions are written in the index's query language, which its aggregations ask
for; every value in it stands in quotes, so that no text of a user is read as syntax.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..records import Query, Term
from .conditions import Condition
from .ranking import NARROWER, OWN_WORDS, TITLE_BONUS, enough, things, weight
from .recognise import JOINED, is_phrase
from .schema import schema
from .text import name_stems

if TYPE_CHECKING:
    import tantivy

# The index's own BM25 saturates at 2.2 times one mention, ours at 3 times.
_SATURATED = 1.4


class Clauses:
    """Queries over the fields of the index.

    ``joined`` says whether all studies carry the phrases of the vocabulary at hand; else their words are compared
    one by one, which takes longer.
    """

    def __init__(self, *, joined: bool) -> None:
        import tantivy

        self._query, self._occur = tantivy.Query, tantivy.Occur
        self._schema, self._joined = schema(), joined

    def everything(self) -> tantivy.Query:
        return self._query.all_query()

    def one_of(self, field: str, values: Iterable[str]) -> tantivy.Query:
        """Studies with one of these whole values."""
        return self._query.term_set_query(self._schema, field, sorted(values))

    def word(self, stem: str) -> tantivy.Query:
        return self.value("text", stem)

    def value(self, field: str, value: str) -> tantivy.Query:
        return self._query.term_query(self._schema, field, value)

    def filtered(self, query: tantivy.Query, passing: Iterable[tantivy.Query]) -> tantivy.Query:
        """``query`` with its scores, of studies that pass."""
        return self.both(query, *(self._query.const_score_query(item, 0.0) for item in passing))

    def both(self, *queries: tantivy.Query) -> tantivy.Query:
        return self._query.boolean_query([(self._occur.Must, query) for query in queries])

    def naming(self, term: Term) -> tantivy.Query:
        """Studies that name a term by any of its names, or in which it was recognised; all score alike."""
        return self._any([*self._names((*term.names, *term.narrower)), *self._concept(term)])

    def asked(self, query: Query, terms: Sequence[Term]) -> tantivy.Query:
        """Studies that name at least half of the question's things, or are those whose accessions it names."""
        return self._asked(query, terms, [self.naming(term) for term in terms])

    def _asked(self, query: Query, terms: Sequence[Term], named: Sequence[tantivy.Query]) -> tantivy.Query:
        if query.accessions:
            return self.one_of("accession", query.accessions)
        groups = [self._any([named[n] for n in group]) for group in things(terms)]
        if not groups:
            return self.everything()
        return self._query.boolean_query(
            [(self._occur.Should, group) for group in groups],
            minimum_number_should_match=enough(len(groups)),
        )

    def passing(self, condition: Condition) -> str:
        """Studies that pass a condition, in the index's query language."""
        return self._lacking(condition) if condition.negated else _either(self._having(condition))

    def failing(self, condition: Condition) -> str:
        """Studies that do not pass it."""
        return _either(self._having(condition)) if condition.negated else self._lacking(condition)

    def _lacking(self, condition: Condition) -> str:
        if condition.field in ("n_samples", "published"):
            # Ranges beside it are found several times faster than all studies without it.
            below = [(None, condition.low - 1)] if condition.low is not None else []
            above = [(condition.high + 1, None)] if condition.high is not None else []
            return _either(_range(condition.field, *ends) for ends in (*below, *above))
        return f"(+* -{_either(self._having(condition))})"  # the language has no plain "not"

    def _having(self, condition: Condition) -> list[str]:
        if condition.term is not None:
            term = condition.term
            names = (*term.names, *term.narrower)
            found = [_value(*place) for place in self._places(names)]
            found += [_value("text", " ".join(stems)) for stems in self._apart(names)]
            found += [_value("concepts", term.id)] if term.id else []
            return found + [_value("type_key", value) for value in sorted(condition.values)]
        if condition.field in ("n_samples", "published"):
            return [_range(condition.field, condition.low, condition.high)]
        field = {"organism": "organism_key", "type": "type_key"}.get(condition.field, condition.field)
        return [_value(field, value) for value in sorted(condition.values)]

    def scored(
        self,
        query: Query,
        terms: Sequence[Term],
        rarities: Sequence[float],
        own: Iterable[str],
        rare: Callable[[str, str], float],
    ) -> tantivy.Query:
        """``asked`` with scores near those of ``ranking``, to choose whom that is asked to rank.

        ``rarities`` are of the terms; ``rare`` tells that of a stem or phrase in a field.
        """
        near = [
            self._near_score(term, weight(term) * rarity, rare)
            for term, rarity in zip(terms, rarities, strict=True)
        ]
        parts = [(self._occur.Must, self._asked(query, terms, near))]
        others = [near[n] for n, term in enumerate(terms) if term.kind == "assay" or query.accessions]
        others += [self._boost(self.word(stem), OWN_WORDS * _SATURATED) for stem in own]
        for term, rarity in zip(terms, rarities, strict=True):
            first = {stems[0] for name in term.names if (stems := name_stems(name)) and stems[0]}
            titles = [self._query.term_query(self._schema, "title", stem, "basic") for stem in sorted(first)]
            others.append(self._query.const_score_query(self._any(titles), TITLE_BONUS * rarity))
        parts += [(self._occur.Should, other) for other in others]
        return self._query.boolean_query(parts)

    def _near_score(self, term: Term, worth: float, rare: Callable[[str, str], float]) -> tantivy.Query:
        """Studies that name a term; those by its own names score by how often each stands, relative to one mention."""
        found = [
            self._boost(self._query.term_query(self._schema, *place), _SATURATED * worth / rare(*place))
            for place in self._places(term.names)
        ]
        found += [self._query.const_score_query(query, worth) for query in self._phrases(term.names)]
        if narrower := [*self._names(term.narrower), *self._concept(term)]:
            found.append(self._query.const_score_query(self._any(narrower), NARROWER * worth))
        return self._query.disjunction_max_query(found)

    def _boost(self, query: tantivy.Query, factor: float) -> tantivy.Query:
        return self._query.boost_query(query, factor)

    def _concept(self, term: Term) -> list[tantivy.Query]:
        return [self._query.term_query(self._schema, "concepts", term.id, "basic")] if term.id else []

    def _names(self, names: Iterable[str]) -> list[tantivy.Query]:
        """Studies in which one of these names stands, a query for each; sets of terms take twice the time."""
        names = tuple(names)
        known = [self._query.term_query(self._schema, *place, "basic") for place in self._places(names)]
        return known + self._phrases(names)

    def _places(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Field and value of the names that are one value: single words, and phrases that the vocabulary has."""
        stems = sorted({name_stems(name) for name in names})
        return [
            ("text", item[0]) if len(item) == 1 else ("phrases", JOINED.join(item))
            for item in stems
            if item and all(item) and (len(item) == 1 or self._is_joined(item))
        ]

    def _phrases(self, names: Iterable[str]) -> list[tantivy.Query]:
        """The other names, as words that follow one another."""
        return [self._query.phrase_query(self._schema, "text", list(stems)) for stems in self._apart(names)]

    def _apart(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        """The stems of names of several words that are not one value."""
        stems = sorted({name_stems(name) for name in names})
        return [item for item in stems if len(item) > 1 and all(item) and not self._is_joined(item)]

    def _is_joined(self, stems: Sequence[str]) -> bool:
        return self._joined and is_phrase(stems)

    def _any(self, queries: Sequence[tantivy.Query]) -> tantivy.Query:
        if len(queries) == 1:
            return queries[0]
        if not queries:
            return self._query.empty_query()
        return self._query.boolean_query([(self._occur.Should, query) for query in queries])


def _either(written: Iterable[str]) -> str:
    return f"({' OR '.join(written) or 'accession: IN []'})"


def _range(field: str, low: int | None, high: int | None) -> str:
    first, last = ("*" if end is None else str(end) for end in (low, high))
    return f"{field}:[{first} TO {last}]"


def _value(field: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}:"{quoted}"'
