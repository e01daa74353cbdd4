"""The publications that methods rest on, by the key that statements cite them with."""

from __future__ import annotations

from collections.abc import Iterable

from .document import Citation, Statement

_PUBLICATIONS = (
    Citation(
        "Barrett 2013",
        "Barrett T, Wilhite SE, Ledoux P, et al. NCBI GEO: archive for functional genomics data sets—update. "
        "Nucleic Acids Research 2013;41(D1):D991–D995.",
        "https://doi.org/10.1093/nar/gks1193",
    ),
    Citation(
        "Smyth 2004",
        "Smyth GK. Linear models and empirical Bayes methods for assessing differential expression in "
        "microarray experiments. Statistical Applications in Genetics and Molecular Biology 2004;3(1):3.",
        "https://doi.org/10.2202/1544-6115.1027",
    ),
    Citation(
        "Ritchie 2015",
        "Ritchie ME, Phipson B, Wu D, et al. limma powers differential expression analyses for "
        "RNA-sequencing and microarray studies. Nucleic Acids Research 2015;43(7):e47.",
        "https://doi.org/10.1093/nar/gkv007",
    ),
    Citation(
        "Law 2014",
        "Law CW, Chen Y, Shi W, Smyth GK. voom: precision weights unlock linear model analysis tools for "
        "RNA-seq read counts. Genome Biology 2014;15:R29.",
        "https://doi.org/10.1186/gb-2014-15-2-r29",
    ),
    Citation(
        "Chen 2016",
        "Chen Y, Lun ATL, Smyth GK. From reads to genes to pathways: differential expression analysis of "
        "RNA-Seq experiments using Rsubread and the edgeR quasi-likelihood pipeline. F1000Research "
        "2016;5:1438.",
        "https://doi.org/10.12688/f1000research.8987.2",
    ),
    Citation(
        "Lund 2012",
        "Lund SP, Nettleton D, McCarthy DJ, Smyth GK. Detecting differential expression in RNA-sequence data using "
        "quasi-likelihood with shrunken dispersion estimates. Statistical Applications in Genetics and Molecular "
        "Biology 2012;11(5):8.",
        "https://doi.org/10.1515/1544-6115.1826",
    ),
    Citation(
        "McCarthy 2012",
        "McCarthy DJ, Chen Y, Smyth GK. Differential expression analysis of multifactor RNA-Seq experiments with "
        "respect to biological variation. Nucleic Acids Research 2012;40(10):4288–4297.",
        "https://doi.org/10.1093/nar/gks042",
    ),
    Citation(
        "McCarthy 2009",
        "McCarthy DJ, Smyth GK. Testing significance relative to a fold-change threshold is a TREAT. Bioinformatics "
        "2009;25(6):765–771.",
        "https://doi.org/10.1093/bioinformatics/btp053",
    ),
    Citation(
        "Robinson 2010",
        "Robinson MD, Oshlack A. A scaling normalization method for differential expression analysis of "
        "RNA-seq data. Genome Biology 2010;11:R25.",
        "https://doi.org/10.1186/gb-2010-11-3-r25",
    ),
    Citation(
        "Anders 2010",
        "Anders S, Huber W. Differential expression analysis for sequence count data. Genome Biology "
        "2010;11:R106.",
        "https://doi.org/10.1186/gb-2010-11-10-r106",
    ),
    Citation(
        "Love 2014",
        "Love MI, Huber W, Anders S. Moderated estimation of fold change and dispersion for RNA-seq data with "
        "DESeq2. Genome Biology 2014;15:550.",
        "https://doi.org/10.1186/s13059-014-0550-8",
    ),
    Citation(
        "Bourgon 2010",
        "Bourgon R, Gentleman R, Huber W. Independent filtering increases detection power for high-throughput "
        "experiments. Proceedings of the National Academy of Sciences 2010;107(21):9546–9551.",
        "https://doi.org/10.1073/pnas.0914005107",
    ),
    Citation(
        "Phipson 2016",
        "Phipson B, Lee S, Majewski IJ, Alexander WS, Smyth GK. Robust hyperparameter estimation protects "
        "against hypervariable genes and improves power to detect differential expression. Annals of Applied "
        "Statistics 2016;10(2):946–963.",
        "https://doi.org/10.1214/16-AOAS920",
    ),
    Citation(
        "Bolstad 2003",
        "Bolstad BM, Irizarry RA, Åstrand M, Speed TP. A comparison of normalization methods for high density "
        "oligonucleotide array data based on variance and bias. Bioinformatics 2003;19(2):185–193.",
        "https://doi.org/10.1093/bioinformatics/19.2.185",
    ),
    Citation(
        "Ritchie 2006",
        "Ritchie ME, Diyagama D, Neilson J, et al. Empirical array quality weights in the analysis of "
        "microarray data. BMC Bioinformatics 2006;7:261.",
        "https://doi.org/10.1186/1471-2105-7-261",
    ),
    Citation(
        "Liu 2015",
        "Liu R, Holik AZ, Su S, et al. Why weight? Modelling sample and observational level variability "
        "improves power in RNA-seq analyses. Nucleic Acids Research 2015;43(15):e97.",
        "https://doi.org/10.1093/nar/gkv412",
    ),
    Citation(
        "Smyth 2005",
        "Smyth GK, Michaud J, Scott HS. Use of within-array replicate spots for assessing differential "
        "expression in microarray experiments. Bioinformatics 2005;21(9):2067–2075.",
        "https://doi.org/10.1093/bioinformatics/bti270",
    ),
    Citation(
        "DerSimonian 1986",
        "DerSimonian R, Laird N. Meta-analysis in clinical trials. Controlled Clinical Trials 1986;7(3):177–188.",
        "https://doi.org/10.1016/0197-2456(86)90046-2",
    ),
    Citation(
        "Viechtbauer 2005",
        "Viechtbauer W. Bias and efficiency of meta-analytic variance estimators in the random-effects model. Journal "
        "of Educational and Behavioral Statistics 2005;30(3):261–293.",
        "https://doi.org/10.3102/10769986030003261",
    ),
    Citation(
        "Knapp 2003",
        "Knapp G, Hartung J. Improved tests for a random effects meta-regression with a single covariate. Statistics "
        "in Medicine 2003;22(17):2693–2710.",
        "https://doi.org/10.1002/sim.1482",
    ),
    Citation(
        "Hedges 1981",
        "Hedges LV. Distribution theory for Glass's estimator of effect size and related estimators. Journal of "
        "Educational Statistics 1981;6(2):107–128.",
        "https://doi.org/10.3102/10769986006002107",
    ),
    Citation(
        "Subramanian 2005",
        "Subramanian A, Tamayo P, Mootha VK, et al. Gene set enrichment analysis: a knowledge-based approach for "
        "interpreting genome-wide expression profiles. Proceedings of the National Academy of Sciences "
        "2005;102(43):15545–15550.",
        "https://doi.org/10.1073/pnas.0506580102",
    ),
    Citation(
        "Fang 2023",
        "Fang Z, Liu X, Peltz G. GSEApy: a comprehensive package for performing gene set enrichment analysis in "
        "Python. Bioinformatics 2023;39(1):btac757.",
        "https://doi.org/10.1093/bioinformatics/btac757",
    ),
    Citation(
        "Benjamini 1995",
        "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful approach to "
        "multiple testing. Journal of the Royal Statistical Society B 1995;57(1):289–300.",
        "https://doi.org/10.1111/j.2517-6161.1995.tb02031.x",
    ),
)


def cited_by(statements: Iterable[Statement]) -> tuple[Citation, ...]:
    """The publications that these statements cite, each once."""
    cited = {key for statement in statements for key in statement.cites}
    return tuple(publication for publication in _PUBLICATIONS if publication.key in cited)
