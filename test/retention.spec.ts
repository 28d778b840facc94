import { prune } from '#database';
import { County } from '#testing';
import pg from 'pg';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';

/* What grows is kept for ever, unless the installation says how long; and no service can take any of it away. */

let county: County;
const count = async (service: 'assignment' | 'notification', table: string): Promise<number> =>
  (await county.rows<{ n: number }>(service, `select count(*)::int as n from ${table}`))[0]!.n;
const month = (ago: number): string => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - ago, 15)).toISOString();
};

beforeAll(async () => {
  county = await County.start([assignment, notification]);
  for (const ago of [40, 20, 5]) {
    await county.rows('assignment', `insert into change (division, actor, changed_at, noun, subject_id, version) values ('371425101', 'x', $1, 'official', gen_random_uuid(), 1)`, [month(ago)]); // prettier-ignore
    await county.rows('assignment', `insert into personal_read (division, actor, role, read_at, noun, subject_ids, fields, purpose) values ('371425101', 'x', 'office', $1, 'official', '{}', '{phone}', 'x')`, [month(ago)]); // prettier-ignore
    const [from, to] = [month(ago).slice(0, 7), month(ago - 1).slice(0, 7)];
    await county.rows('assignment', `create table inbox_${from.replace('-', '_')} partition of inbox for values from ('${from}-01') to ('${to}-01')`); // prettier-ignore
    await county.rows('assignment', `insert into inbox (consumer, event_id, event_at) values ('assignment', gen_random_uuid(), $1)`, [month(ago)]); // prettier-ignore
  }
  for (const [ago, state, next] of [[20, 'delivered', null], [20, 'failed', '2100-01-01T00:00:00Z'], [5, 'dead', null]] as const)
    await county.rows(
      'notification',
      `with made as (
         insert into subscription (id, division, version, channel, state, account, role, address, language, key_hash, created_at)
         values (gen_random_uuid(), '371425', 1, 'email', 'active', 'x', 'county-admin', 'x@county.example', 'zh-CN', 'x', now()) returning id)
       insert into delivery (id, division, version, subscription_id, channel, kind, state, body, queued_at, next_at, created_at)
       select gen_random_uuid(), '371425', 1, id, 'email', 'confirmation', $1, 'x', $2, $3, $2 from made`,
      [state, month(ago), next],
    ); // prettier-ignore
}, 60_000);
afterAll(() => county.stop());

it('keeps everything where nothing is said', async () => {
  expect(await prune(county.url('assignment', 'owner'), {})).toEqual([
    'change kept for ever (CHANGE_LOG_KEEP_MONTHS is not set)',
    'personal_read kept for ever (CHANGE_LOG_KEEP_MONTHS is not set)',
    'inbox kept for ever (INBOX_KEEP_MONTHS is not set)',
  ]);
  expect([await count('assignment', 'change'), await count('assignment', 'personal_read'), await count('assignment', 'inbox')]).toEqual([3, 3, 3]); // prettier-ignore
});

it('deletes what is older than is said, of the log and the inbox, and says how much', async () => {
  const env = { CHANGE_LOG_KEEP_MONTHS: '36', INBOX_KEEP_MONTHS: '12' };
  const told = await prune(county.url('assignment', 'owner'), env);
  expect(told).toEqual([expect.stringMatching(/^change older than .*: 1 rows deleted$/), expect.stringMatching(/^personal_read .*: 1 rows deleted$/), 'inbox: 2 months dropped']); // prettier-ignore
  expect([await count('assignment', 'change'), await count('assignment', 'personal_read'), await count('assignment', 'inbox')]).toEqual([2, 2, 1]); // prettier-ignore
  expect((await prune(county.url('assignment', 'owner'), env)).at(-1)).toBe('inbox: 0 months dropped'); // prettier-ignore
});

it('deletes deliveries that are settled, and none that is still to be sent', async () => {
  await prune(county.url('notification', 'owner'), { DELIVERY_KEEP_MONTHS: '12' });
  expect(await county.rows('notification', 'select state from delivery order by state')).toEqual([{ state: 'dead' }, { state: 'failed' }]); // prettier-ignore
});

it('refuses what is no number of months, and an inbox shorter than three', async () => {
  for (const [setting, value] of [['CHANGE_LOG_KEEP_MONTHS', '0'], ['CHANGE_LOG_KEEP_MONTHS', '1.5'], ['CHANGE_LOG_KEEP_MONTHS', 'x'], ['INBOX_KEEP_MONTHS', '2']] as const) // prettier-ignore
    await expect(prune(county.url('assignment', 'owner'), { [setting]: value })).rejects.toThrow(setting); // prettier-ignore
});

it('is a deploy step’s alone: the service may delete nothing of it', async () => {
  const app = new pg.Client({ connectionString: county.url('assignment', 'app') });
  await app.connect();
  await app.query(`select set_config('app.lo', '0', false), set_config('app.hi', ':', false)`);
  for (const table of ['change', 'personal_read', 'inbox', 'journal'])
    await expect(app.query(`delete from ${table}`)).rejects.toThrow(/permission denied/);
  await app.end();
});
