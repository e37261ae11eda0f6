//! For programs, `schema` 1. Keys may be added, these stay:
//!
//! * `schema`: 1; `title`: text or null; `notes`: the sentences under the table
//! * `row_settings`, `column_settings`: names of settings
//! * `quantities`: `{name, better}`, `better` being `"lower"`, `"higher"` or null
//! * `cells`: row by row, in each by groups of columns, cells that the study does not have left out:
//!   * `row`, `column`: the labels, one a setting: a value as in the sweep file, or null where the cell lacks the setting
//!   * `n_planned`, `n_done` (succeeded or diverged), `n_diverged`, `n_failed`, `n_pending`
//!   * `quantities`: one each, in the order above; null where it does not exist (the net has no such matrix), else `n` (the
//!     values that `mean` is over), `mean`, `half_width` (of the 95 % interval), `values` (one a planned replicate, in order)
//!     and `mark`: `"best"`, `"tied"` (cannot be told from the best) or null. What is unknown is null.
//!
//! With a baseline there are also
//!
//! * `baseline`: its settings by their names
//! * in `quantities` of a cell `against`: `"baseline"` where the cell is one, null where it has none in common with it, else
//!   `pairs` (their number), `difference` (the mean of the paired differences), `half_width`, and `won`, `won_lower`,
//!   `won_upper` (the share of the pairs that the cell wins), null where neither direction is better
//!
//! Effects are an object of their own: `schema`: 1; `title`; `quantities`: names; `sources`: `axes` (one is a main effect,
//! several an interaction, none what differs between replicates), `dof`, `shares` (one a quantity, or null); `notes`.

use super::Format;
use crate::metric::Better;
use crate::table::{Against, Cell, Difference, Effects, Entry, Label, Mark, Measurement};
use crate::table::{Quantity, Source, Table};
use serde::Serialize;
use serde_json::{Map, Value};

/// One indented JSON object.
pub(super) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn render(&self, table: &Table) -> String {
        let mut text = serde_json::to_string_pretty(&document(table))
            .expect("a tree of structs, lists and finite numbers has a JSON form");
        text.push('\n');
        text
    }

    fn render_effects(&self, effects: &Effects) -> String {
        let mut text = serde_json::to_string_pretty(&effects_document(effects))
            .expect("a tree of structs, lists and finite numbers has a JSON form");
        text.push('\n');
        text
    }
}

// Structs rather than maps: keys come out in the order written here.

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    title: Option<&'a str>,
    row_settings: &'a [String],
    column_settings: &'a [String],
    quantities: Vec<QuantityEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<Map<String, Value>>,
    cells: Vec<CellEntry<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct EffectsDocument<'a> {
    schema: u32,
    title: Option<&'a str>,
    quantities: Vec<String>,
    sources: Vec<SourceEntry<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct SourceEntry<'a> {
    axes: &'a [String],
    dof: usize,
    shares: &'a [Option<f64>],
}

#[derive(Serialize)]
struct QuantityEntry {
    name: String,
    better: Option<&'static str>,
}

#[derive(Serialize)]
struct CellEntry<'a> {
    row: Vec<Value>,
    column: Vec<Value>,
    n_planned: usize,
    n_done: usize,
    n_diverged: usize,
    n_failed: usize,
    n_pending: usize,
    quantities: Vec<Option<MeasurementEntry<'a>>>,
}

#[derive(Serialize)]
struct MeasurementEntry<'a> {
    n: usize,
    mean: Option<f64>,
    half_width: Option<f64>,
    values: &'a [Option<f64>],
    mark: Option<&'static str>,
    /// Absent without a baseline, null where there is nothing to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Value>,
}

#[derive(Serialize)]
struct Compared {
    pairs: usize,
    difference: f64,
    half_width: Option<f64>,
    won: Option<f64>,
    won_lower: Option<f64>,
    won_upper: Option<f64>,
}

fn document(table: &Table) -> Document<'_> {
    let cells = table.rows.iter().flat_map(|row| {
        let groups = table.groups.iter().zip(&row.cells);
        groups.filter_map(|(group, cell)| Some(cell_entry(table, &row.labels, group, cell.as_ref()?)))
    });
    Document {
        schema: 1,
        title: table.title.as_deref(),
        row_settings: &table.row_settings,
        column_settings: &table.column_settings,
        quantities: table.quantities.iter().map(quantity_entry).collect(),
        baseline: (!table.baseline.is_empty()).then(|| {
            Map::from_iter(table.baseline.iter().map(|(setting, value)| (setting.clone(), value.to_json())))
        }),
        cells: cells.collect(),
        notes: &table.notes,
    }
}

