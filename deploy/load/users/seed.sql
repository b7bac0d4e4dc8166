-- Adds :count accounts, in steps of 50,000 with a commit each.
--
-- Straight into the table, and not through an import: this is for reads of a large table, and it fills one in
-- minutes whatever the services do. No event is written, so other services do not hear of these accounts.
SELECT format(
  $insert$
  INSERT INTO users (id, email, email_key, email_verified, display_name, given_name, family_name, locale, time_zone,
                     status, roles, administrator, revision, create_time, update_time)
  SELECT
    -- A UUIDv7 of the time of creation.
    (lpad(to_hex(1704067200000 + 60000 * n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
      || '8' || substr(md5(n::text), 4, 15))::uuid,
    'person' || n || '@seed.test', 'person' || n || '@seed.test', n %% 3 = 0,
    given || ' ' || family || ' ' || n, given, family, 'en', 'Europe/Vienna',
    CASE WHEN n %% 50 = 0 THEN 2 ELSE 1 END, 'user', false, 1,
    to_timestamp(1704067200 + 60 * n), to_timestamp(1704067200 + 60 * n)
  FROM generate_series(%s::bigint, %s::bigint) AS n,
    LATERAL (SELECT (ARRAY['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara'])[1 + n %% 5] AS given,
                    (ARRAY['Lovelace', 'Hopper', 'Turing', 'Dijkstra', 'Liskov', 'Knuth', 'Lamport'])[1 + n %% 7] AS family) names
  $insert$, first, LEAST(first + 49999, :count))
FROM generate_series(1, :count, 50000) AS first \gexec
VACUUM ANALYZE users;
