"""A report as PDF: its page, set by WeasyPrint, which is given neither files nor network.

https://doc.courtbouillon.org/weasyprint/ . Only ``data:`` addresses are read, and a page holds all it needs in such.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError

_STYLE = Path(__file__).with_name("pdf.css").read_text(encoding="utf-8")
_PANGO = (
    "PDF needs the Pango libraries of the system: on Debian and Ubuntu apt-get install libpango-1.0-0 "
    "libpangoft2-1.0-0 libharfbuzz-subset0, on macOS brew install pango"
)


def page_pdf(page: str) -> bytes:
    """The page as a tagged PDF on A4. MissingExtraError where WeasyPrint or its libraries are not installed."""
    weasyprint = _weasyprint()
    # WeasyPrint logs each property of CSS that it does not know; a page for browsers has some.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    fetcher = weasyprint.URLFetcher(allowed_protocols={"data"}, allow_redirects=False)
    document = weasyprint.HTML(string=page, url_fetcher=fetcher)
    style = weasyprint.CSS(string=_STYLE, url_fetcher=fetcher)
    made: bytes = document.write_pdf(
        stylesheets=[style], pdf_tags=True, pdf_identifier=hashlib.sha256(page.encode()).digest()[:16]
    )
    return made


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "WeasyPrint is not installed; run: pip install 'omics-nb[pdf]'", extra="pdf"
        ) from error
    except OSError as error:
        raise MissingExtraError(f"{_PANGO} ({error})", extra="pdf") from error
    return weasyprint
