"""Errors as a person meets them: what failed, why, what to do; the details folded."""

from __future__ import annotations

import traceback
from pathlib import Path

from omics_nb import errors
from omics_nb.display.markup import Html, el, facts, fold

from .parts import block

_ADVICE: dict[type[Exception], str] = {
    errors.QuestionError: "Name what you look for in a few words: an organism, a disease or a treatment.",
    errors.MissingExtraError: "Run the pip line above, restart the kernel and try again.",
    errors.UnknownSourceError: "Choose one of the sources that are named above.",
    errors.NotFoundError: "Check the accession, or choose another study from the list.",
    errors.PrivateRecordError: "Choose another study; this one can be read once its authors release it.",
    errors.OfflineError: "Check the connection and try again; the source “demo” works without a network.",
    errors.BlockedError: "Wait a few minutes and try again; a network that filters traffic may be the cause.",
    errors.RateLimitError: "Wait a minute and try again; an NCBI API key (NCBI_API_KEY) raises the limit.",
    errors.BackendError: "Try again in a few minutes; if it lasts, the source itself has a fault.",
    errors.SourceError: "Check the source and try again.",
    errors.NoMatrixError: "Choose another platform or another study, or read where the values may be.",
    errors.IntegrityError: "Try again, so that the file is fetched anew.",
    errors.DataError: "Choose another study, or open this one in a notebook to look at its files.",
    errors.DesignError: "Choose other groups, with at least two samples on each side.",
    errors.ScaleError: "Choose another platform or study whose values fit the method.",
    errors.SettingsError: "Correct it where it was given: in the form, in the cell or in the settings file.",
}
_UNKNOWN = "This is a fault of the program, not yours. The details below help those who mend it."


def error_card(error: BaseException, doing: str) -> str:
    """``error`` as an alert. ``doing`` names what was under way: "Search", "Reading GSE42872"."""
    ours = isinstance(error, errors.OmicsError)
    why = str(error) if ours else f"{type(error).__name__}: {error}"
    return block(
        el("h3", f"{doing} did not work"),
        el("p", why, class_="omics-why"),
        el("p", el("strong", "What to do: "), advice(error)),
        fold("Details", _details(error)),
        kind="omics-error",
        role="alert",
    )


def advice(error: BaseException) -> str:
    """What a person can do about it, by the nearest kind of error that we know."""
    for kind in type(error).__mro__:
        if kind in _ADVICE:
            return _ADVICE[kind]
    return "Change the input and try again." if isinstance(error, errors.OmicsError) else _UNKNOWN


def _details(error: BaseException) -> Html:
    cause = error.__cause__
    known = [
        ("Kind", type(error).__name__),
        *((name, str(value)) for name, value in getattr(error, "facts", {}).items()),
        ("Cause", f"{type(cause).__name__}: {cause}" if cause else None),
    ]
    # Names and lines only: sources and paths of the machine do not belong on a page that others may see.
    places = [
        f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)
    ]
    return Html(facts(known) + el("pre", "\n".join(places[-8:])))
