//! `ObjectConfig`: where an object store is and what a backend over it may take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Entry, Result, SystemClock};
use url::Url;

use crate::error::invalid;

/// Where an [`ObjectBackend`](crate::ObjectBackend) keeps its objects and what it may take. Checked when it is opened.
///
/// ```
/// # use cache_s3::ObjectConfig;
/// let config = ObjectConfig::parse("s3://media/cache?endpoint=http://127.0.0.1:9000&region=us-east-1")?
///     .option("access_key_id", "the id")
///     .option("secret_access_key", "the secret");
/// assert!(!format!("{config:?}").contains("the secret"));
/// # Ok::<(), cache_core::Error>(())
/// ```
#[derive(Clone)]
pub struct ObjectConfig {
    pub(crate) kind: Kind,
    /// Bucket or container; empty where there is none.
    pub(crate) bucket: String,
    /// Prefix of the names of all objects, or the directory.
    pub(crate) prefix: String,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) name: Arc<str>,
    pub(crate) max_body: u64,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: u16,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What keeps the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    Google,
    Azure,
    Local,
    Memory,
}

impl ObjectConfig {
    /// Reads where the objects are from a URL. Objects are kept below its path.
    ///
    /// | URL | objects in |
    /// |---|---|
    /// | `s3://BUCKET/PREFIX` | S3, or what speaks its protocol at the option `endpoint`; feature `aws` |
    /// | `gs://BUCKET/PREFIX` | Google Cloud Storage; feature `gcp` |
    /// | `az://CONTAINER/PREFIX` | Azure Blob Storage; feature `azure` |
    /// | `file:///PATH` | a directory, made when it is not there |
    /// | `memory:///PREFIX` | this process |
    ///
    /// What follows `?` are [`option`](Self::option)s.
    ///
    /// # Errors
    /// `Invalid` for another scheme, a missing bucket or path, and credentials in front of the bucket. The message
    /// repeats no part of the URL but the scheme.
    pub fn parse(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|error| invalid(format!("the URL of the object store is wrong: {error}")))?;
        let kind = match url.scheme() {
            "s3" => Kind::S3,
            "gs" => Kind::Google,
            "az" => Kind::Azure,
            "file" => Kind::Local,
            "memory" => Kind::Memory,
            other => {
                return Err(invalid(format!("no object store has URLs with {other}: use s3, gs, az, file or memory")));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "credentials stand in front of the bucket: give them as options or by the environment",
            ));
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        let in_bucket = matches!(kind, Kind::S3 | Kind::Google | Kind::Azure);
        if in_bucket == bucket.is_empty() {
            return Err(invalid(if in_bucket {
                "the URL of the object store names no bucket"
            } else {
                "the URL of the object store needs three slashes in front of the path"
            }));
        }
        let prefix = match kind {
            Kind::Local => {
                let path = url.to_file_path().map_err(|()| invalid("the URL of the object store names no path"))?;
                path.into_os_string().into_string().map_err(|_| invalid("the path of the object store is not UTF-8"))?
            }
            _ => object_store::path::Path::from_url_path(url.path().trim_matches('/'))
                .map_err(|_| invalid("the prefix in the URL of the object store cannot be one of names"))?
                .to_string(),
        };
        let options = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Ok(Self {
            kind,
            bucket,
            prefix,
            options,
            name: Arc::from("s3"),
            max_body: Entry::MAX_BODY,
            timeout: Duration::from_secs(10),
            concurrency: 64,
            clock: Arc::new(SystemClock::new()),
        })
    }

    /// Sets an option of the object store by its name in the library `object_store`, as `?NAME=VALUE` in the URL does.
    ///
    /// For S3 above all `endpoint`, `region`, `access_key_id`, `secret_access_key`, `session_token`,
    /// `virtual_hosted_style_request`, `unsigned_payload`, and `conditional_put=disabled` for servers that ignore
    /// `If-Match` and `If-None-Match`. What is not set comes from the environment (`AWS_ACCESS_KEY_ID` and so on).
    ///
    /// For every store behind HTTP: `ca_file`, a PEM file of authorities that are trusted besides the system's (it may
    /// be given more than once), `proxy_url` and `proxy_excludes`, `user_agent`, `allow_http`. An option that is
    /// unknown, or would have no effect here, fails the opening.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Name in statistics and errors; `"s3"` unless set.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The longest body in bytes that is put or read; [`Entry::MAX_BODY`] unless set, and at most.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes.min(Entry::MAX_BODY);
        self
    }

    /// How long one call may take, its wait for a turn and its retries included; 10 seconds unless set. A scan may
    /// take as long for each page of names.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many requests are under way at once; further ones wait. 64 unless set.
    #[must_use]
    pub fn concurrency(mut self, requests: u16) -> Self {
        self.concurrency = requests;
        self
    }

    /// The clock that decides about expiry; the system's unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if self.timeout.is_zero() {
            return Err(invalid("a timeout of zero lets no call succeed"));
        }
        if self.concurrency == 0 {
            return Err(invalid("a concurrency of zero lets no request go"));
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectConfig {
    /// Leaves out the values of options: some are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<&str> = self.options.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ObjectConfig")
            .field("kind", &self.kind)
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("options", &options)
            .field("name", &self.name)
            .field("max_body", &self.max_body)
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_store_bucket_prefix_and_options() {
        let config = ObjectConfig::parse("s3://media/a/b?region=eu&endpoint=http://127.0.0.1:1").unwrap();
        assert_eq!((config.kind, &*config.bucket, &*config.prefix), (Kind::S3, "media", "a/b"));
        assert_eq!(
            config.options,
            [("region", "eu"), ("endpoint", "http://127.0.0.1:1")].map(|(n, v)| (n.into(), v.into()))
        );
        let config = ObjectConfig::parse("file:///var/cache/a%20b").unwrap();
        assert_eq!((config.kind, &*config.prefix), (Kind::Local, "/var/cache/a b"));
        let config = ObjectConfig::parse("memory:///").unwrap();
        assert_eq!((config.kind, &*config.prefix), (Kind::Memory, ""));
    }

    #[test]
    fn a_wrong_url_is_told_without_what_is_in_it() {
        for url in [
            "s3://KEY:SECRET@media/",
            "s3:///x?SECRET",
            "ftp://SECRET/x",
            "SECRET",
            "memory://SECRET/",
            "s3://SECRET:port/",
        ] {
            let error = ObjectConfig::parse(url).unwrap_err();
            assert!(!error.to_string().contains("SECRET") && !error.to_string().contains("KEY"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = ObjectConfig::parse("s3://media/?secret_access_key=SECRET").unwrap().option("token", "SECRET");
        let text = format!("{config:?}");
        assert!(text.contains("secret_access_key") && !text.contains("SECRET"), "{text}");
    }
}
