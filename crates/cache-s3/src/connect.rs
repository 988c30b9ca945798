//! From a configuration to a `Bucket`: which library type serves which kind of store.

use std::sync::Arc;

use cache_core::Result;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::sync::Semaphore;

use crate::bucket::Bucket;
use crate::config::{Kind, ObjectConfig};
use crate::error::invalid;
#[cfg(not(all(feature = "aws", feature = "gcp", feature = "azure")))]
use crate::error::unavailable;
use crate::listing::Lister;
use crate::object::MAX_HEAD;
use crate::retry::Budget;

/// A bucket and the prefix of its names. May block: it makes the directory of a local path.
pub(crate) fn connect(config: &ObjectConfig) -> Result<(Bucket, Path)> {
    config.validate()?;
    let root =
        Path::parse(&config.prefix).map_err(|_| invalid("the prefix of the object store cannot be one of names"));
    match config.kind {
        Kind::Local => Ok((local(config)?, Path::default())),
        Kind::Memory => {
            refuse_options(config)?;
            Ok((whole(config, Arc::new(InMemory::new()), true), root?))
        }
        #[cfg(feature = "aws")]
        Kind::S3 => Ok((cloud::s3(config)?, root?)),
        #[cfg(feature = "gcp")]
        Kind::Google => Ok((cloud::google(config)?, root?)),
        #[cfg(feature = "azure")]
        Kind::Azure => Ok((cloud::azure(config)?, root?)),
        #[cfg(not(all(feature = "aws", feature = "gcp", feature = "azure")))]
        _ => Err(unavailable("this build does not know the object store: build it with the feature for it")),
    }
}

fn local(config: &ObjectConfig) -> Result<Bucket> {
    refuse_options(config)?;
    let failed = |error: &dyn std::fmt::Display| {
        let path = &config.prefix;
        invalid(format!("the directory {path} cannot be used: {error}: choose another one"))
    };
    std::fs::create_dir_all(&config.prefix).map_err(|error| failed(&error))?;
    let store = LocalFileSystem::new_with_prefix(&config.prefix).map_err(|error| failed(&error))?;
    // Files are replaced whole, but compared and replaced in two steps.
    Ok(whole(config, Arc::new(store), false))
}

fn whole(config: &ObjectConfig, store: Arc<dyn object_store::ObjectStore>, is_conditional: bool) -> Bucket {
    bucket(config, Lister::Whole(store.clone()), store, is_conditional)
}

fn bucket(
    config: &ObjectConfig,
    lister: Lister,
    store: Arc<dyn object_store::ObjectStore>,
    is_conditional: bool,
) -> Bucket {
    Bucket {
        store,
        lister,
        is_conditional,
        max_object: config.max_body + MAX_HEAD,
        slots: Semaphore::new(config.concurrency.into()),
        budget: Budget::new(),
    }
}

fn refuse_options(config: &ObjectConfig) -> Result<()> {
    match config.options.first() {
        Some((name, _)) => Err(unknown(name)),
        None => Ok(()),
    }
}

fn unknown(name: &str) -> cache_core::Error {
    invalid(format!("the object store has no option {name:?}: remove or mend it"))
}

/// Stores behind HTTP: options over the environment, one request for each attempt.
#[cfg(feature = "http")]
mod cloud {
    use std::fmt;
    use std::str::FromStr;
    use std::sync::Arc;
    use std::time::Duration;

    use cache_core::Result;
    #[cfg(any(feature = "gcp", feature = "azure"))]
    use object_store::ClientOptions;
    use object_store::client::ClientConfigKey;
    use object_store::list::PaginatedListStore;
    use object_store::{BackoffConfig, ObjectStore, RetryConfig};

    use super::{bucket, unknown};
    use crate::bucket::Bucket;
    use crate::config::ObjectConfig;
    use crate::error::invalid;
    use crate::http::Connector;
    use crate::listing::Lister;
    use crate::object::MAX_HEAD;

    /// Longest wait for a connection, where a call may take longer.
    const CONNECT: Duration = Duration::from_secs(3);
    /// The option that names a file of authorities. The library has none for it.
    const AUTHORITIES: &str = "ca_file";

    /// What the library calls the address of a store.
    const ENDPOINTS: [&str; 9] = [
        "endpoint",
        "endpoint_url",
        "aws_endpoint",
        "aws_endpoint_url",
        "aws_endpoint_url_s3",
        "azure_endpoint",
        "azure_storage_endpoint",
        "base_url",
        "google_base_url",
    ];

