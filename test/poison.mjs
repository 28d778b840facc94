// Facts as the registry publishes them, sound and poisoned, for proofs/storms.spec.ts and storms.mjs. The handler that throws or
// hangs is no switch in the product: the database of the listener gets a trigger that does either for certain names, as a
// constraint that somebody added or a lock that somebody holds would.
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

export const registered = 'registry.establishment.registered.v1';
export const village = '371425101201';

/** @returns a fact of its own establishment; what `more` brings stands in the envelope in place of what is sound */
export function fact(name, more = {}, data = {}) {
  const establishmentId = uuidv7();
  return {
    specversion: '1.0', id: uuidv7(), type: registered, source: '/services/registry', subject: establishmentId, division: village,
    sequence: 1, time: new Date().toISOString(), datacontenttype: 'application/json', actor: 'storm', correlationid: randomUUID(),
    data: { establishmentId, division: village, name, kind: 'small-catering', tier: 'D', status: 'open', address: '一号', ...data },
    ...more,
  };
} // prettier-ignore

export const poison = {
  throws: (n) => fact(`抛错${n}`),
  hangs: (n) => fact(`卡住${n}`),
  badSchema: (n) => fact(`坏数据${n}`, {}, { tier: 'Z' }),
  futureVersion: (n) => fact(`新版本${n}`, { type: 'registry.establishment.registered.v9' }),
};
export const subjectFor = ({ type }) => `evt.${type}.371425.101`;

/** Run by a superuser in a listener's database: copies of certain names throw, or never end. */
export const plant = `
  create function poisoned() returns trigger language plpgsql as $$
  begin
    if new.name like '抛错%' then raise exception 'no room for %', new.name; end if;
    if new.name like '卡住%' then perform pg_sleep(86400); end if;
    return new;
  end $$;
  grant execute on function poisoned() to public;
  create trigger poisoned before insert or update on premises for each row execute function poisoned();`;
/** The fix. */
export const heal = `drop trigger poisoned on premises; drop function poisoned()`;

/** Run by a superuser in the registry's database: $1 facts, written as the registry writes them, for its relay to send. */
export const backlog = `
  with made as (select uuidv7() as event, uuidv7() as id, n from generate_series(1, $1::int) as n),
  written as (
    insert into journal (event_id, type, division, aggregate_id, sequence, actor, event)
    select event, '${registered}', '${village}', id, 1, 'storm', jsonb_build_object(
      'specversion', '1.0', 'id', event, 'type', '${registered}', 'source', '/services/registry', 'subject', id, 'division', '${village}',
      'sequence', 1, 'time', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'datacontenttype', 'application/json', 'actor', 'storm',
      'correlationid', gen_random_uuid(), 'data', jsonb_build_object('establishmentId', id, 'division', '${village}', 'name', $2::text || n,
        'kind', 'small-catering', 'tier', 'D', 'status', 'open', 'address', n || '号'))
    from made order by n returning id, recorded_at)
  insert into outbox (journal_id, recorded_at) select id, recorded_at from written`;
