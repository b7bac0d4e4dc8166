//! What this server is and can do (RFC 8414).

use bytes::Bytes;
use serde_json::json;

use crate::{domain::GrantType, tokens::Issuer};

/// The algorithms of clients' assertions.
const ASSERTIONS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

/// The document, the same at both of its places. What is not there is not supported: there is no
/// authorization endpoint yet, so there are no response types, of which section 2 demands the list all the
/// same.
pub(crate) fn metadata(issuer: &Issuer) -> Bytes {
    let methods = [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    ];
    let with_public: Vec<&str> = methods.into_iter().chain(["none"]).collect();
    let document = json!({
        "issuer": issuer.name(),
        "token_endpoint": issuer.token_endpoint(),
        "introspection_endpoint": issuer.endpoint("/oauth2/introspect"),
        "revocation_endpoint": issuer.endpoint("/oauth2/revoke"),
        "jwks_uri": issuer.endpoint("/.well-known/jwks.json"),
        "service_documentation": issuer.endpoint("/docs"),
        "response_types_supported": [],
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "token_endpoint_auth_methods_supported": with_public,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTIONS,
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTIONS,
        "revocation_endpoint_auth_methods_supported": with_public,
        "revocation_endpoint_auth_signing_alg_values_supported": ASSERTIONS,
    });
    document.to_string().into()
}
