import {
  type DataOf,
  type EstablishmentRegistered,
  type Kind,
  kinds,
  type Tier,
  tiers,
} from '#contracts';
import { arrayOf, type Tx } from '#database';
import { type Policy } from '#platform';
import { ApiProperty } from '@nestjs/swagger';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { decideTier, type TierDecision, type TierRule } from './tier-rule.js';

/** PostgreSQL's numeric comes as text. */
const numeric = {
  to: (value: unknown) => value,
  from: (value: string | null) => (value === null ? null : Number(value)),
};

/** 食品生产经营主体: one operator at one place; what is tiered, assigned and visited. */
@Entity()
export class Establishment {
  @ApiProperty({ type: String, format: 'uuid' })
  @PrimaryColumn('uuid')
  id: string;

  @ApiProperty({
    type: String,
    description: '村级行政区划代码,12 位 · code of the village, 12 digits',
    example: '371425101201',
  })
  @Column('text')
  division: string;

  @ApiProperty({
    type: Number,
    description: '版本,也是 ETag · its version, also the ETag',
    example: 1,
  })
  @Column('integer')
  version: number;

  @ApiProperty({ type: String, example: '老王饭店' })
  @Column('text')
  name: string;

  @ApiProperty({ type: String, nullable: true, example: '91371425MA3CM4AM88' })
  @Column('text', { nullable: true })
  uscc: string | null;

  @ApiProperty({ type: String, example: '表白寺镇中心街12号' })
  @Column('text')
  address: string;

  @ApiProperty({ enum: kinds, example: 'catering' })
  @Column('text')
  kind: Kind;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: '经营面积,平方米 · area in square metres',
    example: 120,
  })
  @Column('numeric', { nullable: true, transformer: numeric })
  area: number | null;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: '每日供餐人数 · meals a day',
    example: null,
  })
  @Column('integer', { nullable: true })
  diners: number | null;

  @ApiProperty({ type: Boolean, example: false })
  @Column('boolean')
  large: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'JY13714250000017' })
  @Column('text', { nullable: true })
  licence: string | null;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: '度,WGS84 坐标 · degrees, WGS84',
    example: 36.79,
  })
  @Column('double precision', { nullable: true })
  latitude: number | null;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: '度,WGS84 坐标 · degrees, WGS84',
    example: 116.76,
  })
  @Column('double precision', { nullable: true })
  longitude: number | null;

  @ApiProperty({ enum: ['open', 'suspended', 'closed'], example: 'open' })
  @Column('text')
  status: 'open' | 'suspended' | 'closed';

  @ApiProperty({ enum: tiers, description: '包保等级 · responsibility tier', example: 'C' })
  @Column('text')
  tier: Tier;

  @ApiProperty({
    type: Object,
    description:
      '等级由哪一版规则的哪一条决定。加载新版规则后,已登记的主体保持原等级,`ruleVersion` 不变;其下一次变更(PATCH,或台账中有改动的行)时才按最新一版判定,内容未变的 PATCH 也算。撤销导入时恢复原等级 · which line of which version of the rule decided the tier. A new version of the rule leaves the tiers of those that are registered, and their `ruleVersion`, as they are: each is decided by the newest version at its next change (a PATCH, even one that says what is there, or a row of a ledger that changes something). The undo of an import brings back the tier from before',
    example: {
      tier: 'C',
      rule: 'tier-rule',
      ruleVersion: 1,
      because: '餐饮服务,其他情形 → C · catering, otherwise → C',
      warning: null,
    },
  })
  @Column('jsonb', { name: 'tier_decision' })
  tierDecision: TierDecision;

  @ApiProperty({ type: String, format: 'date-time' })
  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  @Column('timestamptz', { name: 'changed_at' })
  changedAt: Date;

  /** Decides the tier anew from the facts at hand. */
  retier(rule: Policy<typeof TierRule.body>): void {
    this.tierDecision = decideTier(rule, this);
    this.tier = this.tierDecision.tier;
  }

  /** It is over; nothing is ever deleted. */
  close(now: Date): void {
    Object.assign(this, { status: 'closed', version: this.version + 1, changedAt: now });
  }

  /** Says again what it said `before`, as a new version. */
  restore(before: EstablishmentFields, now: Date): void {
    Object.assign(this, before, { version: this.version + 1, changedAt: now });
  }

  /** The whole public state, as every other service copies it. */
  state(): DataOf<typeof EstablishmentRegistered> {
    const { id: establishmentId, division, name, kind, tier, status, address } = this;
    return { establishmentId, division, name, kind, tier, status, address };
  }
}

/** Its columns alone: a copy of them is what it was at a moment. */
export type EstablishmentRow = Omit<Establishment, 'retier' | 'close' | 'restore' | 'state'>;
/** What it says, without what every version changes. */
export type EstablishmentFields = Omit<EstablishmentRow, 'id' | 'version' | 'createdAt' | 'changedAt'>; // prettier-ignore

export function fieldsOf(one: EstablishmentRow): EstablishmentFields {
  const { division, name, uscc, address, kind, area, diners, large, licence, latitude, longitude, status, tier, tierDecision } = one;
  return { division, name, uscc, address, kind, area, diners, large, licence, latitude, longitude, status, tier, tierDecision };
} // prettier-ignore

/** Every column, its type and where its value is. */
const columns: [name: string, type: string, of: (one: Establishment) => string | number | boolean | Date | null][] = [
  ['id', 'uuid', (one) => one.id],
  ['division', 'text', (one) => one.division],
  ['version', 'integer', (one) => one.version],
  ['name', 'text', (one) => one.name],
  ['uscc', 'text', (one) => one.uscc],
  ['licence', 'text', (one) => one.licence],
  ['address', 'text', (one) => one.address],
  ['kind', 'text', (one) => one.kind],
  ['area', 'numeric', (one) => one.area],
  ['diners', 'integer', (one) => one.diners],
  ['large', 'boolean', (one) => one.large],
  ['latitude', 'float8', (one) => one.latitude],
  ['longitude', 'float8', (one) => one.longitude],
  ['status', 'text', (one) => one.status],
  ['tier', 'text', (one) => one.tier],
  ['tier_decision', 'jsonb', (one) => JSON.stringify(one.tierDecision)],
  ['created_at', 'timestamptz', (one) => one.createdAt],
  ['changed_at', 'timestamptz', (one) => one.changedAt],
]; // prettier-ignore
const names = columns.map(([name]) => name).join(', ');
const arrays = columns.map(([, type], at) => `$${at + 1}::${type}[]`).join(', ');
const valuesOf = (some: Establishment[]): string[] =>
  columns.map(([, , of]) => arrayOf(some.map(of)));

/** By hand, as it is the hottest write: TypeORM's insert takes twice as long. Sent: it has happened when the transaction has. */
export function insertEstablishments(tx: Tx, made: Establishment[]): void {
  if (made.length === 0) return;
  tx.send(
    'insert establishments',
    `insert into establishment (${names}) select * from unnest(${arrays})`,
    valuesOf(made),
  );
}

/** One statement for all of them. @throws Error when a version before is not there for one of them */
export async function updateEstablishments(tx: Tx, changed: Establishment[]): Promise<void> {
  if (changed.length === 0) return;
  const found = await tx.query(
    `update establishment e set (${names}) = (${columns.map(([name]) => `n.${name}`).join(', ')})
     from unnest(${arrays}) as n(${names}) where e.id = n.id and e.version < n.version returning 1 as one`,
    valuesOf(changed),
  );
  if (found.length !== changed.length) throw new Error('An establishment was changed under the lock.');
} // prettier-ignore