fn effects_document(effects: &Effects) -> EffectsDocument<'_> {
    EffectsDocument {
        schema: 1,
        title: effects.title.as_deref(),
        quantities: effects.quantities.iter().map(|quantity| quantity.name()).collect(),
        sources: effects.sources.iter().map(source_entry).collect(),
        notes: &effects.notes,
    }
}

fn source_entry(source: &Source) -> SourceEntry<'_> {
    SourceEntry { axes: &source.axes, dof: source.dof, shares: &source.shares }
}

fn quantity_entry(quantity: &Quantity) -> QuantityEntry {
    let better = match quantity.better() {
        Better::Lower => Some("lower"),
        Better::Higher => Some("higher"),
        Better::Neither => None,
    };
    QuantityEntry { name: quantity.name(), better }
}

fn cell_entry<'a>(table: &Table, row: &[Label], column: &[Label], cell: &'a Cell) -> CellEntry<'a> {
    let is_compared = !table.baseline.is_empty();
    let measured = |entry: &'a Entry| entry.measured().map(|of| measurement_entry(of, is_compared));
    CellEntry {
        row: row.iter().map(label).collect(),
        column: column.iter().map(label).collect(),
        n_planned: cell.counts.planned,
        n_done: cell.counts.done(),
        n_diverged: cell.counts.diverged,
        n_failed: cell.counts.failed,
        n_pending: cell.counts.pending,
        quantities: cell.entries.iter().map(measured).collect(),
    }
}

fn label(label: &Label) -> Value {
    match label {
        Label::Absent => Value::Null,
        Label::Value(value) => value.to_json(),
        Label::Table(entries) => {
            let entries = entries.iter().map(|(name, value)| (name.clone(), value.to_json()));
            Value::Object(Map::from_iter(entries))
        }
    }
}

fn measurement_entry(measurement: &Measurement, is_compared: bool) -> MeasurementEntry<'_> {
    MeasurementEntry {
        n: measurement.summary.map_or(0, |summary| summary.n),
        mean: measurement.summary.map(|summary| summary.mean),
        half_width: measurement.summary.and_then(|summary| summary.half_width),
        values: &measurement.values,
        mark: match measurement.mark {
            Mark::Plain => None,
            Mark::Best => Some("best"),
            Mark::Tied => Some("tied"),
        },
        against: is_compared.then(|| against(&measurement.against)),
    }
}

