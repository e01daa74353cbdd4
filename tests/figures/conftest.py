"""The small studies of the analyses' tests."""

from __future__ import annotations

from tests.analysis.conftest import array_study as array_study
from tests.analysis.conftest import count_study as count_study
from tests.analysis.conftest import make_study as make_study
