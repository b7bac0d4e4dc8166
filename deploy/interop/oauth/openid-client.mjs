// openid-client: every grant, every way to authenticate, introspection and revocation.

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { issuer, keyClient, say, secretClient, session } from './system.mjs'

const insecure = { execute: [client.allowInsecureRequests] }
const discover = (id, authentication, options = {}) =>
  client.discovery(issuer, id, undefined, authentication, { ...insecure, ...options })

const secret = await secretClient()
const key = await keyClient()
const ways = {
  client_secret_basic: [secret.id, client.ClientSecretBasic(secret.secret)],
  client_secret_post: [secret.id, client.ClientSecretPost(secret.secret)],
  private_key_jwt: [key.id, client.PrivateKeyJwt(key.key)],
}
for (const algorithm of ['oidc', 'oauth2']) {
  for (const [way, [id, authentication]] of Object.entries(ways)) {
    const config = await discover(id, authentication, { algorithm })
    const granted = await client.clientCredentialsGrant(config, { scope: 'users:read' })
    assert.equal(granted.token_type, 'bearer')
    assert.equal(granted.scope, 'users:read')

    const told = await client.tokenIntrospection(config, granted.access_token)
    assert.equal(told.active, true)
    assert.equal(told.client_id, id)
    await client.tokenRevocation(config, granted.access_token)
    const after = await client.tokenIntrospection(config, granted.access_token)
    assert.equal(after.active, false)
    say(`openid-client: ${way} by ${algorithm} discovery`)
  }
}

const first = await session()
const config = await discover('portico', client.None())
const second = await client.refreshTokenGrant(config, first.refreshToken)
assert.notEqual(second.refresh_token, first.refreshToken)
await client.tokenRevocation(config, second.refresh_token)
await assert.rejects(client.refreshTokenGrant(config, second.refresh_token), { error: 'invalid_grant' })
say('openid-client: refresh, and the end of its session')

const wrong = await discover(secret.id, client.ClientSecretBasic('ptc_wrong'))
await assert.rejects(client.clientCredentialsGrant(wrong), (error) => {
  const challenge = error.cause?.[0] ?? error.cause
  return error.error === 'invalid_client' || challenge?.scheme === 'basic'
})
say('openid-client: a wrong secret is invalid_client')
