// oauth4webapi: the same, with each answer checked as strictly as the library can.

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { issuer, keyClient, say, secretClient, session } from './system.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
const server = await oauth.processDiscoveryResponse(issuer, found)

const secret = await secretClient()
const key = await keyClient()
const ways = {
  client_secret_basic: [secret.id, oauth.ClientSecretBasic(secret.secret)],
  client_secret_post: [secret.id, oauth.ClientSecretPost(secret.secret)],
  private_key_jwt: [key.id, oauth.PrivateKeyJwt(key.key)],
}
for (const [way, [id, authentication]] of Object.entries(ways)) {
  const client = { client_id: id }
  const answer = await oauth.clientCredentialsGrantRequest(
    server, client, authentication, { scope: 'users:read' }, insecure)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  const granted = await oauth.processClientCredentialsResponse(server, client, answer)
  assert.equal(granted.expires_in > 0, true)

  const introspect = async () => {
    const answer = await oauth.introspectionRequest(
      server, client, authentication, granted.access_token, insecure)
    return oauth.processIntrospectionResponse(server, client, answer)
  }
  assert.equal((await introspect()).active, true)
  const revoked = await oauth.revocationRequest(
    server, client, authentication, granted.access_token, insecure)
  await oauth.processRevocationResponse(revoked)
  assert.equal((await introspect()).active, false)
  say(`oauth4webapi: ${way}`)
}

const { id, secret: password } = secret
const resource = await oauth.clientCredentialsGrantRequest(
  server, { client_id: id }, oauth.ClientSecretBasic(password),
  { resource: 'https://api.example/' }, insecure)
const forResource = await oauth.processClientCredentialsResponse(server, { client_id: id }, resource)
const claims = JSON.parse(atob(forResource.access_token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')))
assert.equal(claims.aud, 'https://api.example/')
say('oauth4webapi: a resource indicator')

const first = await session()
const client = { client_id: 'portico' }
const refresh = async (token) => {
  const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, insecure)
  return oauth.processRefreshTokenResponse(server, client, answer)
}
const second = await refresh(first.refreshToken)
const ended = await oauth.revocationRequest(server, client, oauth.None(), second.refresh_token, insecure)
await oauth.processRevocationResponse(ended)
await assert.rejects(refresh(second.refresh_token), { error: 'invalid_grant' })
say('oauth4webapi: refresh, and the end of its session')
