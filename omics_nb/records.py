"""The values that flow: question → Query → Hits → Study → Quality, Contrast → DEResult (→ Report, in its room).

Each is a frozen dataclass that knows how to show itself and does no I/O. Frames inside are pandas; nothing
here imports pandas, so that ``import omics_nb`` stays light.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, overload

from . import display
from .errors import DataError, DesignError, MissingExtraError, NoMatrixError, NotFoundError
from .query import Intent as Intent
from .query import Query as Query
from .query import Side as Side
from .query import Term as Term
from .query import TermKind as TermKind

if TYPE_CHECKING:
    import anndata
    import pandas as pd

Verdict = Literal["ok", "warn", "fail"]
ValueKind = Literal["expression", "counts"]
_REMOVED_SHOWN = 6


class Sourced(Protocol):
    """A value that knows where it came from."""

    @property
    def source(self) -> str: ...
    @property
    def synthetic(self) -> bool: ...


def origin(value: Sourced) -> str:
    """Where a value came from, for its one line of text."""
    return f"source {value.source}" + (", synthetic" if value.synthetic else "")


@dataclass(frozen=True, slots=True)
class Hit:
    """One study that a search found. ``score`` orders the hits of one search and means nothing beyond it.

    It is ``relevance`` (how far the study is about the question) times ``fitness`` (how far it serves the question's
    intent, whatever it is about; 1 where nothing is said). ``merged`` are series that are shown with this one: the
    SuperSeries that it is a part of, and the same study under another accession. ``snippet`` is where most of the
    question stands together in its text, ``embedding`` the similarity that an embedder gave, where one was asked.
    """

    accession: str
    title: str
    summary: str
    organisms: tuple[str, ...]
    types: tuple[str, ...]
    platforms: tuple[str, ...]
    n_samples: int
    published: date | None
    score: float
    reasons: tuple[str, ...]
    source: str
    synthetic: bool = False
    relevance: float = 0.0
    fitness: float = 1.0
    merged: tuple[str, ...] = ()
    snippet: str = ""
    overall_design: str = ""
    embedding: float | None = None

    def __str__(self) -> str:
        return f"{self.accession}  {self.title} ({self.n_samples} samples, {origin(self)})"


@dataclass(frozen=True, slots=True)
class Removed:
    """What a condition took out of the studies that were looked at: how many, and the first of them."""

    condition: str
    count: int
    accessions: tuple[str, ...]

    def __str__(self) -> str:
        some = self.accessions[:_REMOVED_SHOWN]
        more = f" and {self.count - len(some)} more" if self.count > len(some) else ""
        return f'The condition "{self.condition}" removed {self.count}: {", ".join(some)}{more}.'


@dataclass(frozen=True, slots=True)
class Sent:
    """One search as a source took it: what was sent, how many records it has, and how the source read it.

    ``variant`` is "strict" (all words of the question) or "broad" (what the vocabulary knows of it, with parts and
    kinds). ``dropped`` are phrases that the source left out, ``changes`` sentences on where it read something else
    than was sent.
    """

    variant: Literal["strict", "broad"]
    term: str
    count: int
    translation: str = ""
    dropped: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hits(Sequence[Hit]):
    """What a search found, best first, and how it read the question.

    ``total`` counts all matches, of which ``hits`` are the first. ``notes`` explain: dropped phrases, an empty
    result, limits. ``backend_query`` is what was sent to the source, where that is text of its own, and ``searches``
    are all its variants with their counts. ``removed`` are the studies that conditions took out here, after the source
    had found them. ``facets`` count all matches, where they were asked for: organism, type, platform, year, tissue,
    disease → value → studies. ``weights`` tell how scores are made. ``synthetic`` is of the source, so that a search
    that found nothing tells it too.
    """

    query: Query
    hits: tuple[Hit, ...]
    source: str
    total: int
    notes: tuple[str, ...] = ()
    backend_query: str | None = None
    synthetic: bool = False
    searches: tuple[Sent, ...] = ()
    removed: tuple[Removed, ...] = ()
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    weights: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self.hits[index]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def get(self, accession: str) -> Hit:
        """The hit with this accession, or that it is shown with; NotFoundError if the search did not find it."""
        for hit in self.hits:
            if accession.upper() in (hit.accession, *hit.merged):
                return hit
        have = ", ".join(hit.accession for hit in self.hits) or "none"
        raise NotFoundError(f"{accession} is not among the hits; they are: {have}", accession=accession)

    def to_frame(self) -> pd.DataFrame:
        """One row a hit: what it says of itself, its scores, its reasons and where it came from."""
        import pandas as pd

        rows = [
            {
                "accession": hit.accession,
                "title": hit.title,
                "organism": "; ".join(hit.organisms),
                "type": "; ".join(hit.types),
                "platforms": "; ".join(hit.platforms),
                "n_samples": hit.n_samples,
                "published": hit.published,
                "score": hit.score,
                "relevance": hit.relevance,
                "fitness": hit.fitness,
                "reasons": "; ".join(hit.reasons),
                "source": hit.source,
                "synthetic": hit.synthetic,
            }
            for hit in self.hits
        ]
        columns = (
            "accession title organism type platforms n_samples published score relevance fitness reasons source"
            " synthetic"
        )
        return pd.DataFrame(rows, columns=columns.split())

    def __repr__(self) -> str:
        return f"Hits({len(self)} of {self.total} for {self.query.text!r}, {origin(self)})"

    def _repr_html_(self) -> str:
        return display.hits_html(self)

    def __str__(self) -> str:
        return display.hits_text(self)


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """What a search needs of a study: its own words and facts, read without its tables.

    ``sample_texts``: one string a sample: title, source name and characteristics. ``relations`` as GEO writes them
    ("SuperSeries of: GSE…"). ``has_values`` is False where no file at hand holds a table or counts. ``files`` are names
    of supplementary files, or only their kinds ("CEL"), as far as the record lists them.
    """

    accession: str
    title: str
    summary: str
    overall_design: str
    organisms: tuple[str, ...]
    types: tuple[str, ...]
    platforms: tuple[str, ...]
    published: date | None
    n_samples: int
    sample_texts: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    has_values: bool = True
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Where a file came from and what it was: ``location`` is a URL or a path, ``retrieved`` an ISO time in UTC."""

    name: str
    location: str
    n_bytes: int
    sha256: str
    retrieved: str


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A GEO series (or GDS) with everything that was read of it.

    ``samples``: one row per GSM (index), columns ``title``, ``source_name``, ``organism``, ``platform`` and one per
    characteristic, named by the text before its first colon; strings, empty where a sample lacks one.
    ``matrices``: platform accession → features × samples, float64 (int32 or int64 for counts), columns a subset of
    ``samples.index`` in its order. ``features``: platform accession → annotation, index the feature identifiers;
    where gene symbols are known they are in the column ``symbol``. ``value_kind`` says what the matrices hold.
    ``notes`` are warnings met on the way: what was odd, what was lost, and where missing data may be.
    ``metadata``: the series' own lines, attribute without ``Series_`` → values in file order. ``added``: columns of
    ``samples`` that came by ``with_factor`` and are in no file.
    """

    accession: str
    title: str
    summary: str
    overall_design: str
    organisms: tuple[str, ...]
    types: tuple[str, ...]
    published: date | None
    samples: pd.DataFrame
    matrices: Mapping[str, pd.DataFrame]
    features: Mapping[str, pd.DataFrame]
    value_kind: ValueKind
    source: str
    files: tuple[FileRecord, ...]
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added: tuple[str, ...] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platforms that the samples name, in the order of the samples."""
        return tuple(dict.fromkeys(str(name) for name in self.samples["platform"] if name))

    @property
    def n_samples(self) -> int:
        return len(self.samples)

    @property
    def declared(self) -> tuple[str, ...]:
        """Samples that the series' own lines name, be they in a file at hand or not; none where no line does."""
        return tuple(dict.fromkeys(" ".join(self.metadata.get("sample_id", ())).split()))

    def matrix(self, platform: str | None = None) -> pd.DataFrame:
        """The matrix of a platform; without one, the only matrix. NoMatrixError says which there are."""
        return self.matrices[self.choose_platform(platform)]

    def choose_platform(self, platform: str | None = None) -> str:
        """``platform`` if it has a matrix, or the only one that has; NoMatrixError otherwise."""
        have = ", ".join(self.matrices) or "none"
        if not self.matrices:
            why = [f"{note.rstrip('.')}." for note in self.notes] or ["Its files hold none."]
            raise NoMatrixError(
                f"{self.accession} has no matrix of values. {' '.join(why)}", accession=self.accession
            )
        if platform is None and len(self.matrices) > 1:
            raise NoMatrixError(
                f"{self.accession} has one matrix for each of {have}; "
                f"say which platform, for example {next(iter(self.matrices))}",
                accession=self.accession,
            )
        if platform is not None and platform not in self.matrices:
            raise NoMatrixError(
                f"{self.accession} has no matrix for platform {platform!r}; have {have}",
                accession=self.accession,
            )
        return platform or next(iter(self.matrices))

    def factor(self, name: str) -> pd.Series[str]:
        """The sample column ``name``; DesignError says which columns there are."""
        if name not in self.samples.columns:
            raise DesignError(
                f"no factor {name!r} in the samples of {self.accession}; have {sorted(map(str, self.samples.columns))}",
                factor=name,
            )
        return self.samples[name]

    def with_factor(self, name: str, levels: Mapping[str, str] | Sequence[str]) -> Study:
        """A copy whose samples have one more column: levels by sample, or in the order of the samples.

        A mapping or a pandas Series is taken by its keys, whatever their order; samples that it leaves out, and None
        or NaN anywhere, become an empty level, and analyses leave such samples out. DataError if a sequence has
        another length than the samples, a mapping names samples that are not there, or the column is in the files.
        """
        if name in self.samples.columns and name not in self.added:
            raise DataError(
                f"{self.accession} has a column {name!r} in its own sample sheet; choose another name"
            )
        samples = self.samples.copy()
        if hasattr(levels, "to_dict"):
            levels = levels.to_dict()
        if isinstance(levels, Mapping):
            unknown = sorted(set(levels) - set(samples.index))
            if unknown:
                raise DataError(
                    f"{self.accession} has no samples {unknown[:5]}; it has {list(samples.index[:5])} …",
                    unknown_samples=tuple(unknown),
                )
            samples[name] = [_level(levels.get(sample)) for sample in samples.index]
        else:
            if len(levels) != len(samples):
                raise DataError(
                    f"{len(levels)} levels of {name!r} for the {len(samples)} samples of {self.accession}"
                )
            samples[name] = [_level(level) for level in levels]
        return replace(self, samples=samples, added=(*(old for old in self.added if old != name), name))

    def with_factors(self, groups: Mapping[str, Mapping[str, str]]) -> Study:
        """A copy with a column for each of ``groups``, name → sample → level, as ``with_factor`` adds one."""
        study = self
        for name, levels in groups.items():
            study = study.with_factor(name, levels)
        return study

    def to_anndata(self, platform: str | None = None) -> anndata.AnnData:
        """Samples × features of one platform; ``obs`` the samples, ``var`` the annotation, ``uns`` the provenance."""
        try:
            import anndata
        except ImportError as error:
            raise MissingExtraError(
                "AnnData is not installed; run: pip install 'omics-nb[anndata]'", extra="anndata"
            ) from error
        platform = self.choose_platform(platform)
        matrix = self.matrices[platform]
        features = self.features.get(platform)
        var = (
            features.reindex(matrix.index) if features is not None else matrix.index.to_frame(name="feature")
        )
        # h5ad holds strings or numbers, not the mixture that a reindex with missing rows leaves behind.
        var = var.fillna("").astype(str)
        var.index = var.index.astype(str)
        obs = self.samples.loc[matrix.columns].astype(str)
        # h5ad takes "/" in the name of a column for a path.
        obs, var = (frame.rename(columns=lambda name: str(name).replace("/", "|")) for frame in (obs, var))
        return anndata.AnnData(
            X=matrix.to_numpy().T,
            obs=obs,
            var=var,
            uns={
                "accession": self.accession,
                "title": self.title,
                "platform": platform,
                "value_kind": self.value_kind,
                "source": self.source,
                "synthetic": self.synthetic,
                "files": {record.name: record.sha256 for record in self.files},
            },
        )

    def __repr__(self) -> str:
        matrices = ", ".join(self.matrices) or "none"
        return f"Study({self.accession}, {self.n_samples} samples, matrices: {matrices}, {origin(self)})"

    def _repr_html_(self) -> str:
        return display.study_html(self)


