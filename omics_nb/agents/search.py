"""The search agents: a question → ranked studies of one source; a study → those that are like it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field, InstanceOf

from ..errors import NotFoundError, QuestionError
from ..index import Choice, Sort, choice
from ..index.embedding import AT_LEAST, TIMES, fuse, open_embedder
from ..index.headers import shown_note
from ..index.recognise import things_named
from ..records import Hit, Hits, Query, Term
from ..sources import Refines, Source, open_source
from ..terms import understand

# So many things that an example names are asked for; a title's words count as much as so many of the summary's.
_MOST_THINGS = 10
_TITLE_COUNTS = 3


def search(
    question: str | InstanceOf[Query],
    *,
    source: str | None = None,
    limit: Annotated[int, Field(ge=1)] = 20,
    within: InstanceOf[Hits] | Sequence[str] | None = None,
    sort: Sort = "relevance",
    facets: bool = False,
    embedder: str | Callable[[Sequence[str]], Sequence[Sequence[float]]] | None = None,
) -> InstanceOf[Hits]:
    """Studies for a question, best first, each with the reasons it was found.

    ``source`` is ``demo``, ``mirror:FOLDER``, ``ncbi`` or another's name; the settings choose where it is None.
    ``within`` searches among hits (their source, where none is given) or accessions. ``sort`` may be "date" (newest
    first) or "samples" (most first). ``facets`` counts all matches by organism, type, platform, year, tissue and
    disease. ``embedder`` (texts → vectors, or ``PROVIDER:MODEL`` of openai, ollama or local) has a part in the order by
    relevance, and its cosine is shown with each hit.
    An empty result says why in its notes. QuestionError for a question that cannot be read, a limit below 1,
    or where the source cannot do what is asked of it; SourceError where it cannot answer.
    """
    chosen = choice(limit, within, sort, facets)
    query = question if isinstance(question, Query) else understand(question)
    opened = open_source(source or (within.source if isinstance(within, Hits) else None))
    if embedder is None:
        return _search(opened, query, chosen)
    if sort != "relevance":
        raise QuestionError(f"an embedder has a part in the order by relevance, not in that by {sort}")
    embed = open_embedder(embedder) if isinstance(embedder, str) else embedder
    more = chosen._replace(limit=max(AT_LEAST, TIMES * limit))
    hits = fuse(_search(opened, query, more), embed, limit=limit)
    notes = [note for note in hits.notes if not note.endswith(" are shown.")]
    if hits.total > len(hits):
        notes.append(shown_note(len(hits), hits.total))
    return replace(hits, notes=tuple(notes))


def _search(opened: Source, query: Query, chosen: Choice) -> Hits:
    if isinstance(opened, Refines):
        return opened.refine(query, chosen)
    if chosen != choice(chosen.limit):
        why = f"the source {opened.spec} cannot search within hits, sort or count them"
        raise QuestionError(why, source=opened.spec)
    return opened.search(query, limit=chosen.limit)


def similar(
    study: str | InstanceOf[Hit], *, source: str | None = None, limit: Annotated[int, Field(ge=1)] = 20
) -> InstanceOf[Hits]:
    """Studies like a study of the source, the likest first: those that name what its title and summary name.

    ``query`` of the hits has the things that were asked for, diseases, tissues, genes and such with their synonyms,
    and the other words of the title; each counts by its rarity in the source. NotFoundError if the source does not
    have the study.
    """
    accession = study.accession if isinstance(study, Hit) else study.strip().upper()
    opened = open_source(source or (study.source if isinstance(study, Hit) else None))
    found = opened.search(Query(accession, accessions=(accession,)), limit=1)
    if not found or found[0].accession != accession:
        raise NotFoundError(
            f"{opened.spec} has no study {accession}", accession=accession, source=opened.spec
        )
    query = _query_by_example(found[0])
    hits = opened.search(query, limit=limit + 1)
    others = tuple(hit for hit in hits if hit.accession != accession)[:limit]
    notes = tuple(note for note in hits.notes if "matching studies are shown" not in note)
    if not others:
        elsewhere = "" if opened.spec == "ncbi" else "; more studies are in the source ncbi"
        notes = (*notes, f"No other study of {opened.spec} names any of what {accession} names{elsewhere}.")
    return replace(
        hits, hits=others, total=hits.total - (accession in {hit.accession for hit in hits}), notes=notes
    )


def _query_by_example(hit: Hit) -> Query:
    """What a study names, the most often named first; any of it will do."""
    counts: Counter[Term] = Counter()
    for text, worth in ((hit.title, _TITLE_COUNTS), (hit.summary, 1)):
        for term in things_named(text):
            counts[replace(term, text=term.label, span=(0, 0), group=1)] += worth
    things = [term for term, _ in counts.most_common(_MOST_THINGS)]
    words = [replace(term, group=1) for term in _plain_words(hit.title)]
    return Query(f"studies like {hit.accession}", terms=(*things, *words))


def _plain_words(title: str) -> tuple[Term, ...]:
    """The words of a title that name nothing known and are no filler."""
    try:
        return understand(title[:2_000]).of("word")
    except QuestionError:
        return ()
