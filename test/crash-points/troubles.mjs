// Points that are reached only after something else went wrong, or by another step: what it is that goes wrong, how it is
// brought about, and what mends it. No switch in the product: a database gets a trigger, as a constraint that somebody
// added would be, the broker loses a durable or refuses what it is sent.
//   service       who ends
//   points        the first words of their names
//   prepare       done before, while nobody ends
//   make          what makes the process come to the point; @returns the aggregates that it touched
//   whileDown     `make` is done while the service is not running, and the point lies at its start
//   until         what has to be so before it is mended: else the process only has to be running again
//   mend          takes the cause away; `mendFirst`: before the process starts again, which it could not
//   wrong         what else is wrong with the end, in words
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { fact, subjectFor } from '../poison.mjs';

const [registry, assignment] = ['registry', 'assignment'];
const stream = 'EVT_REGISTRY';
const durable = 'assignment-registry';

/** Each of these tables has a trigger that does what a trouble says; `commit` is one at the end of its transaction. */
export const hooks = {
  registry: ['establishment', 'seal', 'establishment commit'],
  assignment: ['premises', 'waiting_fact', 'premises commit'],
};
/** Run by a superuser in a service's database. */
export const plant = (service) =>
  `create sequence turn;${hooks[service].map((hook) => {
    const [table, commit] = hook.split(' ');
    const name = hook.replace(' ', '_');
    const when = commit
      ? `create constraint trigger meets_commit after insert or update on ${table} deferrable initially deferred`
      : `create trigger meets before insert or update on ${table}`;
    return `${met(name, '')} ${when} for each row execute function meets_${name}();`;
  }).join('\n')}`; // prettier-ignore
const met = (hook, does) =>
  `create or replace function meets_${hook.replace(' ', '_')}() returns trigger language plpgsql security definer as $$ begin ${does} return new; end $$;`;

/** From now on each row written there meets this; nothing: as before. */
const meets = ({ fleet }, service, hook, does = '') =>
  fleet.rows(service, `select setval('turn', 1, false); ${met(hook, does)}`);
/** Twice, and then no more: a sequence forgets no turn of a transaction that failed. */
const twice = (does) => `if nextval('turn') <= 2 then ${does} end if;`;
const raise = `raise exception 'no room';`;
const cut = `perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1);`;
/** Every other step of an establishment: those between overtake it. */
const oddSteps = (does) => `if new.sequence % 2 = 1 then ${does} end if;`;
const well = (service, hook) => (world) => meets(world, service, hook);

const count = async ({ fleet }, what) => (await fleet.rows(assignment, `select count(*)::int as n from ${what}`))[0].n; // prettier-ignore
const setAside = 'dead_letter where replayed_at is null';
/** Facts of these establishments that fail at `oddSteps`. */
const failing = async ({ fleet }, ids) => (await fleet.rows(registry, 'select count(*)::int as n from journal where aggregate_id = any($1) and sequence % 2 = 1', [ids]))[0].n; // prettier-ignore
const allWait = async (world, ids) => { const all = await failing(world, ids); await world.until('they wait', async () => (await count(world, 'waiting_fact')) === all); }; // prettier-ignore
const allSetAside = async (world, ids) => { const all = await failing(world, ids); await world.until('they are set aside', async () => (await count(world, setAside)) === all); }; // prettier-ignore
/** As if they had failed so often: nobody waits for half an hour. */
const failedOften = ({ fleet }, tries) => fleet.rows(assignment, `update waiting_fact set tries = ${tries}, next_at = now(), taken_until = null`); // prettier-ignore

/** A message changed where it is kept: what an older release cannot read, and what a newer one can. */
const changeMessages = ({ fleet }, table, from, to) =>
  fleet.rows(assignment, `update ${table} set message = jsonb_set(message, '{text}', to_jsonb(replace(message->>'text', $1, $2)))`, [from, to]); // prettier-ignore
const sound = '"tier":"';
const unknown = '"tier":"Z';