def _level(value: object) -> str:
    """A level as text; empty for None and NaN, the one value that differs from itself."""
    return "" if value is None or value != value else str(value).strip()


@dataclass(frozen=True, slots=True)
class Check:
    """One look at the quality of a study: its value, a verdict and a sentence that a person can act on."""

    name: str
    value: Any
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of one matrix of a study. ``score`` is the share of weighted checks that held, 0 to 1.

    ``scale`` is "log2", "raw" or "counts" for the values as they are in the file. ``outliers`` are sample
    accessions. ``weights`` shows what each check weighs in the score.
    """

    accession: str
    platform: str | None
    checks: tuple[Check, ...]
    score: float
    scale: str
    outliers: tuple[str, ...]
    weights: Mapping[str, float]
    source: str
    synthetic: bool = False

    def check(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise DataError(f"no check {name!r}; have {[check.name for check in self.checks]}")

    def __repr__(self) -> str:
        return (
            f"Quality({self.accession}, {self.platform}, score {self.score:.2f}, {len(self.checks)} checks, "
            f"{origin(self)})"
        )

    def _repr_html_(self) -> str:
        return display.quality_html(self)

    def __str__(self) -> str:
        return display.quality_text(self)


class Contrast(NamedTuple):
    """``tested`` against ``reference``, two levels of one factor: a positive change is higher in ``tested``."""

    factor: str
    tested: str
    reference: str

    def __str__(self) -> str:
        return f"{self.factor}: {self.tested} vs {self.reference}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A comparison that the sample sheet suggests, with the reason; always to be looked at before it is used.

    ``design`` is a formula where the sheet suggests more than the factor itself: pairs.
    """

    contrast: Contrast
    reason: str
    n_tested: int
    n_reference: int
    platform: str
    design: str | None = None


