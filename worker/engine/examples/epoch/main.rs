//! Times epochs: `cargo run --release --example epoch -p gridsweep-engine -- ARGUMENTS`.
//!
//! An epoch is 48,000 samples in a new order and a validation pass over 12,000, on one thread. Without arguments, or
//! with names of nets and kernels, prints one line a net, kernel and kind of synthetic data: the least and the median
//! milliseconds, and how much of the time the thread had a processor (where that is not near 100 %, the machine was
//! shared and the times say little).
//!
//! With `--hidden 128-128-64`, `--batch 32`, `--activation tanh`, `--dropout 0.5`, `--l1 0.0001`, `--kernel avx2`,
//! `--data FOLDER|gaussian|synthetic`, `--epochs 8`, `--threads 2`: times that training alone, a line an epoch. With `--serve` it
//! waits after each request for the next (a number of epochs, on a line of stdin), so that it can train in turn with
//! another: the scripts in `tests/numeric/peers` have the same arguments. With `--phases` it prints where the time goes
//! and the rates of arithmetic, with `--account` what memory and checkpoints it takes, as JSON.

mod account;
mod clock;
mod data;
mod phases;
mod setting;

use clock::Clock;
use gridsweep_common::choice::Value;
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::seed::SeedKey;
use gridsweep_engine::{Crew, Dataset, Kernel, Training};
use setting::{Arguments, Mode, recipe};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word.starts_with("--")) {
        one_training(&Arguments::parse(&words));
    } else {
        table(words);
    }
}

/// Trains with the settings of the command line.
fn one_training(arguments: &Arguments) {
    let data = data::read(&arguments.data);
    let time = |clock: Clock| {
        measure(&arguments.choices, &data, arguments.kernel, clock.on_threads(arguments.threads));
    };
    match arguments.mode {
        Mode::Time => time(Clock::printing(arguments.epochs)),
        Mode::Serve => time(Clock::served()),
        Mode::Phases => phases::print(arguments, &data),
        Mode::Account => account::print(arguments, &data),
    }
}

/// Prints a line a net, kernel and kind of data.
fn table(names: Vec<String>) {
    let (nets, kernels): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| cases().iter().any(|(net, _)| net == name));
    let kernels: Vec<Kernel> = if kernels.is_empty() {
        Kernel::available().into_iter().filter(|kernel| !kernel.is_slow()).collect()
    } else {
        kernels.iter().map(|name| Kernel::by_name(name).unwrap_or_else(|error| panic!("{error}"))).collect()
    };
    let (sparse, dense) = (data::read("synthetic"), data::read("gaussian"));
    for (name, choices) in
        cases().into_iter().filter(|(net, _)| nets.is_empty() || nets.iter().any(|n| n == net))
    {
        for &kernel in &kernels {
            for (kind, data) in [("19 % non-zero", &sparse), ("dense", &dense)] {
                let clock = measure(&choices, data, kernel, Clock::silent(8));
                println!("{name:<22} {:<10} {kind:<14} {clock}", kernel.name());
            }
        }
    }
}

fn cases() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    let deep = || ("hidden", Value::from(vec![128.0, 128.0, 64.0, 64.0, 64.0, 64.0]));
    let l1 = [("regularizer", Value::from("l1")), ("coefficient", Value::from(1e-4))];
    let with = |more: &[(&'static str, Value)]| [&[deep()], &l1[..], more].concat();
    vec![
        ("deep6", with(&[])),
        ("deep6 batch 32", with(&[("batch_size", Value::from(32.0))])),
        ("deep6 tanh", with(&[("activation", Value::from("tanh"))])),
        ("deep6 sigmoid", with(&[("activation", Value::from("sigmoid"))])),
        (
            "deep6 dropout 0.5",
            vec![deep(), ("regularizer", Value::from("dropout")), ("dropout_rate", Value::from(0.5))],
        ),
        ("784-64x8-10", [&[("hidden", Value::from(vec![64.0; 8]))], &l1[..]].concat()),
        ("784-512-10", [&[("hidden", Value::from(vec![512.0]))], &l1[..]].concat()),
    ]
}

/// Trains until the clock has what it wants, and returns it.
fn measure(choices: &[(&str, Value)], data: &Dataset, kernel: Kernel, mut clock: Clock) -> Clock {
    let validation = Validation { fraction: 0.2, pick: Pick::Random };
    let seed = SeedKey { root: 1, replicate: 0 };
    // Interrupted by the clock, which has what it wants: there is no outcome and none is missed.
    let (recipe, crew) =
        (recipe(choices), Crew::new(clock.thread_count()).unwrap_or_else(|error| panic!("{error}")));
    let _ = Training::new(&recipe, data, validation, seed, kernel).helped_by(&crew).run(&mut clock);
    clock
}
