"""Cultured cells and what was done to them."""

from __future__ import annotations

from ....records import Contrast
from ..spec import Arm, Effect, StudySpec

_SEQUENCING = "Expression profiling by high throughput sequencing"

STUDIES = (
    StudySpec(
        accession="GSE9000010",
        title="Hypoxia in HepG2 hepatoma cells",
        summary=(
            "HepG2 cells were kept at 1% or 21% oxygen for 24 hours to find the targets of the hypoxia "
            "response."
        ),
        overall_design="Three cultures in hypoxia (1% O2) and three in normoxia (21% O2).",
        published="Apr 08 2008",
        platforms=("GPL900001",),
        tissue="liver",
        same={"cell line": "HepG2"},
        arms=(Arm(3, {"oxygen": "21%"}, "M"), Arm(3, {"oxygen": "1%"}, "M")),
        effects=(Effect("hypoxia", {"oxygen": "1%"}),),
        contrast=Contrast("oxygen", "1%", "21%"),
        formula="~ oxygen",
        sample_title="HepG2 {oxygen} O2 #{n}",
        source_name="HepG2 cells",
        matrix=False,
        odd=frozenset({"lower-case entities"}),
        noise=0.2,
    ),
    StudySpec(
        accession="GSE9000011",
        title="Dexamethasone in airway smooth muscle cells of asthma donors (RNA-seq)",
        summary=(
            "Glucocorticoids are the main treatment of asthma. Primary human airway smooth muscle cells of "
            "four donors were treated with dexamethasone to find what the drug does in the airway."
        ),
        overall_design=(
            "Cells of four donors, each treated with 1 µM dexamethasone or left untreated for 18 hours."
        ),
        published="Jan 01 2014",
        platforms=("GPL900020",),
        scale="counts",
        counts="ncbi",
        type=_SEQUENCING,
        tissue="smooth muscle",
        same={"tissue": "human airway smooth muscle cells", "disease": "asthma"},
        arms=(Arm(4, {"treatment": "untreated"}, "FMMF"), Arm(4, {"treatment": "dexamethasone"}, "FMMF")),
        effects=(Effect("glucocorticoid", {"treatment": "dexamethasone"}, more=80),),
        contrast=Contrast("treatment", "dexamethasone", "untreated"),
        formula="~ donor + treatment",
        sample_title="ASM donor {n} {treatment}",
        source_name="airway smooth muscle cells",
        subject="donor",
        sex_column="sex",
        noise=0.03,
    ),
    StudySpec(
        accession="GSE9000012",
        title="Influenza A virus infection of A549 lung epithelial cells (RNA-seq)",
        summary=(
            "A549 cells were infected with influenza A virus (H1N1) or mock infected. Interferon and "
            "chemokine genes are induced within a day."
        ),
        overall_design="Mock and infected cells (MOI 1) at 6 and 24 hours, three replicates.",
        published="Aug 30 2019",
        platforms=("GPL900020",),
        scale="counts",
        counts="symbols",
        type=_SEQUENCING,
        tissue="airway",
        same={"cell line": "A549", "strain": "A/Puerto Rico/8/1934 (H1N1)"},
        arms=(
            Arm(3, {"infection": "mock", "time": "6 h"}, "M"),
            Arm(3, {"infection": "influenza A virus", "time": "6 h"}, "M"),
            Arm(3, {"infection": "mock", "time": "24 h"}, "M"),
            Arm(3, {"infection": "influenza A virus", "time": "24 h"}, "M"),
        ),
        effects=(
            Effect("respiratory virus", {"infection": "influenza A virus", "time": "6 h"}, strength=0.5),
            Effect("respiratory virus", {"infection": "influenza A virus", "time": "24 h"}),
        ),
        contrast=Contrast("infection", "influenza A virus", "mock"),
        formula="~ time + infection",
        sample_title="A549_{infection}_{time}_{n}",
        source_name="A549 cells",
        noise=0.03,
    ),
    StudySpec(
        accession="GSE9000013",
        title="Bronchial epithelium infected with a betacoronavirus (RNA-seq)",
        summary=(
            "Air-liquid interface cultures of human airway epithelium were infected with a betacoronavirus "
            "like SARS-CoV-2, as a model of COVID-19. Pro-inflammatory cytokines rise while the interferon "
            "response stays small."
        ),
        overall_design="Cultures of five donors, infected (MOI 0.1) or mock, 48 hours.",
        published="Jun 22 2021",
        platforms=("GPL900020",),
        scale="counts",
        counts="ensembl",
        type=_SEQUENCING,
        tissue="airway",
        same={"tissue": "bronchial epithelium", "culture": "air-liquid interface"},
        arms=(Arm(5, {"infection": "mock"}, "MF"), Arm(5, {"infection": "betacoronavirus"}, "MF")),
        effects=(Effect("coronavirus", {"infection": "betacoronavirus"}, more=50),),
        contrast=Contrast("infection", "betacoronavirus", "mock"),
        formula="~ donor + infection",
        sample_title="HBE D{n} {infection}",
        source_name="primary bronchial epithelial cells",
        subject="donor",
        noise=0.05,
    ),
    StudySpec(
        accession="GSE9000014",
        title="Activation of human CD4 T cells through CD3 and CD28 (RNA-seq)",
        summary=(
            "Naive CD4 T cells of healthy donors were stimulated with beads against CD3 and CD28 for 0, 6 "
            "and 24 hours."
        ),
        overall_design="Time course with four donors: unstimulated (0 h), 6 h and 24 h.",
        published="Mar 03 2020",
        platforms=("GPL900020",),
        scale="counts",
        counts="featureCounts",
        type=_SEQUENCING,
        tissue="T cell",
        same={"cell type": "naive CD4+ T cell"},
        arms=tuple(Arm(4, {"time": time}, "FM") for time in ("0 h", "6 h", "24 h")),
        effects=(
            Effect("T cell activation", {"time": "6 h"}),
            Effect("T cell activation", {"time": "24 h"}, strength=0.8),
            Effect("proliferation", {"time": "24 h"}, more=0),
        ),
        contrast=Contrast("time", "24 h", "0 h"),
        formula="~ donor + time",
        sample_title="CD4_{time}_d{n}",
        source_name="peripheral blood CD4 T cells",
        subject="donor",
        noise=0.04,
    ),
    StudySpec(
        accession="GSE9000015",
        title="Dose response of monocytes to interferon beta",
        summary=(
            "Monocytes of healthy donors were treated with 0 to 1000 U/ml interferon beta for six hours to "
            "find which interferon-stimulated genes need a high dose."
        ),
        overall_design="Dose series: 0, 10, 100 and 1000 U/ml, three donors each.",
        published="Dec 05 2013",
        platforms=("GPL900005",),
        tissue="myeloid",
        same={"cell type": "CD14+ monocyte", "agent": "interferon beta"},
        arms=tuple(Arm(3, {"dose": f"{dose} U/ml"}, "FFM") for dose in (0, 10, 100, 1000)),
        effects=(
            Effect("interferon", {"dose": "10 U/ml"}, strength=0.35),
            Effect("interferon", {"dose": "100 U/ml"}, strength=0.75),
            Effect("interferon", {"dose": "1000 U/ml"}),
        ),
        contrast=Contrast("dose", "1000 U/ml", "0 U/ml"),
        formula="~ donor + dose",
        sample_title="monocytes IFNb {dose} donor {n}",
        source_name="monocytes, interferon beta {dose}",
        subject="donor",
        matrix=False,
        odd=frozenset({"cp1252"}),
        noise=0.25,
        growth_protocol="Monocytes rested overnight at 37 °C in 250 µl medium.",
    ),
    StudySpec(
        accession="GSE9000016",
        title="Targets of p53 in irradiated lymphoblasts [ChIP-seq]",
        summary="Binding sites of p53 in lymphoblastoid cells two hours after 5 Gy.",
        overall_design="p53 ChIP and input, irradiated and not.",
        published="May 05 2017",
        platforms=("GPL900020",),
        scale="counts",
        counts="none",
        type="Genome binding/occupancy profiling by high throughput sequencing",
        same={"cell type": "lymphoblastoid cell line"},
        arms=tuple(
            Arm(2, {"irradiation": dose, "chip antibody": antibody}, "F")
            for dose in ("0 Gy", "5 Gy")
            for antibody in ("anti-p53", "none (input)")
        ),
        sample_title="LCL {irradiation} {chip antibody} {n}",
        source_name="lymphoblastoid cells",
    ),
    StudySpec(
        accession="GSE9000017",
        title="Targets of p53 in irradiated lymphoblasts [expression]",
        summary="Expression of lymphoblastoid cells six hours after 5 Gy of ionising radiation.",
        overall_design="Four irradiated and four untreated cultures.",
        published="May 05 2017",
        platforms=("GPL900003",),
        tissue="T cell",
        same={"cell type": "lymphoblastoid cell line", "treatment": "ionising radiation"},
        odd=frozenset({"repeated key"}),
        arms=(Arm(4, {"irradiation": "0 Gy"}, "F"), Arm(4, {"irradiation": "5 Gy"}, "F")),
        effects=(Effect("p53 response", {"irradiation": "5 Gy"}, more=30),),
        contrast=Contrast("irradiation", "5 Gy", "0 Gy"),
        formula="~ irradiation",
        sample_title="LCL {irradiation} expression {n}",
        source_name="lymphoblastoid cells",
        noise=0.22,
    ),
    StudySpec(
        accession="GSE9000018",
        title="Targets of p53 in irradiated lymphoblasts",
        summary="This SuperSeries is composed of the SubSeries listed below.",
        overall_design="Refer to individual Series",
        published="May 05 2017",
        parts=("GSE9000016", "GSE9000017"),
    ),
)
