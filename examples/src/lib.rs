//! The simulated street: machine, phone and light.
