#!/bin/sh
# Walks through a running system as its callers do: signs in, reads, refreshes, acts as a client, and is refused where it
# must be. `helm test` runs it in a pod; it runs as well wherever sh and curl are.
#   GATEWAY=http://portico-gateway ADMIN_EMAIL=… ADMIN_PASSWORD_FILE=… journeys.sh
# PATIENCE is for how many seconds it waits for what comes a moment after a start (60).
# Leaves nothing behind: the client that it makes is deleted, and its sessions end.
set -eu
api=$GATEWAY/api/v1
patience=${PATIENCE:-60}
admin_password=$(cat "$ADMIN_PASSWORD_FILE")
status='' body='' done=0

fail() {
  printf 'FAILED: %s: %s %s\n' "$1" "$status" "$body" >&2
  exit 1
}
passed() {
  done=$((done + 1))
  printf '  passed  %s\n' "$1"
}

# Asks, with what standard input holds as the body of a POST, and puts the answer into `status` and `body`.
ask() { # method, URL, options of curl
  method=$1 url=$2
  shift 2
  answer=$(curl --silent --show-error --max-time 20 --request "$method" --write-out '\n%{http_code}' "$@" "$url") || answer='
000'
  status=$(printf '%s\n' "$answer" | tail -n 1)
  body=$(printf '%s\n' "$answer" | sed '$d')
}
send() { # path, JSON, options of curl: the body is no argument of curl, since others can see those
  path=$1 json=$2
  shift 2
  ask POST "$api$path" --header 'content-type: application/json' --data-binary @- "$@" <<EOF
$json
EOF
}
as() { # method, path, token
  ask "$1" "$api$2" --header "authorization: Bearer $3"
}
expect() { # what, statuses
  case " $2 " in *" $status "*) ;; *) fail "$1" ;; esac
}
field() { # name
  printf '%s' "$body" | sed -n "s/.*\"$1\": *\"\\([^\"]*\\)\".*/\\1/p" | head -n 1
}
quoted() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }

tries=0
until ask GET "$GATEWAY/ready" && [ "$status" = 200 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt "$patience" ] || fail 'the gateway is ready'
  sleep 1
done
passed 'the gateway is ready'

credentials="{\"email\": \"$(quoted "$ADMIN_EMAIL")\", \"password\": \"$(quoted "$admin_password")\"}"
# The first administrator comes by way of the user service, soon after the first start, and what she may do a moment later.
# Each try counts as a guess, of which an account has ten in a minute.
sign_in() {
  send /auth/login "$credentials"
  [ "$status" = 200 ] || return 1
  access=$(field accessToken) refresh=$(field refreshToken)
  [ -n "$access" ] && [ -n "$refresh" ] || fail 'a sign-in answers tokens'
  as GET '/users?pageSize=1' "$access"
  [ "$status" != 403 ]
}
tries=0
until sign_in; do
  tries=$((tries + 7))
  [ "$tries" -lt "$patience" ] || fail 'the administrator signs in'
  sleep 7
done
passed 'the administrator signs in'

as GET /users/me "$access"
expect 'a token opens the own account' 200
case $body in *"$ADMIN_EMAIL"*) ;; *) fail 'the account is the administrator'"'"'s' ;; esac
as GET '/users?pageSize=1' "$access"
expect 'an administrator lists accounts' 200
passed 'a token opens the user service'

ask GET "$api/users/me"
expect 'nobody is let in without a token' 401
as GET /users/me "${access}x"
expect 'a token that was changed is refused' 401
send /auth/login "{\"email\": \"$(quoted "$ADMIN_EMAIL")\", \"password\": \"not the password\"}"
expect 'a wrong password is refused' '401 429'
passed 'who is not known is refused'

ask GET "$GATEWAY/.well-known/jwks.json"
expect 'the keys are public' 200
case $body in *'"keys"'*) ;; *) fail 'the keys are a key set' ;; esac
ask GET "$GATEWAY/openapi.json"
expect 'the reference is public' 200
passed 'keys and reference are public'

send /oauth-clients '{"displayName": "a test of the release", "scopes": ["users:read"]}' \
  --header "authorization: Bearer $access"
expect 'a client is made' 200
client=$(field id) secret=$(field clientSecret)
[ -n "$client" ] && [ -n "$secret" ] || fail 'a client has an id and a secret'
ask POST "$GATEWAY/oauth2/token" --config - <<EOF
user = "$client:$secret"
data = "grant_type=client_credentials"
EOF
granted=$status granted_body=$body
token=$(field access_token)
as GET '/users?pageSize=1' "$token"
used=$status
as DELETE "/oauth-clients/$client" "$access"
expect 'a client is deleted' '200 204'
[ "$granted" = 200 ] || { status=$granted body=$granted_body && fail 'a client gets a token'; }
[ "$used" = 200 ] || { status=$used && fail "a client's token opens what its scope names"; }
passed 'a client acts for itself until it is deleted'

send /auth/refresh "{\"refreshToken\": \"$refresh\"}"
expect 'a session is refreshed' 200
access=$(field accessToken) refresh=$(field refreshToken)
send /auth/logout '{}' --header "authorization: Bearer $access"
expect 'a session ends' '200 204'
send /auth/refresh "{\"refreshToken\": \"$refresh\"}"
expect 'a session that ended is not refreshed' '400 401'
tries=0
until as GET /users/me "$access" && [ "$status" = 401 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt "$patience" ] || fail 'a token of a session that ended is refused'
  sleep 1
done
passed 'a session is refreshed, and ends'

echo "$done journeys passed"
