//! An authenticator application, and the calls that it is for.

use base64::Engine;
use portico_proto::auth::v1::{
    Challenge, ConfirmTotpRequest, EnrollTotpRequest, EnrollTotpResponse, LoginRequest,
    TokenResponse, VerifyMfaRequest, mfa_service_client::MfaServiceClient,
};
use portico_service::Backend;
use ring::hmac;
use tonic::Status;

use super::{EMAIL, PASSWORD, World, bearing};

/// Computes codes as an application does, on its own clock.
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// Reads the secret as a person types it.
    pub fn new(secret: &str) -> Self {
        let bits: String = secret
            .bytes()
            .map(|letter| match letter {
                b'A'..=b'Z' => format!("{:05b}", letter - b'A'),
                _ => format!("{:05b}", letter - b'2' + 26),
            })
            .collect();
        let bytes = bits
            .as_bytes()
            .chunks_exact(8)
            .map(|byte| {
                let byte = std::str::from_utf8(byte).expect("digits");
                u8::from_str_radix(byte, 2).expect("binary")
            })
            .collect();
        Self(bytes)
    }

    /// The code that is shown at a moment, in seconds since 1970.
    pub fn code(&self, seconds: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &(seconds / 30).to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 15);
        let word: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().expect("four");
        format!(
            "{:06}",
            (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
        )
    }

    pub fn secret(&self) -> &[u8] {
        &self.0
    }
}

impl World {
    pub fn mfa(&self) -> MfaServiceClient<Backend> {
        MfaServiceClient::new(self.auth.backend.clone())
    }

    pub fn code(&self, application: &Authenticator) -> String {
        application.code(self.now().timestamp())
    }

    pub async fn enroll(&self, token: &str) -> Result<EnrollTotpResponse, Status> {
        let request = bearing(token, EnrollTotpRequest {});
        Ok(self.mfa().enroll_totp(request).await?.into_inner())
    }

    pub async fn confirm(&self, token: &str, code: &str) -> Result<Vec<String>, Status> {
        let code = code.to_owned();
        let request = bearing(token, ConfirmTotpRequest { code });
        let answer = self.mfa().confirm_totp(request).await?.into_inner();
        Ok(answer.recovery_codes)
    }

    /// Gives the holder of a token an application, and moves on to its next code.
    pub async fn with_application(&self, token: &str) -> (Authenticator, Vec<String>) {
        let made = self.enroll(token).await.expect("gives a secret");
        let application = Authenticator::new(&made.secret);
        let codes = self.confirm(token, &self.code(&application)).await;
        self.hand.advance(std::time::Duration::from_secs(30));
        (application, codes.expect("confirms"))
    }

    /// Signs Ada in as far as her password goes.
    pub async fn challenge(&self) -> Challenge {
        let request = LoginRequest {
            email: EMAIL.to_owned(),
            password: PASSWORD.to_owned(),
            ..LoginRequest::default()
        };
        let answer = self.auth().login(request).await.expect("is answered");
        let answer = answer.into_inner();
        assert_eq!(answer.access_token, "");
        assert_eq!(answer.refresh_token, "");
        assert_eq!(answer.session_id, "");
        answer.challenge.expect("a challenge")
    }

    pub async fn verify_mfa(&self, token: &str, code: &str) -> Result<TokenResponse, Status> {
        let request = VerifyMfaRequest {
            challenge_token: token.to_owned(),
            code: code.to_owned(),
        };
        Ok(self.mfa().verify_mfa(request).await?.into_inner())
    }
}

/// The bytes of a token in base64url.
pub fn bytes(token: &str) -> Vec<u8> {
    base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .expect("base64url")
}
