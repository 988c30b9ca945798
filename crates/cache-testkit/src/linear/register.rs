//! `Register`: the model of one key that is put, removed and read.

use super::Model;

/// One key of a backend that evicts nothing; each put writes a value of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Register {
    /// What is there at first.
    pub initial: Option<u64>,
}

/// A call of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterOp {
    /// Writes a value.
    Put(u64),
    /// Takes the value away.
    Remove,
    /// Reads the value.
    Get,
}

/// What a call of a register answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterAnswer {
    /// A put has ended.
    Done,
    /// A remove has ended; whether there was a value.
    Removed(bool),
    /// A read found this.
    Value(Option<u64>),
}

impl Model for Register {
    type State = Option<u64>;
    type Op = RegisterOp;
    type Answer = RegisterAnswer;

    fn initial(&self) -> Option<u64> {
        self.initial
    }

    fn step(&self, state: &Option<u64>, op: &RegisterOp, answer: Option<&RegisterAnswer>) -> Option<Option<u64>> {
        let (right, after) = match op {
            RegisterOp::Put(value) => (RegisterAnswer::Done, Some(*value)),
            RegisterOp::Remove => (RegisterAnswer::Removed(state.is_some()), None),
            RegisterOp::Get => (RegisterAnswer::Value(*state), *state),
        };
        answer.is_none_or(|answer| *answer == right).then_some(after)
    }
}
