//! The binary as users run it: commands, exit codes, HTTP, signals.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod admin;
mod admin_jobs;
mod admin_limits;
mod artifacts;
mod bad_input;
mod browser;
mod commands;
mod config;
mod dashboard;
mod deploy;
mod described;
mod framing;
mod full_disk;
mod hostile;
mod links;
mod looking;
mod metrics;
mod models;
mod origin;
mod play;
mod players;
mod popular;
mod process;
mod process_library;
mod process_stages;
mod real;
mod search;
mod serve;
mod settings;
mod signing;
mod site;
mod starting;
mod story;
mod support;
mod tickets;
mod tiers;
mod titles;
mod torrents;
mod trust;
mod warm;
mod web;
