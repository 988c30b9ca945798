//! What encrypted connections trust.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Result};
use fred::rustls::pki_types::CertificateDer;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::{ClientConfig, RootCertStore, crypto};
use fred::rustls_native_certs::load_native_certs;
use fred::types::config::TlsConnector;

use crate::error::invalid;
use crate::options::Trust;

/// Reads files.
///
/// # Errors
/// `Invalid` when there is nobody to trust.
pub(super) fn connector(trust: &Trust) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let (added, _) = match trust {
        // Systems have odd certificates among the good ones.
        Trust::System => roots.add_parsable_certificates(load_native_certs().certs),
        Trust::Authorities(path) => roots.add_parsable_certificates(read(path)?),
    };
    if added == 0 {
        return Err(invalid("there is no certificate authority to verify Redis with: name a PEM file that has one"));
    }
    // Named, because another crate of the program may bring a second provider, and then there is no default.
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Internal, "no version of TLS is usable").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(config))
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let wrong = |error| {
        let path = path.display();
        invalid(format!("the certificate authorities in {path} cannot be read")).with_source(io::Error::other(error))
    };
    CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)
}
