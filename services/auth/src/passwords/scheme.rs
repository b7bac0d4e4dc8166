//! Hashes of every kind that can be verified, with bounds on what verifying may cost.
//!
//! Our own are argon2id (RFC 9106). The others come from systems that people leave behind: they are
//! verified once, at the next sign-in, and replaced.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use ring::pbkdf2;
use subtle::ConstantTimeEq;

/// The accepted bounds of argon2 (RFC 9106): memory in KiB, passes, lanes, and memory times passes.
const ARGON2: (u32, u32, u32, u64) = (256 * 1024, 16, 16, 1024 * 1024);
/// The accepted bounds of scrypt (RFC 7914): `log2 N`, `r`, `p`, memory in bytes, memory times `p`.
const SCRYPT: (u8, u32, u32, u64, u64) = (20, 32, 16, 256 << 20, 512 << 20);
/// The most rounds of PBKDF2 (RFC 8018).
const PBKDF2: u32 = 2_000_000;
/// The accepted costs of bcrypt.
const BCRYPT: std::ops::RangeInclusive<u32> = 4..=14;

/// Why a hash cannot be used. Says what is accepted, and nothing of the hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(
        "is no hash that can be verified; accepted: PHC strings of argon2id, argon2i, argon2d, scrypt, \
         pbkdf2-sha256 and pbkdf2-sha512, and bcrypt ($2a$, $2b$, $2x$, $2y$)"
    )]
    Unknown,
    #[error(
        "is not whole: parameters, salt and hash of {0} are needed, as its PHC string has them"
    )]
    Malformed(&'static str),
    #[error("costs too much to verify; accepted: {0}")]
    TooDear(&'static str),
}

/// A hash that can be verified.
pub(crate) enum Scheme {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        parts: Parts,
    },
    Scrypt(scrypt::Params, Parts),
    Pbkdf2(pbkdf2::Algorithm, NonZeroU32, Parts),
    Bcrypt(String),
}

/// What nearly all hashes have.
pub(crate) struct Parts {
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// What argon2 works in, kept from one hash to the next, since getting it from the system costs as much
/// as a twentieth of a hash.
#[derive(Default)]
pub(crate) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks of 1 KiB.
    pub(crate) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        &mut self.0[..count]
    }

    /// Gives it back to the system.
    pub(crate) fn release(&mut self) {
        self.0 = Vec::new();
    }
}

impl Scheme {
    /// Reads a hash. `own` are the parameters that this service hashes with, which are within bounds
    /// whatever they are.
    pub(crate) fn parse(text: &str, own: Option<&Params>) -> Result<Self, Unusable> {
        if text.starts_with("$2") {
            return bcrypt(text);
        }
        let hash = PasswordHash::new(text).map_err(|_| Unusable::Unknown)?;
        let parts = hash.salt.as_ref().zip(hash.hash.as_ref());
        let parts = parts.map(|(salt, output)| Parts {
            salt: salt.to_vec(),
            output: output.as_bytes().to_vec(),
        });
        match hash.algorithm.as_str() {
            "argon2id" => argon2(&hash, parts, Algorithm::Argon2id, own),
            "argon2i" => argon2(&hash, parts, Algorithm::Argon2i, own),
            "argon2d" => argon2(&hash, parts, Algorithm::Argon2d, own),
            "scrypt" => scrypt(&hash, parts),
            "pbkdf2-sha256" => pbkdf2(&hash, parts, pbkdf2::PBKDF2_HMAC_SHA256),
            "pbkdf2-sha512" => pbkdf2(&hash, parts, pbkdf2::PBKDF2_HMAC_SHA512),
            _ => Err(Unusable::Unknown),
        }
    }

    /// Whether a password belongs to it, told in constant time. Takes as long as its parameters say.
    pub(crate) fn verify(&self, password: &str, memory: &mut Memory) -> bool {
        let password = password.as_bytes();
        match self {
            Self::Argon2 {
                algorithm,
                version,
                params,
                parts,
            } => {
                let argon2 = Argon2::new(*algorithm, *version, params.clone());
                let mut output = vec![0; parts.output.len()];
                let blocks = memory.blocks(params.block_count());
                let (salt, out) = (&parts.salt, &mut output);
                let done = argon2.hash_password_into_with_memory(password, salt, out, blocks);
                done.is_ok() && bool::from(output.ct_eq(&parts.output))
            }
            Self::Scrypt(params, parts) => {
                let mut output = vec![0; parts.output.len()];
                scrypt::scrypt(password, &parts.salt, params, &mut output).is_ok()
                    && bool::from(output.ct_eq(&parts.output))
            }
            Self::Pbkdf2(algorithm, rounds, parts) => {
                pbkdf2::verify(*algorithm, *rounds, &parts.salt, password, &parts.output).is_ok()
            }
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
        }
    }

