"""Numbers as a person reads them."""

from __future__ import annotations

import math

VERDICTS = {"ok": "✓ ok", "warn": "! warn", "fail": "✕ fail"}


def decimal(value: float, digits: int = 3) -> str:
    """A number with so many decimals; NA where it is missing."""
    return "NA" if math.isnan(value) else f"{value:.{digits}f}"


def amount(value: float) -> str:
    """A measured value with four digits, or as many as stand before the point; NA where it is missing."""
    if math.isnan(value):
        return "NA"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def p_value(value: float) -> str:
    """A probability with three significant digits; NA where it is missing."""
    return "NA" if math.isnan(value) else f"{value:.2e}" if value < 0.001 else f"{value:.3g}"


def size(n_bytes: int) -> str:
    """Bytes in the unit that keeps the number below 1000 (powers of 1000)."""
    amount = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{n_bytes} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """ "1 sample", "1,200 samples", "2 studies"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
