//! The dashboard in a real browser.

mod looks;
mod plays;
mod upkeep;
mod watches;
