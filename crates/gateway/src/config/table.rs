//! The table of settings: one declaration makes the types, the names in file, variables and flags, and the documentation.

use super::Config;
use super::values::Raw;

/// One setting, by all its names.
pub(crate) struct Setting {
    /// The table of the file that it is in.
    pub(crate) section: &'static str,
    /// Its name there.
    pub(crate) name: &'static str,
    /// The setting that it is another way to write, by section and name.
    pub(crate) instead_of: Option<&'static str>,
    pub(crate) doc: &'static [&'static str],
    /// The variable, and what a plain number in it counts where that is told by its name.
    pub(crate) variable: &'static str,
    pub(crate) unit: Option<&'static str>,
    /// The flag and what stands for its value in the help.
    pub(crate) flag: Option<(&'static str, &'static str)>,
    pub(crate) expected: &'static str,
    pub(crate) is_secret: bool,
    /// Reads it into its place.
    pub(crate) read: fn(&mut Config, &Raw) -> Result<(), String>,
    /// What is shown of it; secrets as `***`.
    pub(crate) show: fn(&Config) -> toml::Value,
}

impl Setting {
    /// Section and name: `cache.ttl`.
    pub(crate) fn key(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The key of what it sets.
    pub(crate) fn place(&self) -> String {
        self.instead_of.map_or_else(|| self.key(), str::to_owned)
    }

    /// What it is, in one line.
    pub(crate) fn about(&self) -> String {
        self.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }
}

/// Declares sections of settings: `name: Type = default; "VARIABLE" unit "MB"; --"flag" "VALUE";`.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])*
        $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:ident: $type:ty = $default:expr; $variable:literal $(in $unit:literal)?; $(--$flag:literal $value:literal;)?
            )*
        }
    )*) => {
        $(
            $(#[doc = $about])*
            #[derive(Debug, Clone)]
            pub(crate) struct $Section {
                $($(#[doc = $doc])* pub(crate) $name: $type,)*
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($name: $default,)* }
                }
            }
        )*

        /// The sections, each with what it is about.
        pub(crate) const SECTIONS: &[(&str, &[&str])] = &[$((stringify!($section), &[$($about),*])),*];

        /// Every setting that has a place of its own.
        pub(super) const PLACES: &[$crate::config::table::Setting] = &[$($(
            $crate::config::table::Setting {
                section: stringify!($section),
                name: stringify!($name),
                instead_of: None,
                doc: &[$($doc),*],
                variable: $variable,
                unit: $crate::config::table::optional!($($unit)?),
                flag: $crate::config::table::optional!($(($flag, $value))?),
                expected: <$type as $crate::config::values::Value>::EXPECTED,
                is_secret: <$type as $crate::config::values::Value>::IS_SECRET,
                read: |config, raw| {
                    config.$section.$name = $crate::config::values::read(raw)?;
                    Ok(())
                },
                show: |config| $crate::config::values::Value::show(&config.$section.$name),
            },
        )*)*];
    };
}

macro_rules! optional {
    () => {
        None
    };
    ($given:expr) => {
        Some($given)
    };
}

pub(super) use {optional, settings};
