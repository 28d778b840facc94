import { arrayOf, type Tx } from '#database';
import { type Bilingual } from '#platform';
import { Establishment } from './establishment.entity.js';

/** What says which establishment somebody means. */
export interface Identity {
  /** Of one that is there: nobody is his own double. */
  id?: string;
  division: string;
  name: string;
  uscc: string | null;
  licence: string | null;
  address: string;
}

/**
 * Those already in the registry that one of these may be, locked where they are going to be changed. A closed
 * establishment is over: whoever means it means a new one.
 * @param rehearsed of a dry run: those stand as it left them, not as they stand in the registry
 */
export async function knownOf(tx: Tx, said: Identity[], lock: boolean, rehearsed?: Known): Promise<Known> {
  const known = new Known(rehearsed);
  if (said.length === 0) return known;
  const distinct = (field: 'uscc' | 'licence'): string[] => [
    ...new Set(said.map((one) => one[field]).filter((value) => value !== null)),
  ];
  const [usccs, licences] = [distinct('uscc'), distinct('licence')];
  const parameters = [said.map(({ division }) => division), said.map(({ name }) => name)];
  const among = (field: string, values: string[]): string[] =>
    values.length === 0
      ? []
      : [
          `select id from establishment where status <> 'closed' and ${field} = any($${parameters.push(values)}::text[])`,
        ];
  // One index each; most batches of a new ledger find nothing, and no row is built. Planned anew each time: the plan of a
  // table that is nearly empty reads a village or all of it for each row, and, once prepared, does so until the table is analysed.
  const ids = await tx.query<{ id: string }>(
    [
      `select e.id from unnest($1::text[], $2::text[]) as s(division, name)
         join establishment e on e.division = s.division and e.name = s.name and e.status <> 'closed'`,
      ...among('uscc', usccs),
      ...among('licence', licences),
    ].join(' union all '),
    parameters.map(arrayOf),
  );
  if (ids.length === 0) return known;
  const wanted = tx.manager
    .createQueryBuilder(Establishment, 'e')
    .where(`e.id = any(:ids) and e.status <> 'closed'`, { ids: ids.map(({ id }) => id) })
    .orderBy('e.id');
  if (lock) wanted.setLock('pessimistic_write');
  for (const one of await wanted.getMany()) if (!rehearsed?.get(one.id)) known.add(one);
  return known;
} // prettier-ignore

/** The closed ones of the caller's ground, the newest 20,000; but for those that the undo of an import closed, whose rows come again. */
export async function closedOf(tx: Tx): Promise<Known> {
  const known = new Known();
  const closed = tx.manager
    .createQueryBuilder(Establishment, 'e')
    .where(
      `e.status = 'closed' and not exists (
         select from ledger_import_effect f join ledger_import i on i.id = f.import_id
         where f.establishment_id = e.id and f.before is null and i.state = 'undone')`,
    )
    .orderBy('e.changedAt', 'DESC')
    .limit(20_000);
  for (const one of await closed.getMany()) known.add(one);
  return known;
}

/**
 * Of two who say the same of one establishment, the second waits for the first; whoever says something else does not. Both
 * wait for a batch of an import that writes into the township, and a batch for them.
 */
export async function takeIdentity(tx: Tx, said: Identity): Promise<void> {
  await tx.ask(
    'take identity',
    `with township as materialized (select pg_advisory_xact_lock_shared(7036, $2::int))
     select pg_advisory_xact_lock(key) from township,
       (select distinct hashtextextended(part, 7035) as key from unnest($1::text[]) as part order by 1) as keys`,
    [arrayOf(partsOf(said)), townshipOf(said)],
  );
}

/** A batch of an import has the townships that it writes into to itself: what a form registers meanwhile, it would not see. */
export async function takeTownships(tx: Tx, said: Identity[]): Promise<void> {
  await tx.query(
    `select pg_advisory_xact_lock(7036, code) from (select distinct unnest($1::int[]) as code order by 1) as townships`,
    [said.map(townshipOf)],
  );
}

const townshipOf = ({ division }: Identity): number => Number(division.slice(0, 9));

type Standing = Identity & Pick<Establishment, 'status'>;

/** Whether it may be taken for another now. */
export const newlyMeant = (before: Standing, after: Standing): boolean =>
  after.status !== 'closed' &&
  (before.status === 'closed' ||
    (['division', 'name', 'uscc', 'licence', 'address'] as const).some(
      (field) => before[field] !== after[field],
    ));

/** What two share by the rule that decides that they are one, as the field of it that should differ if they are not. */
export type Shared = 'licence' | 'address' | 'name';

/** Establishments by what two rows must share to be one; beside those of `others`. */
export class Known {
  private readonly byId = new Map<string, Establishment>();
  private readonly byKey = new Map<string, Set<Establishment>>();

  constructor(private readonly others?: Known) {}

  get(id: string): Establishment | undefined {
    return this.byId.get(id);
  }

  add(one: Establishment): void {
    this.byId.set(one.id, one);
    for (const key of partsOf(one)) {
      const there = this.byKey.get(key) ?? new Set();
      this.byKey.set(key, there.add(one));
    }
  }

  /** Another with the same credit code, whatever its address. */
  withCodeOf(said: Identity): Establishment | undefined {
    return this.at(keysOf(said)[1], said)[0];
  }

