//! What addresses and options say, and the environment where they are silent.

use std::process::Command;

use cache_core::{Backend, Entry, Key, Meta, Stamp, Timestamp};
use cache_s3::{ObjectBackend, ObjectConfig};

use crate::fake::Fake;

async fn open(url: &str) -> cache_core::Result<ObjectBackend> {
    ObjectBackend::open(ObjectConfig::parse(url)?).await
}

#[tokio::test]
async fn an_endpoint_works_by_each_of_its_names() {
    let fake = Fake::start().await;
    for name in ["endpoint", "endpoint_url", "aws_endpoint", "aws_endpoint_url", "aws_endpoint_url_s3"] {
        let backend = open(&fake.url().replace("endpoint=", &format!("{name}="))).await.unwrap();
        let entry = Entry::new(Meta::new(Stamp::from_u64(1), Timestamp::from_millis(1)), name);
        backend.put(&Key::of("name").part(name).build().unwrap(), entry).await.unwrap();
    }
}

#[tokio::test]
async fn conditional_put_is_read_as_the_library_reads_it() {
    let fake = Fake::start().await;
    for (value, compares) in [("disabled", false), (" disabled", false), ("etag", true), (" etag ", true)] {
        let config = ObjectConfig::parse(&fake.url()).unwrap().option("conditional_put", value);
        assert_eq!(ObjectBackend::open(config).await.unwrap().compares_across_processes(), compares, "{value:?}");
    }
    let config = ObjectConfig::parse(&fake.url()).unwrap().option("conditional_put", "DISABLED");
    ObjectBackend::open(config).await.unwrap_err();
    assert!(open(&fake.url()).await.unwrap().compares_across_processes());
}

/// Runs itself with another environment: that of a process is not changed while others read it.
#[tokio::test]
async fn what_no_option_says_comes_from_the_environment() {
    const CHILD: &str = "CACHE_S3_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let url = "s3://bucket/x?endpoint=http://127.0.0.1:1";
        assert!(!open(url).await.unwrap().compares_across_processes());
        assert!(open(&format!("{url}&conditional_put=etag")).await.unwrap().compares_across_processes());
        return;
    }
    let test = "addresses::what_no_option_says_comes_from_the_environment";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(CHILD, "1").env("AWS_CONDITIONAL_PUT", "disabled");
    let run = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}
