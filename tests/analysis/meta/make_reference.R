# Random-effects models of 60 made effects in up to 6 studies, by metafor 3.8 (Debian's r-cran-metafor): REML with Knapp
# and Hartung's test (also ad hoc), and DerSimonian and Laird with a normal one. Run in this folder: Rscript make_reference.R
suppressPackageStartupMessages(library(metafor)); set.seed(4)
n <- 60; k <- 6; v <- matrix(rgamma(n*k, 2, 20), n); tau <- rep(c(0, .2, .8), each=20); y <- rnorm(n,0,.6) + tau*matrix(rnorm(n*k),n) + sqrt(v)*matrix(rnorm(n*k),n)
y[1,3] <- NA; y[2,1:4] <- NA; y[3,2:5] <- NA
f <- function(i, m, t) { o <- is.finite(y[i,]); r <- rma(y[i,o], v[i,o], method=m, test=t, control=list(threshold=1e-12, maxiter=10000)); p <- predict(r); c(r$beta, r$se, r$ci.lb, r$ci.ub, r$zval, r$pval, r$tau2, r$I2, r$QE, r$QEp, p$pi.lb, p$pi.ub) }
out <- cbind(y, v, t(sapply(1:n, f, "REML", "knha")), t(sapply(1:n, f, "REML", "adhoc")), t(sapply(1:n, f, "DL", "z")))
nm <- c("effect","se","low","high","statistic","p_value","tau2","i2","q","q_p","predicted_low","predicted_high")
colnames(out) <- c(paste0("y",1:k), paste0("v",1:k), paste0("reml.",nm), paste0("adhoc.",nm), paste0("dl.",nm))
x <- as.data.frame(out); x[] <- lapply(x, function(z) formatC(z, digits=12, format="g", width=1)); write.csv(x, gzfile("metafor.csv.gz"), quote=FALSE)