  /** Of the same village, name and address, where one has a credit code and the other none: to a person they are one. */
  butForCode(said: Identity): Establishment | undefined {
    const address = addressKey(said.address);
    return this.at(keysOf(said)[2], said).find(
      (one) => (one.uscc === null) !== (said.uscc === null) && addressKey(one.address) === address,
    );
  }

  /** Those of this key, but for `self`. */
  private at(key: string, self: Identity): Establishment[] {
    const there = new Set([...(this.byKey.get(key) ?? []), ...(this.others?.byKey.get(key) ?? [])]);
    return [...there].filter(({ id }) => id !== self.id);
  }

  /** By the first rule of api.md that decides; 'place' is village and address: the licence stays when premises move. */
  candidatesFor(said: Identity): { candidates: Establishment[]; shared: Shared } {
    const none = { candidates: [], shared: 'name' as const };
    const [byLicence, byUscc, byName] = keysOf(said);
    const [licence, uscc, name] = [this.at(byLicence, said), this.at(byUscc, said), this.at(byName, said)];
    if (licence.length + uscc.length + name.length === 0) return none;
    const address = addressKey(said.address);
    const here = (one: Establishment): boolean => addressKey(one.address) === address;
    const deciding: [Shared, Establishment[]][] = [
      ['licence', licence.filter((one) => one.licence === said.licence && one.division === said.division && here(one))],
      ['address', uscc.filter((one) => one.uscc === said.uscc && here(one))],
      ['name', uscc.filter((one) => one.name === said.name && one.uscc === said.uscc && one.division === said.division)],
      ['name', said.uscc ? [] : name.filter((one) => !one.uscc && one.name === said.name && one.division === said.division && here(one))],
    ];
    const decided = deciding.find(([, candidates]) => candidates.length > 0);
    return decided ? { candidates: decided[1], shared: decided[0] } : none;
  } // prettier-ignore
}

/** A name without what one writes and another leaves out: spaces, brackets, width and case. */
const bareName = (name: string): string =>
  name
    .normalize('NFKC')
    .replace(/[\s\p{Ps}\p{Pe}]/gu, '')
    .toUpperCase();

/** Whether two are called much alike in one village. */
export const calledAlike = (one: Named, other: Named): boolean =>
  one.division === other.division && bareName(one.name) === bareName(other.name);
type Named = Pick<Identity, 'division' | 'name'>;

/**
 * Those that are called much alike in one village, over a whole import: a village is read when the first new one of it
 * comes, and of a name no more is kept than a number and the id. What others rename meanwhile is not seen.
 */
export class NearNames {
  private readonly villages = new Set<string>();
  private readonly ids = new Map<number, string>();
  /** Of the newest batch, which may be taken once more after another transaction was in its way. */
  private newest = { batch: {}, ids: new Map<number, string>() };

  /** @returns for these new ones, in their order, the id of an earlier one that may be called alike: to be compared */
  async before(tx: Tx, made: Establishment[], batch: object): Promise<Map<Establishment, string>> {
    if (batch !== this.newest.batch) for (const [key, id] of this.newest.ids) this.ids.set(key, id);
    this.newest = { batch, ids: new Map() };
    const unread = [...new Set(made.map(({ division }) => division))].filter((one) => !this.villages.has(one));
    const found = unread.length === 0 ? [] : await tx.query<Named & { id: string }>(
      `select id, division, name from establishment where division = any($1) and status <> 'closed' order by id desc`,
      [unread],
    );
    for (const one of found) this.ids.set(keyOf(one), one.id);
    for (const village of unread) this.villages.add(village);
    return new Map(made.flatMap((one) => {
      const key = keyOf(one);
      const earlier = this.ids.get(key) ?? this.newest.ids.get(key);
      if (earlier !== undefined) return [[one, earlier]];
      this.newest.ids.set(key, one.id);
      return [];
    }));
  } // prettier-ignore
}

/** Hardly two names have the same; a small integer takes no room of its own. */
function keyOf({ division, name }: Named): number {
  let key = 0;
  for (const character of `${division}${bareName(name)}`)
    key = (Math.imul(key, 31) + (character.codePointAt(0) ?? 0)) & 0x3fffffff;
  return key;
}

/** What to do where they are two after all. */
export const remedyOfShared: Record<Shared, Bilingual> = {
  licence:
    '请用 PATCH /establishments/{id} 变更已登记的主体;确为另一家的,填写其自己的许可证编号或经营场所 · change the one that is there by PATCH /establishments/{id}; if it truly is another, give it its own licence number or address',
  address:
    '请用 PATCH /establishments/{id} 变更已登记的主体;确为同一经营者的另一处场所,填写其自己的经营场所 · change the one that is there by PATCH /establishments/{id}; if it truly is another premises of the operator, give it its own address',
  name: '请用 PATCH /establishments/{id} 变更已登记的主体;确为另一家的,名称须有区别(如加上分店名) · change the one that is there by PATCH /establishments/{id}; if it truly is another, give it a name that differs, that of the branch for instance',
};

function keysOf(
  one: Pick<Identity, 'licence' | 'uscc' | 'name' | 'division'>,
): [licence: string, uscc: string, name: string] {
  return [`l ${one.licence ?? ''}`, `u ${one.uscc ?? ''}`, `n ${one.division} ${one.name}`];
}

/** The keys that say something. */
const partsOf = (one: Identity): string[] =>
  keysOf(one).filter((_, at) => [one.licence, one.uscc, one.name][at]);

const addressKey = (address: string): string =>
  address.normalize('NFKC').replace(/\s/g, '').toUpperCase();
