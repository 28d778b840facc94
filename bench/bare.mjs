// The bare thing beside which the create route is measured: Fastify and pg, the platform's statements one after the other.
import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import pg from 'pg';

const { searchable } = await import(resolve('dist/apps/registry/src/name-search.js'));

const fastify = createRequire(import.meta.url)('fastify')({ logger: false });
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8 });

fastify.post('/create', async (request, reply) => {
  const { division, name, address, kind, area } = request.body;
  const client = await pool.connect();
  const id = randomUUID();
  try {
    await client.query('begin');
    const {
      rows: [{ now }],
    } = await client.query(
      `select set_config('app.lo', $1, true), set_config('app.hi', $2, true), set_config('app.actor', $3, true),
              set_config('app.official', $4, true), set_config('transaction_read_only', $5, true), app_now() as now`,
      ['371425101', '371425101:', 'bench', '', 'off'],
    );
    await client.query(`select 1 as one from division where division = $1 and level = 'village'`, [
      division,
    ]);
    await client.query(
      `with township as materialized (select pg_advisory_xact_lock_shared(7036, $2::int))
       select pg_advisory_xact_lock(key) from township,
         (select distinct hashtextextended(part, 7035) as key from unnest($1::text[]) as part order by 1) as keys`,
      [[`n ${division} ${name}`], Number(division.slice(0, 9))],
    );
    await client.query(
      `select e.id from unnest($1::text[], $2::text[]) as s(division, name)
         join establishment e on e.division = s.division and e.name = s.name and e.status <> 'closed'`,
      [[division], [name]],
    );
    await client.query(
      `select code, version, body from policy where code = $1 and starts_with($2, division) order by length(division) desc, version desc limit 1`,
      ['tier-rule', division],
    );
    const decision = {
      tier: 'C',
      rule: 'tier-rule',
      ruleVersion: 1,
      because: 'catering, otherwise → C',
      warning: null,
    };
    await client.query(
      `insert into establishment (id, division, version, name, uscc, address, kind, area, diners, large, licence, latitude, longitude, status, tier, tier_decision, created_at, changed_at)
       values ($1, $2, 1, $3, null, $4, $5, $6, null, false, null, null, null, 'open', 'C', $7, $8, $8)`,
      [id, division, name, address, kind, area, JSON.stringify(decision), now],
    );
    await client.query(
      `insert into change (division, actor, changed_at, why, noun, subject_id, version) values ($1, 'bench', $2, null, 'establishment', $3, 1)`,
      [division, now, id],
    );
    const { text, grams } = searchable(name, division);
    await client.query(
      `insert into establishment_search (establishment_id, division, name, text, grams) values ($1, $2, $3, $4, $5)`,
      [id, division, name, text, grams],
    );
    const event = {
      specversion: '1.0',
      id: randomUUID(),
      type: 'registry.establishment.registered.v1',
      source: '/services/registry',
      subject: id,
      time: now.toISOString(),
      datacontenttype: 'application/json',
      division,
      sequence: 1,
      actor: 'bench',
      correlationid: 'bench',
      data: { establishmentId: id, division, name, kind, tier: 'C', status: 'open', address },
    };
    await client.query(
      `with written as (
         insert into journal (event_id, type, division, aggregate_id, sequence, actor, event)
         select (e->>'id')::uuid, e->>'type', e->>'division', (e->>'subject')::uuid, (e->>'sequence')::int, e->>'actor', e
         from jsonb_array_elements($1::jsonb) with ordinality as t(e, n) order by n
         returning id, recorded_at)
       insert into outbox (journal_id, recorded_at) select id, recorded_at from written`,
      [JSON.stringify([event])],
    );
    await client.query('commit');
    return reply.status(201).send({
      id,
      division,
      version: 1,
      name,
      address,
      kind,
      area,
      tier: 'C',
      tierDecision: decision,
      createdAt: now,
      changedAt: now,
    });
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
});
await fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
process.once(
  'SIGTERM',
  () =>
    void fastify
      .close()
      .then(() => pool.end())
      .then(() => process.exit(0)),
);
