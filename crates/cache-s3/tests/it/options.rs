//! Options of the URL: each has an effect, or fails the opening with a word on what to do.

use cache_core::{Backend, ErrorKind};
use cache_s3::{ObjectBackend, ObjectConfig};

use crate::fake::Fake;
use crate::faults::World;
use crate::tls;

async fn refused(url: &str) -> String {
    let Err(error) = ObjectBackend::open(ObjectConfig::parse(url).unwrap()).await else { panic!("opened: {url}") };
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Invalid, Some("open")), "{error}");
    error.to_string()
}

#[tokio::test]
async fn what_would_have_no_effect_is_refused() {
    let fake = Fake::start().await;
    for (option, advice) in [
        ("timeout=5s", "timeout of the configuration"),
        ("connect_timeout=5s", "timeout of the configuration"),
        ("aws_read_timeout=5s", "timeout of the configuration"),
        ("allow_invalid_certificates=true", "ca_file"),
        ("proxy_ca_certificate=x", "ca_file"),
        ("pool_idle_timeout=5s", "remove it"),
        ("http2_only=true", "remove it"),
        ("bucket=other", "the host of the URL"),
        ("no_such_thing=1", "remove or mend it"),
        ("proxy_url=not a url", "wrong value"),
    ] {
        let error = refused(&format!("{}&{option}", fake.url())).await;
        assert!(error.contains(advice), "{option}: {error}");
    }
    assert!(refused("memory:///?region=eu").await.contains("region"));
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_told() {
    let fake = Fake::start().await;
    for path in ["/nowhere.pem", tls::fixture("server.key").to_str().unwrap()] {
        let error = refused(&format!("{}&ca_file={path}", fake.url())).await;
        assert!(error.contains(path) && error.contains("PEM file"), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_a_private_authority_is_trusted_when_that_is_named() {
    let world = World::new().await;
    let front = tls::Front::of(world.fake.addr()).await;
    let url = tls::url(&world.fake, front.addr());
    let trusting = ObjectBackend::open(ObjectConfig::parse(&url).unwrap()).await.unwrap();
    assert_eq!(trusting.get(&world.key).await.unwrap().as_ref(), Some(&world.entry));
    let (without, _) = url.split_once("&ca_file").unwrap();
    let wary = ObjectBackend::open(ObjectConfig::parse(without).unwrap()).await.unwrap();
    let error = wary.get(&world.key).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.to_string().contains("certificate"), "{error}");
}

/// A proxy for HTTP is asked for the whole address, so a host that does not exist is reached.
#[tokio::test]
async fn requests_go_through_the_proxy_unless_it_is_excluded() {
    let world = World::new().await;
    world.fake.fault(|_, answer| answer);
    let through = world.fake.url().replace(&world.fake.addr().to_string(), "s3.invalid");
    let through = format!("{through}&proxy_url=http://{}", world.fake.addr());
    let backend = ObjectBackend::open(ObjectConfig::parse(&through).unwrap()).await.unwrap();
    assert_eq!(backend.get(&world.key).await.unwrap().as_ref(), Some(&world.entry));
    assert_eq!(world.fake.requests(), 1);
    let excluded = ObjectConfig::parse(&format!("{through}&proxy_excludes=s3.invalid")).unwrap();
    let error = ObjectBackend::open(excluded).await.unwrap().get(&world.key).await.unwrap_err();
    assert_eq!((error.kind(), world.fake.requests()), (ErrorKind::Unavailable, 1), "{error}");
}