async function throwing(world) {
  await meets(world, assignment, 'premises', oddSteps(raise));
  return world.client.writes();
}

/** Sent, acknowledged and dropped: assignment has no place in the stream just then. */
async function lost(world, write) {
  const { fleet, manager } = world;
  const { config } = await manager.consumers.info(stream, durable);
  await manager.consumers.delete(stream, durable);
  const ids = await write();
  await world.until('they are sent', async () => (await fleet.rows(registry, 'select 1 from outbox limit 1')).length === 0); // prettier-ignore
  await manager.consumers.add(stream, config);
  // Old enough to be no more on their way.
  await fleet.rows(
    registry,
    `update seal set sealed_at = sealed_at - interval '3 s' where sealed_at > now() - interval '10 s'`,
  );
  return ids;
}
/** @param takes whether the broker takes what the registry sends */
async function broker({ manager }, takes) {
  const { config } = await manager.streams.info(stream);
  await manager.streams.update(stream, { ...config, max_msg_size: takes ? -1 : 1 });
}
const publish = async (world, owner, facts) => {
  for (const one of facts) await world.publish(owner, subjectFor(one), one);
  world.client.strangers.push(...facts);
  return [];
};
/** Assignment follows a chain of seals that begins anew. */
const behindSeals = async ({ fleet }) => {
  const headOf = (service, from) => fleet.rows(service, `select encode(hash, 'hex') as hash from ${from}`); // prettier-ignore
  const [[head], [seen]] = [await headOf(registry, 'seal order by number desc limit 1'), await headOf(assignment, `watermark where owner = 'registry'`)]; // prettier-ignore
  return head?.hash === seen?.hash ? [] : ['assignment has not compared all seals'];
};

