# More of what DESeq2 1.38 says of counts that make_reference.R made: a threshold of fold change, fold changes shrunken by
# a normal prior, the likelihood ratio test. Run in this folder: Rscript make_more.R. Columns begin with t., s., l.
suppressPackageStartupMessages(library(DESeq2))
groups <- function(...) factor(rep(c("A", "B", "C")[seq_along(c(...))], c(...)))
write_more <- function(name, sheet, formula, reduced) {
  k <- read.csv(paste0(name, ".csv.gz"), row.names = 1)
  k <- as.matrix(k[, grep("^s[0-9]+$", names(k))]); mode(k) <- "integer"
  rownames(sheet) <- colnames(k)
  data <- DESeqDataSetFromMatrix(k, sheet, formula)
  wald <- DESeq(data, quiet = TRUE); last <- tail(resultsNames(wald), 1)
  named <- function(x, letter) { x <- as.data.frame(x); setNames(x, paste0(letter, ".", names(x))) }
  r <- cbind(named(results(wald, name = last, lfcThreshold = 0.5), "t"),
             named(lfcShrink(wald, coef = last, type = "normal", quiet = TRUE), "s"),
             named(results(DESeq(data, test = "LRT", reduced = reduced, quiet = TRUE)), "l"))
  r[] <- lapply(r, function(x) formatC(x, digits = 10, format = "g", width = 1))
  file <- gzfile(paste0(name, "_more.csv.gz"), "w"); write.csv(r, file, quote = FALSE); close(file)
}
write_more("six", data.frame(group = groups(6, 6)), ~group, ~1)
write_more("twelve", data.frame(group = groups(12, 12)), ~group, ~1)
write_more("levels", data.frame(group = groups(4, 4, 4)), ~group, ~1)
write_more("paired", data.frame(pair = factor(rep(1:5, 2)), group = groups(5, 5)), ~pair + group, ~pair)
