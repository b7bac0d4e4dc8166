// What both libraries' scripts need of the system: its address, an administrator, clients, and a session.

import assert from 'node:assert/strict'
import { generateKeyPair, exportJWK } from 'jose'

export const issuer = new URL(need('PORTICO_URL'))

function need(name) {
  const value = process.env[name]
  assert(value, `${name} is not set`)
  return value
}

async function rest(path, body, token) {
  const headers = { 'content-type': 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  const answer = await fetch(new URL(`/api/v1/${path}`, issuer), {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  assert.equal(answer.status, 200, `${path}: ${answer.status} ${text}`)
  return JSON.parse(text)
}

export const signIn = (email, password) => rest('auth/login', { email, password })

const admin = await signIn(need('PORTICO_ADMIN_EMAIL'), need('PORTICO_ADMIN_PASSWORD'))

/** A client with a secret. */
export async function secretClient() {
  const body = { displayName: 'interop', scopes: ['users:read'], resources: ['https://api.example/'] }
  const made = await rest('oauth-clients', body, admin.accessToken)
  return { id: made.client.id, secret: made.clientSecret }
}

/** A client with a key of its own. */
export async function keyClient() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'interop', alg: 'ES256', use: 'sig' }
  const body = {
    displayName: 'interop',
    authMethod: 'CLIENT_AUTH_METHOD_PRIVATE_KEY_JWT',
    scopes: ['users:read'],
    jwks: { keys: [jwk] },
  }
  const made = await rest('oauth-clients', body, admin.accessToken)
  return { id: made.client.id, key: { key: privateKey, kid: 'interop' } }
}

/** The tokens of somebody who has just signed in. */
export async function session() {
  const email = `interop-${crypto.randomUUID()}@example.org`
  const password = 'a perfectly fine passphrase'
  await rest('auth/register', { email, password })
  return signIn(email, password)
}

export const say = (text) => console.log(`  ${text}`)
