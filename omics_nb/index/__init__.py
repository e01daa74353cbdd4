"""Finding studies by their headers: those at hand by ``search_headers``, those of a folder by an ``Index``.

Text is data here: no sign in a question or a study has a meaning of its own. The library below an ``Index``
(tantivy) is imported when one is first made or opened.
"""

from __future__ import annotations

from .at_hand import NCBI_COUNTS as NCBI_COUNTS
from .headers import Choice as Choice
from .headers import Sort as Sort
from .headers import choice as choice
from .headers import search_headers as search_headers
from .opened import Found as Found
from .opened import Index as Index
from .opened import Info as Info
from .opened import open_index as open_index
from .postings import build as build
from .reasons import ONE_WORD as ONE_WORD
from .store import Added as Added
from .store import add_studies as add_studies
from .text import stem as stem
from .text import words as words
