"""All studies of the archive, as data."""

from __future__ import annotations

from collections.abc import Mapping

from ..spec import DatasetSpec, StudySpec
from . import cancer, cells, patients, rodents

STUDIES: Mapping[str, StudySpec] = {
    study.accession: study
    for study in sorted(
        (*cancer.STUDIES, *cells.STUDIES, *patients.STUDIES, *rodents.STUDIES), key=lambda s: s.accession
    )
}

DATASETS: Mapping[str, DatasetSpec] = {
    dataset.accession: dataset
    for dataset in (
        DatasetSpec(
            accession="GDS900001",
            series="GSE9000005",
            platform="GPL900001",
            title="Renal clear cell carcinoma (H1)",
            description=(
                "Comparison of renal clear cell carcinoma and adjacent normal kidney of the same patients."
            ),
            subsets={"disease state": "tissue", "individual": "patient"},
            formula="~ individual + `disease state`",
        ),
        DatasetSpec(
            accession="GDS900002",
            series="GSE9000024",
            platform="GPL900009",
            title="Pressure overload effect on the left ventricle",
            description=(
                "Analysis of left ventricles 4 weeks after aortic banding, a model of cardiac hypertrophy."
            ),
            subsets={"protocol": "procedure"},
            formula="~ protocol",
        ),
    )
}
