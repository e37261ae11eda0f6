//! Activations by themselves: values and slopes against formulas in `f64`, and what lies far out.

use super::gradients::activation as exact;
use super::{Value, names, recipe};
use crate::activation::{Activation, SlopeOf};
use crate::kernel::Kernel;
use crate::kernel::lanes::{LANES, Line};
use std::sync::Arc;

fn activation(name: &str) -> Arc<dyn Activation> {
    recipe(&[("activation", Value::from(name))]).activation
}

/// Returns the value at `x` and the slope there.
fn at(name: &str, x: f32) -> (f32, f32) {
    let activation = activation(name);
    let mut values = [Line([x; LANES])];
    activation.activate(Kernel::detect(), &mut values);
    let mut deltas = [Line([1.0; LANES])];
    let places = match activation.slope_of() {
        SlopeOf::Value => values,
        SlopeOf::Argument => [Line([x; LANES])],
    };
    activation.backpropagate(Kernel::detect(), &mut deltas, &places);
    (values[0].0[0], deltas[0].0[0])
}

/// Numbers between −30 and 30, none of them at a corner of any activation.
fn places() -> impl Iterator<Item = f32> {
    (-600..600).map(|n| 0.05 * n as f32 + 0.02)
}

#[test]
fn values_and_slopes_are_those_of_the_formulas() {
    for name in names("activation") {
        let exact = exact(&name);
        for x in places() {
            let (value, slope) = at(&name, x);
            let (x, step) = (f64::from(x), 1e-5);
            let expected = exact(x);
            let error = (f64::from(value) - expected).abs();
            assert!(error <= 1e-6 * expected.abs() + 1e-7, "{name}({x}) = {value}, not {expected}");
            let expected = (exact(x + step) - exact(x - step)) / (2.0 * step);
            let error = (f64::from(slope) - expected).abs();
            assert!(error <= 2e-6, "the slope of {name} at {x} is {slope}, not {expected}");
        }
    }
}

#[test]
fn an_activation_that_is_flat_at_zero_sends_nothing_back_where_its_value_is_zero() {
    let sends_back = |name: &str, x| {
        let (value, slope) = at(name, x);
        value == 0.0 && slope != 0.0
    };
    for name in names("activation") {
        let flat = activation(&name).is_flat_at_zero();
        let exception = places().chain([0.0, -0.0, f32::MIN_POSITIVE]).find(|&x| sends_back(&name, x));
        assert!(!flat || exception.is_none(), "{name} does at {exception:?}");
    }
    assert!(activation("relu").is_flat_at_zero());
    assert!(sends_back("tanh", 0.0), "tanh must not claim it");
}

#[test]
fn what_is_not_a_number_stays_so_in_every_activation() {
    for name in names("activation") {
        assert!(at(&name, f32::NAN).0.is_nan(), "{name}");
    }
}

#[test]
fn values_and_slopes_far_out_are_their_limits() {
    let far = 1e30;
    let cases = [
        ("relu", (0.0, 0.0), (far, 1.0)),
        ("sigmoid", (0.0, 0.0), (1.0, 0.0)),
        ("tanh", (-1.0, 0.0), (1.0, 0.0)),
        ("identity", (-far, 1.0), (far, 1.0)),
        ("leaky_relu", (-far * 0.01, 0.01), (far, 1.0)),
        ("elu", (-1.0, 0.0), (far, 1.0)),
        ("silu", (0.0, 0.0), (far, 1.0)),
        ("gelu", (0.0, 0.0), (far, 1.0)),
        ("softplus", (0.0, 0.0), (far, 1.0)),
        ("hard_tanh", (-1.0, 0.0), (1.0, 0.0)),
    ];
    assert_eq!(names("activation"), cases.map(|(name, _, _)| name));
    for (name, below, above) in cases {
        assert_eq!((at(name, -far), at(name, far)), (below, above), "{name}");
    }
}

#[test]
fn corners_have_the_slope_of_their_left_side_or_none() {
    assert_eq!(at("leaky_relu", 0.0), (0.0, 0.01));
    assert_eq!(at("elu", 0.0), (0.0, 1.0));
    assert_eq!(at("hard_tanh", 1.0), (1.0, 0.0));
    assert_eq!(at("hard_tanh", -1.0), (-1.0, 0.0));
}

/// Below the rounding of 1 + eˣ and of eˣ − 1, where the formulas as they are written give 0.
#[test]
fn small_values_do_not_cancel() {
    let (value, slope) = at("softplus", -40.0);
    let expected = (-40_f64).exp();
    assert!((f64::from(value) / expected - 1.0).abs() < 1e-6, "{value}");
    assert!((f64::from(slope) / expected - 1.0).abs() < 1e-6, "{slope}");
    assert_eq!(at("elu", -1e-12).0, -1e-12);
    assert_eq!(at("gelu", -1e-12).0, -5e-13);
}
