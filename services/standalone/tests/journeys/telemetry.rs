//! What the processes tell of themselves while people use them.

mod collector;
mod labels;
mod metrics;
mod secrets;
mod traces;
