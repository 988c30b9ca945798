//! The tests of the file tier.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod budget;
mod capacity;
mod conformance;
mod damage;
mod descriptors;
mod displaced;
mod ends;
mod faults;
mod faulty_fs;
mod giving_way;
mod hooked_fs;
mod index_damage;
mod many;
mod mixed;
mod odd_directories;
mod opening_faults;
mod persistence;
mod process;
mod races;
mod renew;
mod seal;
mod support;
mod writes;
