//! What backends on local disks share.
//!
//! * [`WriteQueue`]: async callers on one side, one thread that writes in groups on the other
//! * [`Buffers`]: memory for long bodies that is used again

mod buffers;
mod queue;

pub use buffers::{Buffer, Buffers};
pub use queue::{GroupWriter, Pending, WriteQueue, closed};
