//! `Writer`: the one connection that writes, and what keeps its file usable.

use std::sync::Arc;

use cache_core::{Clock, Error, Result};
use cache_local::GroupWriter;
use rusqlite::{Connection, TransactionBehavior};

use crate::database::Database;
use crate::error::{Fault, Outcome};
use crate::group::{Answer, Group, Request};
use crate::place::Identity;
use crate::shared::Shared;

/// Free pages that stay in the file for the next entries.
const SPARE: i64 = 1024;
/// The part of the file that may be free pages: one in this many.
const SPARE_PART: i64 = 8;
/// Free pages given back after one group.
const VACUUM: i64 = 256;

/// The one connection of a backend that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    identity: Identity,
}

impl Writer {
    /// Opens the database of `shared`.
    pub(crate) fn open(shared: Arc<Shared>) -> Result<Self> {
        let mut writer = Self { shared, open: None };
        writer.reopen(None, false)?;
        Ok(writer)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Sees to the files that readers complained of.
    fn mend(&mut self, requests: &[Request]) -> Outcome<()> {
        for request in requests {
            let Request::Mend(Some(identity), why) = request else { continue };
            if self.open.as_ref().is_some_and(|open| open.identity == *identity) {
                let unwanted = why.clone().map(|why| (*identity, why));
                self.reopen(unwanted, true)?;
            }
        }
        Ok(())
    }

    fn reopen(&mut self, unwanted: Option<(Identity, String)>, restart: bool) -> Result<()> {
        // Closed before the file may be moved: nothing of this process must hold on to it.
        self.open = None;
        self.shared.release();
        let mut database = Database::open(&self.shared.place, &self.shared.config, unwanted)?;
        self.shared.adopt(&mut database, restart);
        self.open = Some(Open { connection: database.writer, identity: database.identity });
        Ok(())
    }

    fn try_group(&mut self, requests: &[Request]) -> Outcome<Vec<Result<Answer>>> {
        if self.open.is_none() {
            self.reopen(None, true)?;
        }
        let shared = self.shared.clone();
        let Some(open) = &mut self.open else { return Err(Fault::Moved) };
        if shared.place.identity() != Some(open.identity) {
            return Err(Fault::Moved);
        }
        let seen = shared.take_seen();
        if seen.is_empty() && requests.iter().all(|request| matches!(request, Request::NoteSeen | Request::Mend(..))) {
            return Ok(requests.iter().map(|_| Ok(Answer::Done)).collect());
        }
        let now = shared.config.clock.now();
        let transaction = open.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut group = Group::begin(&transaction, &shared.config, now)?;
        // First, so that they count where room is made.
        group.note_seen(seen)?;
        let answers = requests.iter().map(|request| group.apply(request)).collect::<Outcome<Vec<_>>>()?;
        let tally = group.finish()?;
        transaction.commit()?;
        shared.count(&tally);
        give_back(&open.connection).unwrap_or_else(|error| {
            tracing::debug!(%error, "free pages of the database were not given back");
        });
        Ok(answers)
    }
}

impl GroupWriter for Writer {
    type Request = Request;
    type Answer = Answer;

    /// Carries them out in one transaction. When the file turns out to be damaged, or gone, they are carried out once more
    /// on the one that takes its place.
    fn carry_out(&mut self, requests: &[Request]) -> Vec<Result<Answer>> {
        let mut done = self.mend(requests).and_then(|()| self.try_group(requests));
        done = done.map_err(|fault| fault.judged(self.shared.place.path()));
        if let Err(fault @ (Fault::Damaged(_) | Fault::Moved)) = done {
            let unwanted = match &fault {
                Fault::Damaged(why) => self.open.as_ref().map(|open| (open.identity, why.clone())),
                _ => None,
            };
            done = self.reopen(unwanted, true).map_err(Fault::Failed).and_then(|()| self.try_group(requests));
        }
        done.unwrap_or_else(|fault| {
            let error = fault.into_error();
            requests.iter().map(|_| Err(error.clone())).collect()
        })
    }

    /// Writes down what is noted.
    fn finish(&mut self) {
        if self.open.is_some() {
            self.carry_out(&[Request::NoteSeen]).into_iter().for_each(drop);
        }
    }
}

/// Shortens the file when much of it is free.
fn give_back(connection: &Connection) -> std::result::Result<(), Error> {
    let number = |sql: &str| -> Outcome<i64> { Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?) };
    let shorten = || -> Outcome<()> {
        let free = number("PRAGMA freelist_count")?;
        if free <= SPARE || free <= number("PRAGMA page_count")? / SPARE_PART {
            return Ok(());
        }
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    };
    shorten().map_err(Fault::into_error)
}
