//! `Shelf`: the same artifacts as plain files, as somebody keeps them who has no cache.

use std::fs;
use std::path::{Path, PathBuf};

use pipeline::{Descriptions, Transcript};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contents::Contents;
use crate::film::FRAMES;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Pictures,
    Transcript,
    Descriptions,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each picture in a file of its own; text as JSON.
    Apart,
    /// All pictures in one file; text as MessagePack.
    Together,
}

/// Plain files in a directory.
#[derive(Debug)]
pub(crate) struct Shelf(PathBuf);

impl What {
    pub(crate) const ALL: [Self; 3] = [Self::Pictures, Self::Transcript, Self::Descriptions];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pictures => "3,000 keyframes",
            Self::Transcript => "transcript",
            Self::Descriptions => "descriptions",
        }
    }
}

impl Shelf {
    pub(crate) fn of(dir: &Path) -> Self {
        Self(dir.join("shelf"))
    }

    /// Writes everything; bytes of all pictures.
    pub(crate) fn fill(&self, contents: &Contents) -> usize {
        fs::create_dir(&self.0).expect("a directory");
        let mut all = Vec::new();
        for number in 0..FRAMES {
            let picture = contents.picture(number);
            fs::write(self.picture(number), &picture).expect("a file");
            all.extend_from_slice(&picture);
        }
        fs::write(self.pictures(), &all).expect("a file");
        self.write(What::Transcript, &contents.transcript);
        self.write(What::Descriptions, &contents.descriptions);
        all.len()
    }

    /// How many things were read. All are held until then, as those of an artifact are.
    pub(crate) fn read(&self, what: What, form: Form) -> usize {
        match (what, form) {
            (What::Pictures, Form::Apart) => {
                let pictures = (0..FRAMES).map(|number| fs::read(self.picture(number)).expect("a picture"));
                pictures.collect::<Vec<_>>().len()
            }
            (What::Pictures, Form::Together) => {
                // The length of one stands for a list of them, which has to be somewhere.
                let all = fs::read(self.pictures()).expect("pictures");
                all.chunks(all.len().div_ceil(FRAMES)).count()
            }
            (What::Transcript, form) => self.text::<Transcript>(what, form).segments.len(),
            (What::Descriptions, form) => self.text::<Descriptions>(what, form).descriptions.len(),
        }
    }

    fn text<T: DeserializeOwned>(&self, what: What, form: Form) -> T {
        let bytes = fs::read(self.path(what, form)).expect("a text");
        match form {
            Form::Apart => serde_json::from_slice(&bytes).expect("JSON"),
            Form::Together => rmp_serde::from_slice(&bytes).expect("MessagePack"),
        }
    }

    fn write(&self, what: What, value: &impl Serialize) {
        fs::write(self.path(what, Form::Apart), serde_json::to_vec(value).expect("JSON")).expect("a file");
        fs::write(self.path(what, Form::Together), rmp_serde::to_vec(value).expect("MessagePack")).expect("a file");
    }

    fn path(&self, what: What, form: Form) -> PathBuf {
        self.0.join(format!("{what:?}.{form:?}"))
    }

    fn picture(&self, number: usize) -> PathBuf {
        self.0.join(format!("{number}.jpg"))
    }

    fn pictures(&self) -> PathBuf {
        self.0.join("all.jpgs")
    }
}
