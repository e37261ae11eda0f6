#!/usr/bin/env python3
"""Random tables, and what SciPy and statsmodels say of them: the witness of `common/src/stats/`.

    python3 -m venv venv && venv/bin/pip install scipy statsmodels pandas
    venv/bin/python tests/numeric/statistics.py > tests/numeric/statistics.json

`common/src/stats/witness.rs` compares to a relative 1e-9. The file says what it was made with.
"""

import itertools
import json
import math
import random

import pandas
import scipy
import statsmodels
import statsmodels.formula.api as formula
from scipy import stats
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.proportion import proportion_confint

SEED = 20210301


def interval(values):
    """Mean and half-width of the 95 % interval, by scipy.stats.t.interval."""
    n, mean = len(values), float(pandas.Series(values).mean())
    low, high = stats.t.interval(0.95, n - 1, loc=mean, scale=stats.sem(values))
    return mean, (high - low) / 2


def samples(rng):
    """Samples of 2 to 40 values of many magnitudes."""
    for n in [2, 2, 3, 3, 4, 5, 7, 10, 15, 30, 40]:
        for scale, offset in [(1, 0), (1e-3, 0.98), (1e4, -3e4)]:
            yield [offset + scale * rng.gauss(0, 1) for _ in range(n)]


def mean_cases(rng):
    for values in samples(rng):
        mean, half_width = interval(values)
        yield {"values": values, "mean": mean, "sd": float(stats.tstd(values)), "half_width": half_width}


def pair_cases(rng):
    for a in samples(rng):
        spread = max(a) - min(a)
        # Some values are equal: ties.
        b = [v if rng.random() < 0.2 else v + spread * rng.gauss(0.1, 0.2) for v in a]
        if a == b:
            continue
        result = stats.ttest_rel(a, b)
        low, high = result.confidence_interval(0.95)
        wins = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in zip(a, b))
        lower, upper = proportion_confint(wins, len(a), method="wilson")
        welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
        yield {
            "a": a, "b": b, "difference": (low + high) / 2, "half_width": (high - low) / 2,
            "share_won": wins / len(a), "won_lower": float(lower), "won_upper": float(upper),
            "welch": (welch.low + welch.high) / 2, "welch_half_width": (welch.high - welch.low) / 2,
        }


def grid_cases(rng):
    for levels, replicates in [([2, 3], 3), ([4, 2], 1), ([3, 2, 2], 2), ([2, 3, 2, 2], 3), ([5], 4)]:
        axes = "abcd"[: len(levels)]
        effects = {}
        rows, cells = [], []
        for cell in itertools.product(*map(range, levels)):
            centre = sum(effects.setdefault((n, level), rng.gauss(0, 1)) for n, level in enumerate(cell))
            centre += effects.setdefault(cell[:2] + ("pair",), rng.gauss(0, 0.5))
            values = [0.9 + 0.01 * (centre + rng.gauss(0, 0.7)) for _ in range(replicates)]
            cells.append(values)
            rows += [dict(zip(axes, cell), y=value) for value in values]
        frame = pandas.DataFrame(rows)
        # With one replicate the highest interaction takes all that is left, and statsmodels divides by no degrees of freedom.
        terms = " * ".join(f"C({axis}, Sum)" for axis in axes)
        with_residual = formula.ols(f"y ~ {terms}", frame).fit()
        table = anova_lm(with_residual, typ=2 if replicates > 1 else 1)
        parts = []
        for order in range(1, len(axes) + 1):
            for of in itertools.combinations(range(len(axes)), order):
                name = ":".join(f"C({axes[n]}, Sum)" for n in of)
                parts.append({"axes": list(of), "dof": int(table.loc[name, "df"]), "sum_of_squares": float(table.loc[name, "sum_sq"])})
        within = float(table.loc["Residual", "sum_sq"]) if replicates > 1 else 0.0
        yield {"levels": levels, "cells": cells, "effects": parts, "within": within,
               "total": float(((frame.y - frame.y.mean()) ** 2).sum())}


def quantile_cases():
    for dof in [1, 2, 3, 4, 9, 29, 99, 1000]:
        for probability in [0.9, 0.975, 0.995]:
            yield {"dof": dof, "probability": probability, "t": float(stats.t.ppf(probability, dof))}


def main():
    rng = random.Random(SEED)
    document = {
        "made_with": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "seed": SEED},
        "quantiles": list(quantile_cases()),
        "means": list(mean_cases(rng)),
        "pairs": list(pair_cases(rng)),
        "grids": list(grid_cases(rng)),
    }
    assert all(math.isfinite(case["half_width"]) for case in document["means"])
    # A case a line.
    sections = []
    for name, cases in document.items():
        lines = [json.dumps(case) for case in cases] if isinstance(cases, list) else [json.dumps(cases)]
        body = ",\n".join(lines)
        sections.append(f'"{name}": [\n{body}\n]' if isinstance(cases, list) else f'"{name}": {body}')
    print("{\n" + ",\n".join(sections) + "\n}")


if __name__ == "__main__":
    main()
