//! The public half of a key, as it is published.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portico_proto::auth::v1::JsonWebKey;
use ring::digest;

use super::Algorithm;

/// The public half of a key. Its id is its thumbprint (RFC 7638).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    material: Material,
}

/// What each kind of key is made of, in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    /// Coordinates on P-256 (RFC 7518, section 6.2).
    Point { x: String, y: String },
    /// A public key of Ed25519 (RFC 8037, section 2).
    Edwards { x: String },
    /// Modulus and exponent (RFC 7518, section 6.3).
    Rsa { n: String, e: String },
}

impl PublicKey {
    /// From an uncompressed point on P-256.
    pub(super) fn p256(point: &[u8]) -> Option<Self> {
        let coordinates = point.strip_prefix(&[4])?;
        let (x, y) = coordinates.split_at_checked(32)?;
        (y.len() == 32).then(|| {
            let (x, y) = (base64(x), base64(y));
            Self::new(Algorithm::Es256, Material::Point { x, y })
        })
    }

    pub(super) fn ed25519(key: &[u8]) -> Self {
        Self::new(Algorithm::EdDsa, Material::Edwards { x: base64(key) })
    }

    /// From modulus and exponent, big-endian without leading zeros.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Self {
        let (n, e) = (base64(n), base64(e));
        Self::new(Algorithm::Rs256, Material::Rsa { n, e })
    }

    fn new(algorithm: Algorithm, material: Material) -> Self {
        // The members that the thumbprint covers, in the order of the alphabet.
        let members = match &material {
            Material::Point { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Material::Edwards { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Material::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        Self {
            kid: base64(digest::digest(&digest::SHA256, members.as_bytes()).as_ref()),
            algorithm,
            material,
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl From<PublicKey> for JsonWebKey {
    fn from(key: PublicKey) -> Self {
        let mut jwk = Self {
            r#use: "sig".to_owned(),
            alg: key.algorithm.as_str().to_owned(),
            kid: key.kid,
            ..Self::default()
        };
        match key.material {
            Material::Point { x, y } => {
                "EC".clone_into(&mut jwk.kty);
                "P-256".clone_into(&mut jwk.crv);
                (jwk.x, jwk.y) = (x, y);
            }
            Material::Edwards { x } => {
                "OKP".clone_into(&mut jwk.kty);
                "Ed25519".clone_into(&mut jwk.crv);
                jwk.x = x;
            }
            Material::Rsa { n, e } => {
                "RSA".clone_into(&mut jwk.kty);
                (jwk.n, jwk.e) = (n, e);
            }
        }
        jwk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
    }

    /// The EC key of RFC 7517, appendix A.1, whose thumbprint other libraries print too.
    #[test]
    fn the_id_of_a_p256_key_is_its_thumbprint() {
        let mut point = vec![4];
        point.extend(bytes("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"));
        point.extend(bytes("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"));
        let key = PublicKey::p256(&point).expect("a point");
        assert_eq!(key.kid, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
        assert!(PublicKey::p256(&point[..64]).is_none());
        assert!(PublicKey::p256(&point[1..]).is_none());
    }

    /// RFC 8037, appendix A.3.
    #[test]
    fn the_id_of_an_ed25519_key_is_its_thumbprint() {
        let key = PublicKey::ed25519(&bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// RFC 7638, section 3.1.
    #[test]
    fn the_id_of_an_rsa_key_is_its_thumbprint() {
        let modulus = bytes(concat!(
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP",
            "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY",
            "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f",
            "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        ));
        let key = PublicKey::rsa(&modulus, &[1, 0, 1]);
        assert_eq!(key.kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
