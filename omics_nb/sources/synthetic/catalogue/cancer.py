"""Tumors and tumor cell lines."""

from __future__ import annotations

from ....records import Contrast
from ..spec import Arm, Batch, Effect, StudySpec

STUDIES = (
    StudySpec(
        accession="GSE9000001",
        title="Acquired tamoxifen resistance in MCF-7 breast cancer cells",
        summary=(
            "Most breast cancers that express the estrogen receptor respond to tamoxifen at first, and many "
            "become resistant. We compared MCF-7 cells that grow in 4-hydroxytamoxifen after nine months of "
            "exposure with their parental line, to find the genes that change on the way to resistance.\n"
            "Resistant cells lose estrogen receptor target genes and gain EGFR and markers of a mesenchymal "
            "state."
        ),
        overall_design=(
            "Four independent cultures of tamoxifen-resistant cells kept in 1 µM 4-hydroxytamoxifen and four "
            "of parental, tamoxifen-sensitive cells kept in vehicle (ethanol)."
        ),
        published="Mar 14 2016",
        platforms=("GPL900001",),
        tissue="breast",
        same={"cell line": "MCF-7", "tissue": "breast adenocarcinoma"},
        arms=(
            Arm(4, {"phenotype": "tamoxifen-sensitive", "agent": "vehicle"}),
            Arm(4, {"phenotype": "tamoxifen-resistant", "agent": "tamoxifen"}),
        ),
        effects=(Effect("tamoxifen resistance", {"agent": "tamoxifen"}, more=60),),
        contrast=Contrast("agent", "tamoxifen", "vehicle"),
        formula="~ agent",
        sample_title="MCF7 {phenotype} rep{n}",
        source_name="MCF-7 cells, {phenotype}",
        noise=0.2,
        growth_protocol=(
            "Cells were grown in phenol red-free RPMI 1640 with 10% charcoal-stripped serum at 37°C, 5% CO2."
        ),
        treatment_protocol="4-hydroxytamoxifen (1 µM) or ethanol (0.01%) was renewed every third day.",
    ),
    StudySpec(
        accession="GSE9000002",
        title="Relapse of estrogen receptor positive breast tumors under adjuvant tamoxifen",
        summary=(
            "Primary breast tumors of women who later received tamoxifen alone were profiled to find what "
            "tells those that relapse within five years from those that do not."
        ),
        overall_design=(
            "24 estrogen receptor positive primary tumors: 12 with distant relapse within five years of "
            "tamoxifen, 12 without. RNA was hybridised in two runs."
        ),
        published="Sep 02 2014",
        platforms=("GPL900004",),
        tissue="breast",
        same={"tissue": "breast tumor", "er status": "positive", "treatment": "tamoxifen"},
        arms=(Arm(12, {"relapse": "no"}), Arm(12, {"relapse": "yes"})),
        effects=(Effect("relapse", {"relapse": "yes"}, more=30),),
        contrast=Contrast("relapse", "yes", "no"),
        formula="~ relapse",
        sample_title="breast tumor T{n:02d}, relapse {relapse}",
        source_name="primary breast tumor",
        ranges={"age": (42, 78), "grade": (1, 3), "tumor size (mm)": (9, 45)},
        batch=Batch(("run 1", "run 2"), None, sd=0.7),
        noise=0.45,
        outliers=(7,),
    ),
    StudySpec(
        accession="GSE9000003",
        title="Response of BRAF V600E A375 melanoma cells to vemurafenib",
        summary=(
            "Vemurafenib inhibits the mutant BRAF kinase of many melanomas. We measured what 24 hours of the "
            "drug do to gene expression in a sensitive melanoma cell line: targets of MEK and ERK go down, "
            "the melanocyte lineage programme comes back."
        ),
        overall_design=(
            "A375 cells were treated with 10 µM vemurafenib or vehicle (0.1% DMSO) for 24 h, in three "
            "batches on different days, one replicate of each in a batch."
        ),
        published="May 20 2015",
        platforms=("GPL900003",),
        tissue="melanocyte",
        same={"cell line": "A375", "cell type": "melanoma cell line", "genotype": "BRAF V600E"},
        arms=(Arm(3, {"agent": "vehicle"}), Arm(3, {"agent": "vemurafenib"})),
        effects=(Effect("BRAF inhibition", {"agent": "vemurafenib"}),),
        contrast=Contrast("agent", "vemurafenib", "vehicle"),
        formula="~ batch + agent",
        sample_title="A375 cells 24h {agent} rep{n}",
        source_name="A375 melanoma cells treated with {agent}",
        batch=Batch(("A", "B", "C"), "batch", sd=0.4),
        noise=0.2,
        growth_protocol="Monolayers in RPMI 1640 with 10% FBS at 37°C, 5% CO2.",
        treatment_protocol=(
            "Cells were seeded for 24 h, then treated with vehicle or vemurafenib (PLX4032) for 24 h."
        ),
    ),
    StudySpec(
        accession="GSE9000004",
        title="Colorectal carcinoma and paired normal mucosa",
        summary=(
            "Tumor and adjacent normal mucosa of the same colon were taken at surgery from patients with "
            "stage II or III colorectal cancer."
        ),
        overall_design="Paired design: carcinoma and normal mucosa of each of 9 patients, 18 arrays.",
        published="Nov 25 2011",
        platforms=("GPL900001",),
        scale="raw",
        tissue="colon",
        arms=(Arm(9, {"tissue": "normal mucosa"}, "FMM"), Arm(9, {"tissue": "carcinoma"}, "FMM")),
        effects=(Effect("colorectal carcinoma", {"tissue": "carcinoma"}, more=90),),
        contrast=Contrast("tissue", "carcinoma", "normal mucosa"),
        formula="~ patient + tissue",
        sample_title="colon, {tissue}, patient {n}",
        source_name="{tissue} of the colon",
        subject="patient",
        ranges={"age": (38, 84)},
        sex_column="Gender",
        swaps=((3, 14),),
        odd=frozenset({"tight colon"}),
        noise=0.35,
    ),
    StudySpec(
        accession="GSE9000005",
        title="Renal clear cell carcinoma and adjacent normal kidney on two arrays",
        summary=(
            "Renal clear cell carcinoma and adjacent normal kidney of the same patients. Each RNA was "
            "hybridised to two different arrays, H1 (GPL900001) and H2 (GPL900002).\nKeywords = kidney\n"
            "Keywords = renal cell carcinoma"
        ),
        overall_design="Tumor and normal tissue of 7 patients, each on two platforms: 28 arrays.",
        published="Nov 25 2010",
        platforms=("GPL900001", "GPL900002"),
        scale="raw",
        tissue="kidney",
        arms=(
            Arm(7, {"tissue": "normal kidney"}, "MMF"),
            Arm(7, {"tissue": "renal clear cell carcinoma"}, "MMF"),
        ),
        effects=(Effect("renal clear cell carcinoma", {"tissue": "renal clear cell carcinoma"}, more=90),),
        contrast=Contrast("tissue", "renal clear cell carcinoma", "normal kidney"),
        formula="~ patient + tissue",
        sample_title="{tissue}, patient {n}, {array}",
        source_name="{tissue}",
        subject="patient",
        sex_column="gender",
        matrix=False,
        odd=frozenset({"row order"}),
        noise=0.35,
    ),
    StudySpec(
        accession="GSE9000006",
        title="Lung adenocarcinoma and normal lung of smokers and never-smokers",
        summary=(
            "Expression profiles of resected lung adenocarcinoma and of normal lung distant from the tumor, "
            "from smokers and never-smokers."
        ),
        overall_design="12 adenocarcinomas and 10 normal lung samples; half of the donors have never smoked.",
        published="Jul 01 2013",
        platforms=("GPL900004",),
        tissue="lung",
        arms=(
            Arm(5, {"disease state": "normal", "smoking": "never"}, "FM"),
            Arm(5, {"disease state": "normal", "smoking": "current"}, "MF"),
            Arm(6, {"disease state": "lung adenocarcinoma", "smoking": "never"}, "FM"),
            Arm(6, {"disease state": "lung adenocarcinoma", "smoking": "current"}, "MF"),
        ),
        effects=(
            Effect("lung adenocarcinoma", {"disease state": "lung adenocarcinoma"}, more=80),
            Effect("coronavirus", {"smoking": "current"}, strength=0.3, more=10),
        ),
        contrast=Contrast("disease state", "lung adenocarcinoma", "normal"),
        formula="~ smoking + `disease state`",
        sample_title="lung {disease state}, {smoking} smoker {n}",
        source_name="resected lung tissue, {disease state}",
        sex_column="Sex",
        ranges={"age": (45, 79)},
        lacking=(4,),
        outliers=(2,),
        noise=0.4,
    ),
    StudySpec(
        accession="GSE9000007",
        title="Glioblastoma against non-tumor brain on two-colour cDNA arrays",
        summary=(
            "Surgical specimens of glioblastoma multiforme and of temporal cortex from epilepsy surgery were "
            "compared by way of a common reference RNA."
        ),
        overall_design=(
            "Reference design: sample RNA in Cy5, a pool of cell lines in Cy3. 10 glioblastomas, 6 controls."
        ),
        published="Jan 27 2009",
        platforms=("GPL900006",),
        scale="log ratio",
        tissue="brain",
        same={"tissue": "brain"},
        arms=(
            Arm(6, {"disease state": "non-tumor"}, "MF"),
            Arm(10, {"disease state": "glioblastoma"}, "MMF"),
        ),
        effects=(Effect("glioblastoma", {"disease state": "glioblastoma"}, more=60),),
        contrast=Contrast("disease state", "glioblastoma", "non-tumor"),
        formula="~ `disease state`",
        sample_title="{disease state} {n} vs reference",
        source_name="Cy5: {disease state} brain",
        matrix=False,
        odd=frozenset({"nulls"}),
        noise=0.4,
    ),
    StudySpec(
        accession="GSE9000008",
        title="Androgen response of LNCaP prostate cancer cells over 24 hours",
        summary=(
            "LNCaP cells starved of androgen were given the synthetic androgen R1881 and harvested over a "
            "day, to tell early from late targets of the androgen receptor."
        ),
        overall_design="Time course: R1881 (1 nM) for 0, 4, 12 and 24 hours, three replicates of each.",
        published="Feb 11 2012",
        platforms=("GPL900005",),
        tissue="prostate",
        same={"cell line": "LNCaP", "agent": "R1881"},
        arms=tuple(Arm(3, {"time": f"{hours} h"}, "M") for hours in (0, 4, 12, 24)),
        effects=(
            Effect("androgen", {"time": "4 h"}, strength=0.4),
            Effect("androgen", {"time": "12 h"}, strength=0.8),
            Effect("androgen", {"time": "24 h"}),
        ),
        contrast=Contrast("time", "24 h", "0 h"),
        formula="~ time",
        sample_title="LNCaP R1881 {time} rep {n}",
        source_name="LNCaP cells, R1881 for {time}",
        matrix=False,
        odd=frozenset({"CRLF"}),
        noise=0.22,
    ),
    StudySpec(
        accession="GSE9000009",
        title="Melanoma biopsies before and during checkpoint blockade (sequencing)",
        summary=(
            "RNA sequencing of biopsies taken before and two weeks into anti-PD-1 treatment of metastatic "
            "melanoma. Reads are in the Sequence Read Archive; no processed data were deposited."
        ),
        overall_design="Paired biopsies of 5 patients, before and on treatment.",
        published="Oct 19 2018",
        platforms=("GPL900020",),
        scale="counts",
        counts="none",
        type="Expression profiling by high throughput sequencing",
        tissue="melanocyte",
        same={"tissue": "melanoma metastasis", "treatment": "anti-PD-1"},
        arms=(Arm(5, {"time point": "before"}, "FM"), Arm(5, {"time point": "on treatment"}, "FM")),
        effects=(Effect("checkpoint response", {"time point": "on treatment"}),),
        contrast=Contrast("time point", "on treatment", "before"),
        formula="~ patient + `time point`",
        sample_title="Pt{n} {time point}",
        source_name="melanoma biopsy",
        subject="patient",
    ),
)
