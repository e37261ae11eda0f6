#!/usr/bin/env python3
"""Whether the Parquet and CSV files of `gridsweep export` open elsewhere, and hold what its JSON lines do.

    python3 -m venv venv && venv/bin/pip install pyarrow pandas polars
    venv/bin/python tests/numeric/parquet.py target/release/gridsweep STATE SWEEP

Prints a line for each of the four exports, or ends at the first difference.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas
import polars
import pyarrow
import pyarrow.parquet

TYPES = {"epoch": "int64", "replicate": "int64", "n_planned": "int64", "test_accuracy": "double", "trial": "string"}


def export(binary, state, sweep, what, form, folder):
    path = folder / f"{what}.{form}"
    command = [binary, "export", sweep, "--state", state, "--what", what, "--format", form, "--out", str(path)]
    subprocess.run(command, check=True)
    return path


def flat(what, line):
    """A JSON line by the names of the columns."""
    row = {"choices." + name: value for name, value in choices("", line["choices"])} if "choices" in line else {}
    for key, value in line.items():
        if key in ("schema", "choices"):
            continue
        if key == "studies":
            row[key] = " ".join(value)
        elif key == "failure" and what == "trials":
            row["failure_kind"], row["failure_detail"] = (value["kind"], value["detail"]) if value else (None, None)
        elif key == "confusion":
            row[key] = None if value is None else json.dumps(value, separators=(",", ":"))
        elif key == "metrics" and what == "trials":
            row.update(value)
        elif key == "metrics":
            row.update({f"{name}_{part}": number for name, of in value.items() for part, number in of.items()})
        elif key == "sparsity" and what == "cells":
            row.update({f"sparsity_{n}_{part}": number for n, of in enumerate(value, 1) for part, number in of.items()})
        elif key in ("sparsity", "mean_absolute"):
            row.update({f"{key}_{n}": number for n, number in enumerate(value or [], 1)})
        else:
            row[key] = value
    return row


def choices(prefix, table):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from choices(f"{prefix}{name}.", value)
        else:
            yield prefix + name, "-".join(map(str, value)) if isinstance(value, list) else value


def same(ours, theirs):
    """Null and nan are nothing; numbers are the same to the bit."""
    nothing = [value is None or isinstance(value, float) and math.isnan(value) for value in (ours, theirs)]
    return all(nothing) if any(nothing) else ours == theirs


def compare(what, rows, expected, reader):
    assert len(rows) == len(expected), f"{what}: {reader} reads {len(rows)} rows of {len(expected)}"
    for number, (row, line) in enumerate(zip(rows, expected)):
        missing = set(line) - set(row)
        assert not missing, f"{what}: no column {missing}"
        for name, value in row.items():
            assert same(value, line.get(name)), f"{what} row {number}, {name}: {reader} reads {value!r}, not {line.get(name)!r}"


def main(binary, state, sweep):
    assert not same(0.1 + 0.2, 0.3) and not same(None, 0.0) and same(None, math.nan)
    with tempfile.TemporaryDirectory() as folder:
        for what in ["trials", "epochs", "cells", "attempts"]:
            paths = {form: export(binary, state, sweep, what, form, Path(folder)) for form in ["jsonl", "csv", "parquet"]}
            expected = [flat(what, json.loads(line)) for line in paths["jsonl"].read_text().splitlines()]
            table = pyarrow.parquet.read_table(paths["parquet"])
            for name, kind in TYPES.items():
                assert name not in table.column_names or str(table.schema.field(name).type) == kind, name
            compare(what, table.to_pylist(), expected, "pyarrow")
            compare(what, polars.read_parquet(paths["parquet"]).to_dicts(), expected, "polars")
            frame = pandas.read_parquet(paths["parquet"])
            compare(what, frame.astype(object).where(frame.notna(), None).to_dict("records"), expected, "pandas")
            texts = polars.read_csv(paths["csv"], infer_schema=False)
            assert texts.columns == table.column_names and texts.height == len(expected)
            print(f"{what}: {len(expected)} rows of {table.num_columns} columns, {paths['parquet'].stat().st_size} bytes of Parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