fn against(against: &Against) -> Value {
    let Against::Pairs(Difference { summary, won }) = against else {
        return if *against == Against::Itself { Value::from("baseline") } else { Value::Null };
    };
    let compared = Compared {
        pairs: summary.n,
        difference: summary.mean,
        half_width: summary.half_width,
        won: won.map(|won| won.share),
        won_lower: won.map(|won| won.lower),
        won_upper: won.map(|won| won.upper),
    };
    serde_json::to_value(compared).expect("a struct of finite numbers has a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::fixture;

    #[test]
    fn the_cells_of_the_document() {
        // Compact, a line a cell: the indented form of the same has 400 lines.
        let table = fixture::table();
        let cells: Vec<String> =
            document(&table).cells.iter().map(|cell| serde_json::to_string(cell).unwrap()).collect();
        insta::assert_snapshot!(cells.join("\n"), @r#"
        {"row":["none",null,[8],128],"column":["relu"],"n_planned":3,"n_done":3,"n_diverged":0,"n_failed":0,"n_pending":0,"quantities":[{"n":3,"mean":0.9806,"half_width":0.0013831093423845317,"values":[0.9801,0.9812,0.9805],"mark":"tied"},{"n":3,"mean":30.0,"half_width":2.48413771175033,"values":[29.0,31.0,30.0],"mark":null},{"n":3,"mean":0.0,"half_width":0.0,"values":[0.0,0.0,0.0],"mark":null},{"n":3,"mean":0.0,"half_width":0.0,"values":[0.0,0.0,0.0],"mark":null},null]}
        {"row":["none",null,[8],128],"column":["tanh"],"n_planned":3,"n_done":1,"n_diverged":0,"n_failed":1,"n_pending":1,"quantities":[{"n":1,"mean":0.9763,"half_width":null,"values":[0.9763,null,null],"mark":null},{"n":1,"mean":41.0,"half_width":null,"values":[41.0,null,null],"mark":null},{"n":1,"mean":0.0,"half_width":null,"values":[0.0,null,null],"mark":null},{"n":1,"mean":0.0,"half_width":null,"values":[0.0,null,null],"mark":null},null]}
        {"row":["l1",0.001,[8,4],128],"column":["relu"],"n_planned":3,"n_done":3,"n_diverged":0,"n_failed":0,"n_pending":0,"quantities":[{"n":3,"mean":0.9807333333333333,"half_width":0.0007985385511443242,"values":[0.9805,0.9811,0.9806],"mark":"best"},{"n":3,"mean":52.333333333333336,"half_width":6.251609479375774,"values":[52.0,55.0,50.0],"mark":null},{"n":3,"mean":0.92,"half_width":0.024841377117503317,"values":[0.91,0.92,0.93],"mark":null},{"n":3,"mean":0.4,"half_width":0.024841377117503248,"values":[0.4,0.41,0.39],"mark":null},{"n":3,"mean":0.05333333333333334,"half_width":0.01434217576583153,"values":[0.05,0.05,0.06],"mark":null}]}
        {"row":["l1",0.001,[8,4],128],"column":["tanh"],"n_planned":3,"n_done":0,"n_diverged":0,"n_failed":0,"n_pending":3,"quantities":[{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null}]}
        {"row":["l1",0.1,[8,4],128],"column":["relu"],"n_planned":3,"n_done":3,"n_diverged":0,"n_failed":0,"n_pending":0,"quantities":[{"n":3,"mean":0.1135,"half_width":0.0,"values":[0.1135,0.1135,0.1135],"mark":null},{"n":3,"mean":9.0,"half_width":0.0,"values":[9.0,9.0,9.0],"mark":null},{"n":3,"mean":1.0,"half_width":0.0,"values":[1.0,1.0,1.0],"mark":null},{"n":3,"mean":1.0,"half_width":0.0,"values":[1.0,1.0,1.0],"mark":null},{"n":3,"mean":1.0,"half_width":0.0,"values":[1.0,1.0,1.0],"mark":null}]}
        {"row":["l1",0.1,[8,4],128],"column":["tanh"],"n_planned":3,"n_done":0,"n_diverged":0,"n_failed":3,"n_pending":0,"quantities":[{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null},{"n":0,"mean":null,"half_width":null,"values":[null,null,null],"mark":null}]}
        {"row":["l1",1,[8,4],128],"column":["relu"],"n_planned":3,"n_done":3,"n_diverged":1,"n_failed":0,"n_pending":0,"quantities":[{"n":2,"mean":0.9821,"half_width":0.001270620473617329,"values":[0.982,null,0.9822],"mark":null},{"n":3,"mean":9.666666666666666,"half_width":14.555718665491774,"values":[12.0,3.0,14.0],"mark":null},{"n":2,"mean":0.5,"half_width":0.0,"values":[0.5,null,0.5],"mark":null},{"n":2,"mean":0.5,"half_width":0.0,"values":[0.5,null,0.5],"mark":null},{"n":2,"mean":0.5,"half_width":0.0,"values":[0.5,null,0.5],"mark":null}]}
        "#);
    }

    #[test]
    fn the_frame_of_the_document() {
        let mut table = fixture::table();
        table.rows.clear();
        insta::assert_snapshot!(Json.render(&table), @r#"
        {
          "schema": 1,
          "title": "Regularization & structure | 95% draft",
          "row_settings": [
            "regularizer",
            "coefficient",
            "hidden",
            "batch_size"
          ],
          "column_settings": [
            "activation"
          ],
          "quantities": [
            {
              "name": "test_accuracy",
              "better": "higher"
            },
            {
              "name": "epochs",
              "better": null
            },
            {
              "name": "sparsity_1",
              "better": null
            },
            {
              "name": "sparsity_2",
              "better": null
            },
            {
              "name": "sparsity_3",
              "better": null
            }
          ],
          "cells": [],
          "notes": [
            "mean ± half-width of the 95 % Student-t interval over 3 replicates",
            "cells with fewer than two replicates in common with the best are not judged",
            "(2/3): the mean is over those 2 of 3 planned replicates that have a value",
            "diverged: a loss or a weight became not finite; such a replicate has no value for what needs final weights, and its cell is not compared there",
            "failed: no result by the machine's doing (failed, cancelled or quarantined)",
            "…: not finished yet"
          ]
        }
        "#);
    }

    #[test]
    fn values_read_back_to_the_bit() {
        let text = Json.render(&fixture::table());
        let document: Value = serde_json::from_str(&text).unwrap();
        let mean = document["cells"][0]["quantities"][0]["mean"].as_f64().unwrap();
        let table = fixture::table();
        let cell = table.rows[0].cells[0].as_ref().unwrap();
        assert_eq!(mean, cell.entries[0].measured().unwrap().summary.unwrap().mean);
    }
}
