//! Until when a certificate is good, for a metric: nobody should learn it from connections that fail.

use chrono::{DateTime, NaiveDateTime, Utc};
use metrics::gauge;
use rustls::pki_types::CertificateDer;

/// When the first certificate of a chain ends.
pub(super) fn first(chain: &[CertificateDer<'_>]) -> Option<DateTime<Utc>> {
    chain.iter().filter_map(|cert| not_after(cert)).min()
}

/// Shows until when the chain that is in use is good. `role` is `server` or `client`.
pub(super) fn show(role: &'static str, end: Option<DateTime<Utc>>) {
    if let Some(end) = end {
        #[expect(clippy::cast_precision_loss, reason = "seconds of this age fit")]
        gauge!("tls_certificate_expiry_timestamp_seconds", "role" => role)
            .set(end.timestamp() as f64);
    }
}

/// `validity.notAfter` (RFC 5280, section 4.1.2.5); `None` when these are no bytes of a certificate.
fn not_after(cert: &[u8]) -> Option<DateTime<Utc>> {
    let mut signed = Der(Der(cert).value()?);
    let mut body = Der(signed.value()?);
    let (tag, _) = body.next()?;
    if tag == VERSION {
        let _serial_number = body.next()?;
    }
    let _signature = body.next()?;
    let _issuer = body.next()?;
    let mut validity = Der(body.value()?);
    let _not_before = validity.next()?;
    let (tag, time) = validity.next()?;
    let time = str::from_utf8(time).ok()?;
    let time = match tag {
        // Two digits of the year: 50 and above are of the last century.
        UTC_TIME if time >= "50" => format!("19{time}"),
        UTC_TIME => format!("20{time}"),
        GENERALIZED_TIME => time.to_owned(),
        _ => return None,
    };
    let time = NaiveDateTime::parse_from_str(&time, "%Y%m%d%H%M%SZ").ok()?;
    Some(time.and_utc())
}

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// What is left of a sequence of values (X.690, section 8.1, with definite lengths).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn value(&mut self) -> Option<&'a [u8]> {
        self.next().map(|(_, value)| value)
    }

    /// The next value with its tag.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, short], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(short);
        if short > 0x80 {
            let (bytes, behind) = rest.split_at_checked(usize::from(short & 0x7f))?;
            rest = behind;
            length = bytes.iter().try_fold(0_usize, |length, byte| {
                length.checked_mul(256)?.checked_add(usize::from(*byte))
            })?;
        }
        let (value, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn made(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1990, 1, 1);
        params.not_after = date_time_ymd(year, 2, 3);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_either_form() {
        for year in [1999, 2030, 2049, 2050, 2999] {
            let end = not_after(&made(year)).unwrap();
            assert_eq!(end.to_rfc3339(), format!("{year}-02-03T00:00:00+00:00"));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let cert = made(2030);
        let end = not_after(&cert);
        for length in 0..cert.len() {
            assert_eq!(not_after(&cert[..length]), None, "{length}");
        }
        // Whatever one byte becomes, reading ends.
        for at in 0..cert.len() {
            let mut other = cert.clone();
            other[at] ^= 0xff;
            let _ = not_after(&other);
        }
        assert_eq!(not_after(&[0x30, 0xff, 0xff, 0xff]), None);
        assert_eq!(not_after(&[]), None);
        assert!(end.is_some());
    }
}
