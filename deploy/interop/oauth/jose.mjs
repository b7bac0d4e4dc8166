// jose: a token verifies before, during and after a rotation of the signing key, each new one at once.
// The system must rotate its key within two minutes.

import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { issuer, say, secretClient } from './system.mjs'

const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', issuer), { cooldownDuration: 500 })
const expected = { issuer: issuer.origin, audience: 'portico', typ: 'at+jwt', requiredClaims: ['exp', 'jti', 'client_id'] }
const verify = (token) => jwtVerify(token, keys, expected)

const { id, secret } = await secretClient()
async function grant() {
  const answer = await fetch(new URL('/oauth2/token', issuer), {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  assert.equal(answer.status, 200)
  return (await answer.json()).access_token
}

const before = await grant()
const { kid } = decodeProtectedHeader(before)
await verify(before)
say(`jose: verifies before the rotation (${kid})`)
let verified = 0
let now = before
const end = Date.now() + 120_000
while (decodeProtectedHeader(now).kid === kid) {
  assert(Date.now() < end, 'the key was not rotated within two minutes')
  now = await grant()
  await verify(now)
  await verify(before)
  verified += 2
  await setTimeout(100)
}
say(`jose: ${verified} verifications while it rotated`)
for (let again = 0; again < 10; again += 1) {
  await verify(await grant())
  await verify(before)
}
say(`jose: verifies after it, the old token too (${decodeProtectedHeader(now).kid})`)
