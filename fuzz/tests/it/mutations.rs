//! Inputs made of the corpus, the same in every run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use fuzz::Target;
use fuzz::mutate::Mutator;

use crate::corpus;

/// Gives `target` so many inputs. One that breaks it is kept in a file, whose name is printed.
pub(crate) fn check(target: &Target, inputs: usize) {
    let seeds: Vec<Vec<u8>> = corpus::seeds(target).into_iter().map(|(_, seed)| seed).collect();
    let mut mutator = Mutator::new(1);
    for number in 0..inputs {
        let input = mutator.next_of(&seeds);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target.run(&input))) {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", target.name()));
            fs::write(&kept, &input).unwrap();
            println!("the input is kept in {}: give it a name in fuzz/corpus/{}", kept.display(), target.name());
            resume_unwind(panic);
        }
    }
}

#[test]
fn a_seed_makes_the_same_inputs_and_most_of_them_differ() {
    let seeds = [b"bytes=0-499".to_vec(), b"bytes=-1".to_vec()];
    let made = |seed| {
        let mut mutator = Mutator::new(seed);
        (0..500).map(|_| mutator.next_of(&seeds)).collect::<Vec<_>>()
    };
    assert_eq!(made(7), made(7));
    assert_ne!(made(7), made(8));
    let mut inputs = made(7);
    inputs.sort();
    inputs.dedup();
    assert!(inputs.len() > 400, "{}", inputs.len());
    assert!(Mutator::new(7).next_of(&[]).len() < 1_000);
}
