"""Terms and conditions as queries of the index, put together from objects: no text of a user is ever parsed."""

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

        self._query, self._occur, self._integer = tantivy.Query, tantivy.Occur, tantivy.FieldType.Integer
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

    def without(self, query: tantivy.Query, other: tantivy.Query) -> tantivy.Query:
        return self._query.boolean_query([(self._occur.Must, query), (self._occur.MustNot, other)])

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

    def passing(self, condition: Condition) -> tantivy.Query:
        """Studies that pass a condition."""
        query = self._having(condition)
        return self.without(self.everything(), query) if condition.negated else query

    def _having(self, condition: Condition) -> tantivy.Query:
        if condition.term is not None:
            types = [self.one_of("type_key", condition.values)] if condition.values else []
            return self._any([self.naming(condition.term), *types])
        if condition.field in ("n_samples", "published"):
            return self._query.range_query(
                self._schema, condition.field, self._integer, condition.low, condition.high
            )
        field = {"organism": "organism_key", "type": "type_key"}.get(condition.field, condition.field)
        return self.one_of(field, condition.values)

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
        stems = sorted({name_stems(name) for name in names})
        return [
            self._query.phrase_query(self._schema, "text", list(item))
            for item in stems
            if len(item) > 1 and all(item) and not self._is_joined(item)
        ]

    def _is_joined(self, stems: Sequence[str]) -> bool:
        return self._joined and is_phrase(stems)

    def _any(self, queries: Sequence[tantivy.Query]) -> tantivy.Query:
        if len(queries) == 1:
            return queries[0]
        if not queries:
            return self._query.empty_query()
        return self._query.boolean_query([(self._occur.Should, query) for query in queries])
