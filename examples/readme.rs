//! The README's example, compiled and run as a doctest.

#![cfg_attr(doctest, doc = include_str!("../README.md"))]