class ResultColumns(NamedTuple):
    """What a method's own package calls log2 fold change, average expression, P-value and adjusted P-value."""

    change: str
    average: str
    p: str
    adj_p: str


_LIMMA_COLUMNS = ResultColumns("logFC", "AveExpr", "P.Value", "adj.P.Val")
_COLUMNS = {
    "deseq2": ResultColumns("log2FoldChange", "baseMean", "pvalue", "padj"),
    "edger": ResultColumns("logFC", "logCPM", "PValue", "FDR"),
}


@dataclass(frozen=True, slots=True, eq=False)
class DEResult:
    """Differential expression of one contrast.

    ``table``: one row a feature, index the feature identifiers in the order of the matrix, first column ``symbol``
    (empty where unknown), then what the method's own package gives, by its names: limma's ``logFC``, ``AveExpr``,
    ``t``, ``P.Value``, ``adj.P.Val`` (Benjamini-Hochberg), ``B``, DESeq2's ``baseMean``, ``log2FoldChange``,
    ``lfcSE``, ``stat``, ``pvalue``, ``padj``, or edgeR's ``logFC``, ``logCPM``, ``F``, ``PValue``, ``FDR``; ``columns``
    says which is which. Of several comparisons it tests all together, its change is the largest in size, and ``each``
    holds a result for each. ``scale_decision`` says in words
    whether values were log-transformed and why. ``groups``: "tested" and "reference" → sample accessions.
    ``versions``: package → version. ``options``: further arguments of the fit that were not at their defaults.
    """

    table: pd.DataFrame
    accession: str
    platform: str
    contrast: Contrast
    design: str
    method: str
    groups: Mapping[str, tuple[str, ...]]
    scale_decision: str
    source: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    each: tuple[DEResult, ...] = ()

    @property
    def columns(self) -> ResultColumns:
        """The names of the columns that every method has."""
        return _COLUMNS.get(self.method, _LIMMA_COLUMNS)

    @property
    def n_tested(self) -> int:
        """How many features have a P value."""
        return int(self.table[self.columns.p].notna().sum())

    def significant(self, adj_p: float = 0.05, min_abs_logfc: float = 0.0) -> pd.DataFrame:
        """Rows with adjusted P ≤ ``adj_p`` and |log2 fold change| ≥ ``min_abs_logfc``, smallest P first."""
        table, names = self.table, self.columns
        keep = (table[names.adj_p] <= adj_p) & (table[names.change].abs() >= min_abs_logfc)
        return table[keep].sort_values([names.p, names.change], kind="stable")

    def top(self, n: int = 20) -> pd.DataFrame:
        """The ``n`` rows with the smallest P."""
        return self.table.sort_values(self.columns.p, kind="stable").head(n)

    def __repr__(self) -> str:
        return (
            f"DEResult({self.accession}, {self.contrast}, {self.method}, {len(self.table)} features, "
            f"{origin(self)})"
        )

    def _repr_html_(self) -> str:
        return display.result_html(self)