    #[cfg(feature = "aws")]
    pub(super) fn s3(config: &ObjectConfig) -> Result<Bucket> {
        use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Name};
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&config.bucket)
            .with_retry(no_retries())
            .with_http_connector(connector(config)?);
        if is_plain(config) {
            builder = builder.with_allow_http(true);
        }
        for (name, value) in for_the_library(config) {
            let known: Name = option(name)?;
            match &known {
                Name::Client(key) => check(*key, name)?,
                Name::Bucket => return Err(in_the_url(name)),
                _ => {}
            }
            builder = builder.with_config(known, value);
        }
        // As the library reads it, from options or the environment; what it cannot read, it refuses below.
        let is_conditional =
            builder.get_config_value(&Name::ConditionalPut).is_none_or(|value| value.trim() != "disabled");
        let store = builder.build().map_err(|error| wrong(&error))?;
        Ok(paged(config, store, is_conditional))
    }

    #[cfg(feature = "gcp")]
    pub(super) fn google(config: &ObjectConfig) -> Result<Bucket> {
        use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Name};
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(&config.bucket)
            .with_retry(no_retries())
            .with_http_connector(connector(config)?)
            .with_client_options(ClientOptions::new().with_allow_http(is_plain(config)));
        for (name, value) in for_the_library(config) {
            let known: Name = option(name)?;
            match &known {
                Name::Client(key) => check(*key, name)?,
                Name::Bucket => return Err(in_the_url(name)),
                _ => {}
            }
            builder = builder.with_config(known, value);
        }
        let store = builder.build().map_err(|error| wrong(&error))?;
        Ok(paged(config, store, true))
    }

    #[cfg(feature = "azure")]
    pub(super) fn azure(config: &ObjectConfig) -> Result<Bucket> {
        use object_store::azure::{AzureConfigKey as Name, MicrosoftAzureBuilder};
        let mut builder = MicrosoftAzureBuilder::from_env()
            .with_container_name(&config.bucket)
            .with_retry(no_retries())
            .with_http_connector(connector(config)?)
            .with_client_options(ClientOptions::new().with_allow_http(is_plain(config)));
        for (name, value) in for_the_library(config) {
            let known: Name = option(name)?;
            match &known {
                Name::Client(key) => check(*key, name)?,
                Name::ContainerName => return Err(in_the_url(name)),
                _ => {}
            }
            builder = builder.with_config(known, value);
        }
        let store = builder.build().map_err(|error| wrong(&error))?;
        Ok(paged(config, store, true))
    }

    fn paged<S: ObjectStore + PaginatedListStore>(config: &ObjectConfig, store: S, is_conditional: bool) -> Bucket {
        let store = Arc::new(store);
        bucket(config, Lister::Paged(store.clone()), store, is_conditional)
    }

    fn option<N: FromStr>(name: &str) -> Result<N> {
        name.parse().map_err(|_| unknown(name))
    }

    /// The text of the library repeats values, some of them secret: only the kind of mistake is told.
    fn wrong(_: &object_store::Error) -> cache_core::Error {
        invalid("the options of the object store do not fit together or have a wrong value: mend them")
    }

    /// Retries are ours: they know the deadline of the call.
    fn no_retries() -> RetryConfig {
        RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
    }

    fn for_the_library(config: &ObjectConfig) -> impl Iterator<Item = &(String, String)> {
        config.options.iter().filter(|(name, _)| name != AUTHORITIES)
    }

    /// Refuses what the library takes for its own client and [`Connector`] has no use for.
    fn check(key: ClientConfigKey, name: &str) -> Result<()> {
        use ClientConfigKey as Of;
        match key {
            Of::AllowHttp | Of::DefaultContentType | Of::ProxyExcludes | Of::ProxyUrl | Of::UserAgent => Ok(()),
            Of::ConnectTimeout | Of::ReadTimeout | Of::Timeout => {
                Err(invalid(format!("the option {name:?} has no effect: set the timeout of the configuration instead")))
            }
            Of::AllowInvalidCertificates | Of::NoSystemCertificates | Of::ProxyCaCertificate => Err(invalid(format!(
                "the option {name:?} has no effect: name a file with your authorities by {AUTHORITIES:?} instead"
            ))),
            _ => Err(invalid(format!("the option {name:?} has no effect: remove it"))),
        }
    }

    fn in_the_url(name: &str) -> cache_core::Error {
        invalid(format!("the option {name:?} is not taken: the host of the URL names bucket or container"))
    }

    /// May block: it reads the file of authorities.
    fn connector(config: &ObjectConfig) -> Result<Connector> {
        let mut authorities = Vec::new();
        for (_, path) in config.options.iter().filter(|(name, _)| name == AUTHORITIES) {
            let failed = |error: &dyn fmt::Display| {
                invalid(format!("the authorities in {path} cannot be used: {error}: name a PEM file of certificates"))
            };
            let text = std::fs::read(path).map_err(|error| failed(&error))?;
            let found = reqwest::Certificate::from_pem_bundle(&text).map_err(|error| failed(&error))?;
            if found.is_empty() {
                return Err(failed(&"there is none"));
            }
            authorities.extend(found);
        }
        Ok(Connector {
            max_answer: config.max_body + MAX_HEAD,
            connect_timeout: CONNECT.min(config.timeout),
            idle: config.concurrency.into(),
            authorities,
        })
    }

    /// Whether the configuration itself names an endpoint without TLS.
    fn is_plain(config: &ObjectConfig) -> bool {
        let is_plain = |(name, value): &(String, String)| {
            ENDPOINTS.contains(&name.as_str())
                && value.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"))
        };
        config.options.iter().any(is_plain)
    }
}