export const troubles = [
  {
    name: 'a handler throws until it is mended',
    service: assignment,
    points: [
      'consumer.js Consumers.settle: await this.retries.wait', 'retries.js Retries.wait: ', 'patience.js Patience.surely: await this.step',
      'retries.js Retries.run: finally', 'retries.js Retries.again: await this.patience.step', 'retries.js Retries.again: await tx.query', 'retries.js Retries.again: await this.patience.surely',
      'retries.js Retries.again: await this.bury(subject, text, id, `${message} ', 'retries.js Retries.bury', 'applier.js Applier.bury',
    ],
    async make(world) {
      const ids = await throwing(world);
      await allWait(world, ids);
      await failedOften(world, 6);
      return ids;
    },
    until: allSetAside,
    mend: well(assignment, 'premises'),
  },
  {
    name: 'a handler throws, and whoever tried last has died',
    service: assignment,
    points: ['retries.js Retries.again: await this.bury(subject, text, id, `${cause} '],
    async make(world) {
      const ids = await throwing(world);
      await allWait(world, ids);
      await failedOften(world, 8);
      return ids;
    },
    until: allSetAside,
    mend: well(assignment, 'premises'),
  },
  {
    name: 'a fact waits that an older release cannot read',
    service: assignment,
    points: ['retries.js Retries.again: await this.bury(subject, text, id, message)'],
    async make(world) {
      const ids = await throwing(world);
      await allWait(world, ids);
      await changeMessages(world, 'waiting_fact', sound, unknown);
      return ids;
    },
    until: allSetAside,
    async mend(world) {
      await meets(world, assignment, 'premises');
      await changeMessages(world, 'dead_letter', unknown, sound);
    },
  },
  {
    name: 'a fact comes that this release cannot read',
    service: assignment,
    points: ['consumer.js Consumers.settle: await this.retries.bury'],
    make: (world) => publish(world, registry, [1, 2, 3].map((n) => fact(`新档${n}`, {}, { tier: 'Z' }))),
    until: (world) => world.until('they are set aside', async () => (await count(world, setAside)) === 3),
    mend: (world) => changeMessages(world, 'dead_letter', '"tier":"Z"', '"tier":"D"'),
  },
  {
    name: 'dead letters are applied after the fix',
    service: assignment,
    points: ['applier.js Applier.replay', 'database.js Database.once'],
    async prepare(world) {
      const ids = await throwing(world);
      await allWait(world, ids);
      await failedOften(world, 7);
      await allSetAside(world, ids);
      await meets(world, assignment, 'premises');
      world.set = ids;
    },
    async make(world) {
      await world.client.replay();
      return world.set;
    },
    mend: well(assignment, 'premises'),
  },
  {
    name: 'a handler hangs until it is mended',
    service: assignment,
    points: ['database.js Database.within: await runner.releasePostgresConnection'],
    async make(world) {
      await meets(world, assignment, 'premises', oddSteps('perform pg_sleep(86400);'));
      return world.client.writes();
    },
    mend: well(assignment, 'premises'),
  },
  {
    name: 'another transaction is in the way',
    service: assignment,
    points: ['patience.js Patience.step: await this.pause'],
    async make(world) {
      await meets(world, assignment, 'premises', twice(`raise exception 'in the way' using errcode = '40001';`));
      return world.client.writes();
    },
    mend: well(assignment, 'premises'),
  },
  {
    name: 'a connection is cut while a handler works',
    service: assignment,
    points: [
      'database.js Database.within: catch', 'database.js Database.ping', 'patience.js Patience.step: await this.back', 'patience.js Patience.back',
      'patience.js Patience.watch: await', 'patience.js Patience.watch: then ()=>true',
    ],
    async make(world) {
      await meets(world, assignment, 'premises', twice(cut));
      return world.client.writes();
    },
    mend: well(assignment, 'premises'),
  },
  {
    name: 'a connection is cut at the commit of what was applied',
    service: assignment,
    points: ['database.js Database.commit: catch'],
    async make(world) {
      await meets(world, assignment, 'premises commit', twice(cut));
      return world.client.writes();
    },
    mend: well(assignment, 'premises commit'),
  },
  {
    name: 'a handler throws, and for a while nothing can wait',
    service: assignment,
    points: ['patience.js Patience.surely: await this.back'],
    async make(world) {
      await meets(world, assignment, 'waiting_fact', twice(raise));
      return throwing(world);
    },
    async mend(world) {
      await meets(world, assignment, 'premises');
      await meets(world, assignment, 'waiting_fact');
    },
  },
  {
    name: 'the database takes nobody',
    service: assignment,
    points: ['patience.js Patience.watch: then ()=>false'],
    async make(world) {
      const name = world.fleet.databases.get(assignment);
      await world.fleet.rows(assignment, `alter database ${name} connection limit 0`);
      await world.fleet.rows(assignment, `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename like 'assignment%'`, [name]);
      return world.client.writes();
    },
    mendFirst: true,
    mend: ({ fleet }) => fleet.rows(assignment, `alter database ${fleet.databases.get(assignment)} connection limit -1`),
  },
  {
    name: 'an official is qualified',
    service: assignment,
    points: ['assignment.events.js AssignmentEvents.qualify'],
    async make(world) {
      world.official = uuidv7();
      await world.fleet.rows(assignment, `insert into official (id, division, version, level, name, post, created_at, changed_at) values ($1, '371425101', 1, 'township', $2, '书记', now(), now())`, [world.official, world.official]);
      return publish(world, 'training', ['03', '01', '02'].map((day) => {
        const certificateId = randomUUID();
        const data = { certificateId, division: '371425101', officialId: world.official, requirement: 'induction', issuedAt: `2026-11-${day}T00:00:00.000Z` };
        return { ...fact(''), type: 'training.certificate.issued.v1', source: '/services/training', subject: certificateId, division: '371425101', data };
      }));
    },
    async wrong({ fleet, official }) {
      const [row] = await fleet.rows(assignment, 'select qualified_at as at from official where id = $1', [official]);
      return row?.at?.toISOString() === '2026-11-01T00:00:00.000Z' ? [] : [`the official is qualified since ${row?.at?.toISOString()}`];
    },
  },
  {
    name: 'the broker lost what it had acknowledged, the listener ends',
    service: assignment,
    points: [
      'consumer.js Consumers.supervise: await Promise.race([ this.stopping',
      'reconciler.js Reconciler.look: await this.placeIn', 'reconciler.js Reconciler.look: await this.recheck', 'reconciler.js Reconciler.recheck',
    ],
    make: (world) => lost(world, () => world.client.writes()),
  },
  {
    name: 'the seals of the owner begin anew, the listener ends',
    service: assignment,
    points: ['reconciler.js Reconciler.compare: await this.tellBroken', 'reconciler.js Reconciler.tellBroken'],
    async make(world) {
      const ids = await world.client.writes();
      await world.end(registry);
      await world.fleet.rows(registry, 'truncate seal');
      await world.start(registry);
      return ids;
    },
    wrong: behindSeals,
  },
  {
    name: 'a statement sent along fails',
    service: registry,
    points: ['database.js Tx.send: catch'],
    async make(world) {
      await meets(world, registry, 'establishment', twice(raise));
      return world.client.writes();
    },
    mend: well(registry, 'establishment'),
  },
  {
    name: 'a connection is cut at the commit of a step',
    service: registry,
    points: ['database.js Database.commit: catch', 'database.js Database.within: catch'],
    async make(world) {
      await meets(world, registry, 'establishment commit', twice(cut));
      return world.client.writes();
    },
    mend: well(registry, 'establishment commit'),
  },
  {
    name: 'the connection of the relay is cut while it seals',
    service: registry,
    points: ['relay.js Relay.run: await this.pause(1000)'],
    async make(world) {
      await meets(world, registry, 'seal', twice(cut));
      return world.client.writes();
    },
    mend: well(registry, 'seal'),
  },
  {
    name: 'the broker takes nothing',
    service: registry,
    points: ['relay.js Relay.send: then (error)'],
    async make(world) {
      await broker(world, false);
      return world.client.writes();
    },
    mend: (world) => broker(world, true),
  },
  {
    name: 'a sheet is taken back: many facts at once',
    service: registry,
    points: ['database.js Tx.flush', 'relay.js Relay.send: await Promise.race(flying)'],
    async prepare(world) {
      world.set = await world.client.sheet();
    },
    async make(world) {
      await world.client.undo(world.set);
      return world.set.ids;
    },
  },
  {
    name: 'the broker lost what it had acknowledged, the owner ends',
    service: registry,
    points: [
      'watermarks.js Watermarks.answer: await this.sendAgain', 'watermarks.js Watermarks.sendAgain: await this.rows', 'watermarks.js Watermarks.sendAgain: finally',
      'watermarks.js Watermarks.sendAgain: then ()', 'watermarks.js Watermarks.sendAgain: await Promise.all',
    ],
    make: (world) => lost(world, () => world.client.writes()),
  },
  {
    name: 'the broker lost many facts at once',
    service: registry,
    points: ['watermarks.js Watermarks.sendAgain: await Promise.race(flying)'],
    make: (world) => lost(world, async () => (await world.client.sheet()).ids),
  },
  {
    name: 'the broker lost what it had acknowledged, and takes nothing',
    service: registry,
    points: ['watermarks.js Watermarks.sendAgain: then (error)', 'watermarks.js Watermarks.begin: then (error)'],
    async make(world) {
      const ids = await lost(world, () => world.client.writes());
      await broker(world, false);
      return ids;
    },
    mend: (world) => broker(world, true),
  },
  {
    name: 'a journal has no seals, as from before there were any',
    service: registry,
    points: ['seal.js Seals.history: await this.append'],
    whileDown: true,
    async prepare(world) {
      world.set = await world.client.writes();
    },
    async make(world) {
      await world.fleet.rows(registry, 'truncate seal');
      return world.set;
    },
    wrong: behindSeals,
  },
]; // prettier-ignore

/** The trouble that brings a service to this point; undefined where it comes by itself. */
export const troubleOf = (service, name) =>
  troubles.find(
    (one) => one.service === service && one.points.some((words) => name.startsWith(words)),
  );
