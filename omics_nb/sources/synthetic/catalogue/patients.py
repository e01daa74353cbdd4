"""Patients and healthy people: blood, biopsies, brains."""

from __future__ import annotations

from ....records import Contrast
from ..spec import Arm, Batch, Effect, StudySpec

STUDIES = (
    StudySpec(
        accession="GSE9000019",
        title="Peripheral blood mononuclear cells of patients with systemic lupus erythematosus",
        summary=(
            "PBMC of patients with systemic lupus erythematosus (SLE) and of healthy controls. Most patients "
            "show an interferon signature."
        ),
        overall_design=(
            "14 SLE patients and 10 healthy controls, scanned on two days; most patients on the first."
        ),
        published="Jun 17 2012",
        platforms=("GPL900001",),
        tissue="blood",
        same={"cell type": "peripheral blood mononuclear cells"},
        arms=(
            Arm(10, {"disease": "healthy control"}, "FFFM"),
            Arm(14, {"disease": "systemic lupus erythematosus"}, "FFFFFM"),
        ),
        effects=(Effect("lupus", {"disease": "systemic lupus erythematosus"}, more=40),),
        contrast=Contrast("disease", "systemic lupus erythematosus", "healthy control"),
        formula="~ `scan date` + disease",
        sample_title="PBMC {disease} {n}",
        source_name="PBMC, {disease}",
        sex_column="gender",
        ranges={"age": (19, 63), "sledai": (0, 18)},
        batch=Batch(("2011-03-08", "2011-03-29"), "scan date", sd=0.7, in_turn=False),
        swaps=((3, 12),),
        noise=0.4,
    ),
    StudySpec(
        accession="GSE9000020",
        title="Classical monocytes in systemic lupus erythematosus (RNA-seq)",
        summary="Sorted CD14+ monocytes of lupus patients and matched healthy women were sequenced.",
        overall_design="7 patients with SLE and 6 healthy donors, all women.",
        published="Nov 12 2021",
        platforms=("GPL900020",),
        scale="counts",
        counts="ncbi",
        type="Expression profiling by high throughput sequencing",
        tissue="myeloid",
        same={"cell type": "CD14+ monocyte"},
        arms=(Arm(6, {"disease state": "healthy"}), Arm(7, {"disease state": "SLE"})),
        effects=(Effect("lupus", {"disease state": "SLE"}, strength=1.2, more=40),),
        contrast=Contrast("disease state", "SLE", "healthy"),
        formula="~ `disease state`",
        sample_title="Mono_{disease state}_{n}",
        source_name="sorted monocytes",
        ranges={"age": (22, 58)},
        outliers=(4,),
        noise=0.12,
    ),
    StudySpec(
        accession="GSE9000021",
        title="Hippocampus in Alzheimer's disease",
        summary=(
            "Post-mortem hippocampus of people with Alzheimer's disease and of age-matched controls. "
            "Neuronal and synaptic genes are lower, glial and inflammatory genes higher."
        ),
        overall_design="12 cases and 12 controls, balanced for sex.",
        published="Aug 15 2010",
        platforms=("GPL900001",),
        tissue="brain",
        same={"tissue": "hippocampus"},
        arms=(
            Arm(12, {"disease state": "control"}, "FM"),
            Arm(12, {"disease state": "Alzheimer's disease"}, "FM"),
        ),
        effects=(
            Effect("Alzheimer's disease", {"disease state": "Alzheimer's disease"}, strength=1.8, more=30),
        ),
        contrast=Contrast("disease state", "Alzheimer's disease", "control"),
        formula="~ `disease state`",
        sample_title="hippocampus {disease state} {n}",
        source_name="post-mortem hippocampus",
        sex_column="gender",
        ranges={"age": (68, 94), "braak stage": (0, 6), "post-mortem interval (h)": (2, 18)},
        swaps=((5, 16),),
        outliers=(9,),
        noise=0.4,
    ),
    StudySpec(
        accession="GSE9000022",
        title="Pancreatic islets of donors with type 2 diabetes",
        summary=(
            "Human islets from cadaver donors with and without type 2 diabetes. Genes of the mature beta "
            "cell are reduced in diabetes."
        ),
        overall_design="9 donors with type 2 diabetes and 11 without.",
        published="Feb 20 2014",
        platforms=("GPL900003",),
        tissue="islet",
        same={"tissue": "pancreatic islets"},
        arms=(
            Arm(11, {"status": "non-diabetic"}, "MF"),
            Arm(9, {"status": "type 2 diabetes"}, "MF"),
        ),
        effects=(Effect("type 2 diabetes", {"status": "type 2 diabetes"}, strength=1.2, more=30),),
        contrast=Contrast("status", "type 2 diabetes", "non-diabetic"),
        formula="~ status",
        sample_title="islets {status} donor {n}",
        source_name="human pancreatic islets",
        sex_column="gender",
        ranges={"age": (34, 71), "bmi": (21, 36)},
        lacking=(6, 13),
        odd=frozenset({"no colon"}),
        noise=0.4,
    ),
    StudySpec(
        accession="GSE9000023",
        title="Lesional and non-lesional skin in psoriasis",
        summary="Paired biopsies of lesional and non-lesional skin from patients with plaque psoriasis.",
        overall_design="10 patients, two biopsies each. One array failed and has no values.",
        published="Apr 16 2011",
        platforms=("GPL900001",),
        tissue="skin",
        same={"disease": "psoriasis", "organ": "skin"},
        arms=(Arm(10, {"tissue": "non-lesional skin"}, "MF"), Arm(10, {"tissue": "lesional skin"}, "MF")),
        effects=(Effect("psoriasis", {"tissue": "lesional skin"}, more=60),),
        contrast=Contrast("tissue", "lesional skin", "non-lesional skin"),
        formula="~ patient + tissue",
        sample_title="psoriasis patient {n}, {tissue}",
        source_name="{tissue}, punch biopsy",
        subject="patient",
        sex_column="Sex",
        empty=(7,),
        noise=0.35,
    ),
    StudySpec(
        accession="GSE9000028",
        title="Whole blood in sepsis and in sterile inflammation after surgery",
        summary=(
            "Whole blood of patients in intensive care with sepsis, of patients with systemic inflammation "
            "after surgery (SIRS) and of healthy volunteers."
        ),
        overall_design="12 sepsis, 8 SIRS and 8 healthy samples on two chips.",
        published="Oct 30 2015",
        platforms=("GPL900004",),
        tissue="blood",
        same={"tissue": "whole blood"},
        arms=(
            Arm(8, {"group": "healthy"}, "MF"),
            Arm(8, {"group": "SIRS"}, "MMF"),
            Arm(12, {"group": "sepsis"}, "MMF"),
        ),
        effects=(Effect("sepsis", {"group": "SIRS"}, strength=0.45), Effect("sepsis", {"group": "sepsis"})),
        contrast=Contrast("group", "sepsis", "healthy"),
        formula="~ chip + group",
        sample_title="blood {group} {n}",
        source_name="PAXgene whole blood",
        ranges={"age": (23, 81)},
        batch=Batch(("9900001", "9900002"), "chip", sd=0.5),
        outliers=(20,),
        noise=0.4,
    ),
    StudySpec(
        accession="GSE9000029",
        title="Skeletal muscle of young and old men and women",
        summary=(
            "Biopsies of vastus lateralis from healthy young and old volunteers; mitochondrial genes fall "
            "with age."
        ),
        overall_design="12 young (20-29 years) and 12 old (66-79 years) volunteers, half of them women.",
        published="Jan 15 2009",
        platforms=("GPL900002",),
        scale="raw",
        tissue="muscle",
        same={"tissue": "vastus lateralis"},
        arms=(Arm(12, {"age group": "young"}, "FM"), Arm(12, {"age group": "old"}, "FM")),
        effects=(Effect("ageing muscle", {"age group": "old"}, strength=1.3, more=30),),
        contrast=Contrast("age group", "old", "young"),
        formula="~ Sex + `age group`",
        sample_title="muscle {age group} {n}",
        source_name="vastus lateralis biopsy, {age group}",
        sex_column="Sex",
        swaps=((10, 21),),
        noise=0.35,
    ),
    StudySpec(
        accession="GSE9000030",
        title="Endobronchial brushings in asthma with and without inhaled corticosteroid",
        summary=(
            "Airway epithelial brushings of people with asthma who do or do not inhale a corticosteroid, and "
            "of healthy controls."
        ),
        overall_design="8 people with asthma on inhaled corticosteroid, 8 without, and 8 healthy controls.",
        published="Sep 09 2016",
        platforms=("GPL900005",),
        tissue="airway",
        same={"tissue": "airway epithelium"},
        arms=(
            Arm(8, {"disease": "healthy", "treatment": "none"}, "FM"),
            Arm(8, {"disease": "asthma", "treatment": "none"}, "FM"),
            Arm(8, {"disease": "asthma", "treatment": "inhaled corticosteroid"}, "FM"),
        ),
        effects=(
            Effect("glucocorticoid", {"treatment": "inhaled corticosteroid"}, strength=0.5),
            Effect("psoriasis", {"disease": "asthma"}, strength=0.15, more=10),
        ),
        contrast=Contrast("treatment", "inhaled corticosteroid", "none"),
        formula="~ disease + treatment",
        sample_title="brushing {disease} {treatment} {n}",
        source_name="bronchial brushing",
        noise=0.4,
    ),
)
