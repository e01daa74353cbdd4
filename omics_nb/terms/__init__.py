"""Understanding a question: vocabulary, question grammar, Entrez query writer and validator.

``understand(text)`` gives a ``Query``; ``write_term(query)`` the search that NCBI takes. Nothing here touches the
network, and the vocabulary is read at the first question, not at import.
"""

from __future__ import annotations

from .entrez import validate_term as validate_term
from .entrez import write_term as write_term
from .question import understand as understand
