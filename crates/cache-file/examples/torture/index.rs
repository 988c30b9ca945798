//! Row F4: every byte of the index flipped, in a process of its own, since the index library can end it.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::Outcome;
use crate::damage::{self, ENTRIES};
use crate::image::PAGE;
use crate::rows::Pace;
use crate::story::Tally;

/// How long one case may take before it counts as one that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of all cases.
#[derive(Debug, Default)]
pub(crate) struct Flips {
    tried: u64,
    whole: u64,
    partial: u64,
    wrong: u64,
    unopenable: u64,
    aborts: u64,
    hangs: u64,
}

impl Flips {
    pub(crate) const fn is_clean(&self) -> bool {
        self.tried > 0 && self.wrong + self.unopenable + self.hangs == 0
    }
}

impl fmt::Display for Flips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, whole, partial, wrong, unopenable, aborts, hangs } = self;
        write!(
            f,
            "tried={tried} all_entries={whole} fewer_entries={partial} wrong={wrong} unopenable={unopenable} \
             aborts={aborts} hangs={hangs}"
        )
    }
}

/// Has children try all cases; one that ends is followed by another from the next case on.
pub(crate) fn run(root: &Path, pace: Pace, seed: u64) -> Outcome<Flips> {
    let mut flips = Flips::default();
    let mut next = 0;
    loop {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--index", &next.to_string(), &pace.of(97, 1).to_string(), &seed.to_string()])
            .arg(root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = listen(&mut child)?;
        let over = loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else { break None };
            let mut words = line.split(' ');
            match (words.next(), words.next().and_then(|word| word.parse::<u64>().ok())) {
                (Some("case"), Some(case)) => next = case + 1,
                (Some("over"), _) => break Some(()),
                (Some("found"), Some(whole)) => flips.note(whole),
                (Some("wrong"), _) => flips.wrong += 1,
                _ => flips.unopenable += 1,
            }
        };
        let ended = child.try_wait()?.is_some();
        child.kill()?;
        child.wait()?;
        if over.is_some() {
            return Ok(flips);
        }
        flips.tried += 1;
        *(if ended { &mut flips.aborts } else { &mut flips.hangs }) += 1;
    }
}

impl Flips {
    const fn note(&mut self, whole: u64) {
        self.tried += 1;
        *(if whole == ENTRIES { &mut self.whole } else { &mut self.partial }) += 1;
    }
}

/// Runs with the arguments `--index FIRST STEP SEED ROOT`: tells each case, and what came of it.
pub(crate) fn child() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let [first, step, seed, root] = words.as_slice() else { return Err("a child needs four arguments".into()) };
    let (first, step, seed): (u64, u64, u64) = (first.parse()?, step.parse()?, seed.parse()?);
    let root = Path::new(root);
    std::panic::set_hook(Box::new(|_| ()));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let mut case = 0;
        for image in damage::prepared(root, seed).await? {
            let path = root.join("index.redb");
            let Some(index) = image.file(&path) else { return Err("there is no index".into()) };
            for offset in index.pages().flat_map(|page| page..page + PAGE) {
                for mask in [1 << (offset % 8), 0xFF] {
                    case += 1;
                    if case < first || case % step != 0 {
                        continue;
                    }
                    crate::say(&format!("case {case}"));
                    let mut damaged = image.clone();
                    damaged.file_mut(&path).into_iter().for_each(|file| file.flip(offset, mask));
                    let mut tally = Tally::default();
                    let whole = damage::compare(root, damaged, seed, "", &mut tally).await?;
                    match (tally.wrong, tally.unopenable) {
                        (0, 0) => crate::say(&format!("found {whole}")),
                        (0, _) => crate::say("unopenable"),
                        _ => crate::say("wrong"),
                    }
                }
            }
        }
        crate::say("over");
        Ok(())
    })
}

fn listen(child: &mut Child) -> Outcome<mpsc::Receiver<String>> {
    let output = child.stdout.take().ok_or("the child has no output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}
