"""Mice and rats."""

from __future__ import annotations

from ....records import Contrast
from ..genes import MOUSE, RAT
from ..spec import Arm, Batch, Effect, StudySpec

_SEQUENCING = "Expression profiling by high throughput sequencing"

STUDIES = (
    StudySpec(
        accession="GSE9000024",
        title="Cardiac hypertrophy of the rat heart after aortic banding",
        summary=(
            "Pressure overload by banding of the ascending aorta makes the left ventricle of the heart "
            "hypertrophic within weeks."
        ),
        overall_design="6 banded and 6 sham-operated male rats, left ventricles after 4 weeks.",
        published="Mar 21 2009",
        organism=RAT,
        platforms=("GPL900009",),
        scale="raw",
        tissue="heart",
        same={"strain": "Sprague-Dawley", "tissue": "left ventricle"},
        arms=(Arm(6, {"procedure": "sham"}, "M"), Arm(6, {"procedure": "aortic banding"}, "M")),
        effects=(Effect("cardiac hypertrophy", {"procedure": "aortic banding"}),),
        contrast=Contrast("procedure", "aortic banding", "sham"),
        formula="~ procedure",
        sample_title="LV {procedure} rat {n}",
        source_name="rat left ventricle, {procedure}",
        outliers=(8,),
        noise=0.28,
    ),
    StudySpec(
        accession="GSE9000025",
        title="Rat hippocampus after kainate-induced seizures",
        summary="Kainic acid was injected to induce seizures; the hippocampus was taken over three days.",
        overall_design="Time course: saline, and 2 h, 24 h and 72 h after kainate, four male rats each.",
        published="Oct 04 2012",
        organism=RAT,
        platforms=("GPL900010",),
        tissue="brain",
        same={"strain": "Wistar", "tissue": "hippocampus"},
        arms=tuple(Arm(4, {"time after kainate": time}, "M") for time in ("saline", "2 h", "24 h", "72 h")),
        effects=(
            Effect("seizure, early", {"time after kainate": "2 h"}),
            Effect("seizure, early", {"time after kainate": "24 h"}, strength=0.2),
            Effect("seizure, late", {"time after kainate": "24 h"}, strength=0.6),
            Effect("seizure, late", {"time after kainate": "72 h"}),
        ),
        contrast=Contrast("time after kainate", "2 h", "saline"),
        formula="~ `time after kainate`",
        sample_title="hippocampus {time after kainate} {n}",
        source_name="rat hippocampus",
        noise=0.25,
    ),
    StudySpec(
        accession="GSE9000026",
        title="LPS response of bone marrow-derived macrophages from wild-type and Myd88 knockout mice",
        summary=(
            "Macrophages of wild-type and Myd88-deficient mice were stimulated with lipopolysaccharide (LPS) "
            "for six hours. Without Myd88 about a third of the response is left."
        ),
        overall_design="Two genotypes, LPS (100 ng/ml) or medium, four mice each.",
        published="May 28 2013",
        organism=MOUSE,
        platforms=("GPL900007",),
        tissue="myeloid",
        same={"strain": "C57BL/6", "cell type": "bone marrow-derived macrophages"},
        arms=(
            Arm(4, {"genotype": "wild type", "treatment": "medium"}),
            Arm(4, {"genotype": "wild type", "treatment": "LPS"}),
            Arm(4, {"genotype": "Myd88 -/-", "treatment": "medium"}),
            Arm(4, {"genotype": "Myd88 -/-", "treatment": "LPS"}),
        ),
        effects=(
            Effect("endotoxin", {"genotype": "wild type", "treatment": "LPS"}, more=50),
            Effect("endotoxin", {"genotype": "Myd88 -/-", "treatment": "LPS"}, strength=0.35, more=50),
        ),
        contrast=Contrast("treatment", "LPS", "medium"),
        formula="~ genotype + treatment",
        sample_title="BMDM {genotype} {treatment} {n}",
        source_name="bone marrow-derived macrophages",
        noise=0.22,
    ),
    StudySpec(
        accession="GSE9000027",
        title="Liver of mice on a high-fat diet",
        summary=(
            "Mice fed a high-fat diet for 16 weeks develop steatosis. Livers were compared with those on "
            "chow."
        ),
        overall_design="8 mice on each diet, from four cages.",
        published="Jul 07 2014",
        organism=MOUSE,
        platforms=("GPL900008",),
        tissue="liver",
        same={"strain": "C57BL/6J", "tissue": "liver", "age": "24 weeks"},
        arms=(Arm(8, {"diet": "chow"}, "M"), Arm(8, {"diet": "high-fat diet"}, "M")),
        effects=(Effect("fatty liver", {"diet": "high-fat diet"}, more=50),),
        contrast=Contrast("diet", "high-fat diet", "chow"),
        formula="~ cage + diet",
        sample_title="liver {diet} mouse {n}",
        source_name="mouse liver, {diet}",
        batch=Batch(("1", "2", "3", "4"), "cage", sd=0.35),
        odd=frozenset({"nulls"}),
        noise=0.3,
    ),
    StudySpec(
        accession="GSE9000031",
        title="Liver of Nr1h4 (FXR) knockout mice (RNA-seq)",
        summary="The bile acid receptor FXR, gene Nr1h4, was deleted in mice; livers were sequenced.",
        overall_design="5 knockout and 5 wild-type littermates.",
        published="Dec 01 2022",
        organism=MOUSE,
        platforms=("GPL900021",),
        scale="counts",
        counts="symbols",
        type=_SEQUENCING,
        tissue="liver",
        same={"strain": "C57BL/6J", "tissue": "liver"},
        arms=(Arm(5, {"genotype": "wild type"}, "MF"), Arm(5, {"genotype": "Nr1h4 -/-"}, "MF")),
        effects=(Effect("FXR loss", {"genotype": "Nr1h4 -/-"}, more=40),),
        contrast=Contrast("genotype", "Nr1h4 -/-", "wild type"),
        formula="~ genotype",
        sample_title="liver_{genotype}_{n}",
        source_name="mouse liver",
        sex_column="Sex",
        swaps=((1, 2),),
        noise=0.06,
    ),
    StudySpec(
        accession="GSE9000032",
        title="Thymus of Trp53 knockout mice after irradiation (RNA-seq)",
        summary=(
            "Thymocytes of wild-type and Trp53-deficient mice, four hours after 2 Gy of whole-body "
            "irradiation."
        ),
        overall_design="Two genotypes, irradiated or not, three mice each.",
        published="Sep 18 2023",
        organism=MOUSE,
        platforms=("GPL900021",),
        scale="counts",
        counts="featureCounts",
        type=_SEQUENCING,
        tissue="thymus",
        same={"strain": "C57BL/6", "tissue": "thymus"},
        arms=(
            Arm(3, {"genotype": "wild type", "irradiation": "0 Gy", "group": "wild type, 0 Gy"}),
            Arm(3, {"genotype": "wild type", "irradiation": "2 Gy", "group": "wild type, 2 Gy"}),
            Arm(3, {"genotype": "Trp53 -/-", "irradiation": "0 Gy", "group": "Trp53 -/-, 0 Gy"}),
            Arm(3, {"genotype": "Trp53 -/-", "irradiation": "2 Gy", "group": "Trp53 -/-, 2 Gy"}),
        ),
        effects=(Effect("p53 response", {"group": "wild type, 2 Gy"}, more=40),),
        contrast=Contrast("group", "wild type, 2 Gy", "wild type, 0 Gy"),
        formula="~ group",
        sample_title="thymus {genotype} {irradiation} {n}",
        source_name="mouse thymus",
        noise=0.05,
    ),
)