    /// Whether it is argon2id in its current version with exactly these parameters.
    pub(crate) fn is(&self, own: &Params) -> bool {
        matches!(self, Self::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, .. }
            if params.m_cost() == own.m_cost() && params.t_cost() == own.t_cost() && params.p_cost() == own.p_cost())
    }
}

fn argon2(
    hash: &PasswordHash,
    parts: Option<Parts>,
    algorithm: Algorithm,
    own: Option<&Params>,
) -> Result<Scheme, Unusable> {
    let malformed = || Unusable::Malformed("argon2");
    let number = |name: &str| hash.params.get_decimal(name).ok_or_else(malformed);
    let (m, t, p) = (number("m")?, number("t")?, number("p")?);
    let parts = parts.ok_or_else(malformed)?;
    let (most_m, most_t, most_p, most) = ARGON2;
    let ours = own.is_some_and(|own| m <= own.m_cost() && t <= own.t_cost() && p <= own.p_cost());
    let bearable = m <= most_m && t <= most_t && p <= most_p && u64::from(m) * u64::from(t) <= most;
    if !ours && !bearable {
        return Err(Unusable::TooDear(
            "argon2 with m up to 262144 KiB, t up to 16, p up to 16, and m times t up to 1048576",
        ));
    }
    // Strings from before version 19 have none (RFC 9106, appendix).
    let version = hash.version.unwrap_or(0x10);
    let version = Version::try_from(version).map_err(|_| malformed())?;
    let params = Params::new(m, t, p, Some(parts.output.len())).map_err(|_| malformed())?;
    Ok(Scheme::Argon2 {
        algorithm,
        version,
        params,
        parts,
    })
}

fn scrypt(hash: &PasswordHash, parts: Option<Parts>) -> Result<Scheme, Unusable> {
    let malformed = || Unusable::Malformed("scrypt");
    let number = |name: &str| hash.params.get_decimal(name).ok_or_else(malformed);
    let (ln, r, p) = (number("ln")?, number("r")?, number("p")?);
    let parts = parts.ok_or_else(malformed)?;
    let (most_ln, most_r, most_p, most_memory, most_work) = SCRYPT;
    let dear = Unusable::TooDear(
        "scrypt with ln up to 20, r up to 32, p up to 16, up to 256 MiB, and memory times p up to 512 MiB",
    );
    let Some(ln) = u8::try_from(ln).ok().filter(|ln| *ln <= most_ln) else {
        return Err(dear);
    };
    let memory = (128_u64 << ln).saturating_mul(r.into());
    let work = memory.saturating_mul(p.into());
    if r > most_r || p > most_p || memory > most_memory || work > most_work {
        return Err(dear);
    }
    let params = scrypt::Params::new(ln, r, p).map_err(|_| malformed())?;
    if ln == 0 {
        return Err(malformed());
    }
    Ok(Scheme::Scrypt(params, parts))
}

fn pbkdf2(
    hash: &PasswordHash,
    parts: Option<Parts>,
    algorithm: pbkdf2::Algorithm,
) -> Result<Scheme, Unusable> {
    let malformed = || Unusable::Malformed("pbkdf2");
    let rounds = hash.params.get_decimal("i").ok_or_else(malformed)?;
    let parts = parts.ok_or_else(malformed)?;
    if rounds > PBKDF2 {
        return Err(Unusable::TooDear("pbkdf2 with up to 2000000 rounds"));
    }
    let rounds = NonZeroU32::new(rounds).ok_or_else(malformed)?;
    Ok(Scheme::Pbkdf2(algorithm, rounds, parts))
}

fn bcrypt(text: &str) -> Result<Scheme, Unusable> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| Unusable::Malformed("bcrypt"))?;
    let cost = parts.get_cost();
    if cost > *BCRYPT.end() {
        return Err(Unusable::TooDear("bcrypt with a cost of up to 14"));
    }
    if cost < *BCRYPT.start() {
        return Err(Unusable::Malformed("bcrypt"));
    }
    Ok(Scheme::Bcrypt(text.to_owned()))
}

#[cfg(test)]
mod tests;
