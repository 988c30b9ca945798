//! The core of a bot that plays songs, with a text front end: its commands come from standard input.
//!
//! `cargo run -p examples --example bot` plays made-up songs; with `-- --yt-dlp` whatever yt-dlp understands. Either keeps
//! what it has resolved in the folder that `--cache FOLDER` names, or in a temporary one.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bot answers")]

mod core;
mod made_up;

use std::path::PathBuf;
use std::process::ExitCode;

use cache_core::Result;
use providers::{ProviderSongs, SongResolver, YtDlp, YtDlpOptions};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use crate::core::Bot;
use crate::made_up::MadeUp;

const HELP: &str = "play PAGE... | cache | warmcache [N] | cleancache [all] | quit";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bot: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let (mut is_real, mut named) = (false, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--yt-dlp" => is_real = true,
            "--cache" => named = Some(PathBuf::from(args.next().ok_or("--cache needs a folder")?)),
            _ => return Err(format!("usage: bot [--yt-dlp] [--cache FOLDER]; {arg} is neither").into()),
        }
    }
    let own = tempfile::tempdir()?;
    let folder = named.unwrap_or_else(|| own.path().to_owned());
    if is_real {
        let yt_dlp = YtDlp::open(YtDlpOptions::new()).await?;
        talk(Bot::open(ProviderSongs::new(yt_dlp), &folder).await?).await?;
    } else {
        talk(Bot::open(MadeUp, &folder).await?).await?;
    }
    Ok(())
}

/// Answers each line with what `bot` says, until there are no more.
async fn talk<R: SongResolver>(bot: Bot<R>) -> Result<(), Box<dyn std::error::Error>> {
    println!("{HELP}");
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split_whitespace().collect();
        let said = match words.as_slice() {
            [] => continue,
            ["quit"] => break,
            ["play", pages @ ..] if !pages.is_empty() => Ok(bot.play(pages).await),
            ["cache"] => Ok(bot.cache()),
            ["warmcache"] => bot.warm_cache(10).await,
            ["warmcache", n] if n.parse::<usize>().is_ok() => bot.warm_cache(n.parse()?).await,
            ["cleancache"] => bot.clean_cache().await,
            ["cleancache", "all"] => bot.clear_cache().await,
            _ => Ok(HELP.to_owned()),
        };
        // What fails is said, and the next command may go well.
        println!("{}", said.unwrap_or_else(|error| format!("that failed: {error}")));
    }
    bot.close().await?;
    Ok(())
}
