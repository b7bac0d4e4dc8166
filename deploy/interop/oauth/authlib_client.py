"""Authlib: every grant, every way to authenticate, introspection and revocation."""

import os
import uuid

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, RSAKey

URL = os.environ["PORTICO_URL"]
TOKEN, INTROSPECT, REVOKE = (f"{URL}/oauth2/{it}" for it in ("token", "introspect", "revoke"))
PASSWORD = "a perfectly fine passphrase"


def rest(path, body, token=None):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = requests.post(f"{URL}/api/v1/{path}", json=body, headers=headers, timeout=10)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def client(admin, **more):
    return rest("oauth-clients", {"displayName": "authlib", "scopes": ["users:read"], **more}, admin)


def round_trip(session, way):
    token = session.fetch_token(TOKEN, grant_type="client_credentials")
    assert token["token_type"] == "Bearer" and token["scope"] == "users:read", token
    told = session.introspect_token(INTROSPECT, token=token["access_token"]).json()
    assert told["active"] is True, told
    assert session.revoke_token(REVOKE, token=token["access_token"]).status_code == 200
    told = session.introspect_token(INTROSPECT, token=token["access_token"]).json()
    assert told == {"active": False}, told
    print(f"  authlib: {way}")


admin = rest(
    "auth/login",
    {
        "email": os.environ["PORTICO_ADMIN_EMAIL"],
        "password": os.environ["PORTICO_ADMIN_PASSWORD"],
    },
)["accessToken"]

made = client(admin)
for method in ("client_secret_basic", "client_secret_post"):
    session = OAuth2Session(
        made["client"]["id"],
        made["clientSecret"],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    round_trip(session, method)

for alg, private, importer in (
    ("ES256", ec.generate_private_key(ec.SECP256R1()), ECKey),
    ("RS256", rsa.generate_private_key(65537, 2048), RSAKey),
):
    key = importer.import_key(pem(private))
    jwk = key.as_dict(private=False)
    members = {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
    made = client(
        admin,
        authMethod="CLIENT_AUTH_METHOD_PRIVATE_KEY_JWT",
        jwks={"keys": [members]},
    )
    session = OAuth2Session(
        made["client"]["id"],
        key,
        token_endpoint_auth_method="private_key_jwt",
        revocation_endpoint_auth_method="private_key_jwt",
    )
    session.register_client_auth_method(PrivateKeyJWT(TOKEN, alg=alg))
    round_trip(session, f"private_key_jwt with {alg}")

email = f"authlib-{uuid.uuid4()}@example.org"
rest("auth/register", {"email": email, "password": PASSWORD})
first = rest("auth/login", {"email": email, "password": PASSWORD})["refreshToken"]
session = OAuth2Session(
    "portico", token_endpoint_auth_method="none", revocation_endpoint_auth_method="none"
)
second = session.refresh_token(TOKEN, refresh_token=first)["refresh_token"]
assert second != first
session.revoke_token(REVOKE, token=second)
try:
    session.refresh_token(TOKEN, refresh_token=second)
except OAuthError as error:
    assert error.error == "invalid_grant", error
else:
    raise AssertionError("the session goes on")
print("  authlib: refresh, and the end of its session")
