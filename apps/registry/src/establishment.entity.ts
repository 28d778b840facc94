import {
  type DataOf,
  type EstablishmentRegistered,
  type Kind,
  kinds,
  type Tier,
  tiers,
} from '#contracts';
import { type Tx } from '#database';
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

  @ApiProperty({ type: String, description: 'Village code, 12 digits', example: '371425101201' })
  @Column('text')
  division: string;

  @ApiProperty({ type: Number, description: 'Also the ETag', example: 1 })
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

  @ApiProperty({ type: Number, nullable: true, description: 'Square metres', example: 120 })
  @Column('numeric', { nullable: true, transformer: numeric })
  area: number | null;

  @ApiProperty({ type: Number, nullable: true, description: 'Meals a day', example: null })
  @Column('integer', { nullable: true })
  diners: number | null;

  @ApiProperty({ type: Boolean, example: false })
  @Column('boolean')
  large: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'JY13714250000017' })
  @Column('text', { nullable: true })
  licence: string | null;

  @ApiProperty({ type: Number, nullable: true, description: 'Degrees, WGS84', example: 36.79 })
  @Column('double precision', { nullable: true })
  latitude: number | null;

  @ApiProperty({ type: Number, nullable: true, description: 'Degrees, WGS84', example: 116.76 })
  @Column('double precision', { nullable: true })
  longitude: number | null;

  @ApiProperty({ enum: ['open', 'suspended', 'closed'], example: 'open' })
  @Column('text')
  status: 'open' | 'suspended' | 'closed';

  @ApiProperty({ enum: tiers, description: 'Responsibility tier 包保等级', example: 'C' })
  @Column('text')
  tier: Tier;

  @ApiProperty({ type: Object, description: 'Which line of which rule decided the tier' })
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

/** By hand, as it is the hottest write: TypeORM's insert takes twice as long. */
export async function insertEstablishments(tx: Tx, made: Establishment[]): Promise<void> {
  if (made.length === 0) return;
  await tx.query(`insert into establishment select * from jsonb_populate_recordset(null::establishment, $1)`, [rowsOf(made)]);
} // prettier-ignore

/** One statement for all of them. @throws Error when the version before is not there for one of them */
export async function updateEstablishments(tx: Tx, changed: Establishment[]): Promise<void> {
  const found = await tx.query(
    `update establishment e
     set (division, version, name, uscc, licence, address, kind, area, diners, large, latitude, longitude, status, tier, tier_decision, changed_at)
       = (n.division, n.version, n.name, n.uscc, n.licence, n.address, n.kind, n.area, n.diners, n.large, n.latitude, n.longitude, n.status, n.tier, n.tier_decision, n.changed_at)
     from jsonb_populate_recordset(null::establishment, $1) n where e.id = n.id and e.version = n.version - 1 returning 1 as one`,
    [rowsOf(changed)],
  );
  if (found.length !== changed.length) throw new Error('An establishment was changed under the lock.');
} // prettier-ignore

/** As the table's own rows, for jsonb_populate_recordset. */
function rowsOf(all: Establishment[]): string {
  return JSON.stringify(
    all.map(({ tierDecision, createdAt, changedAt, ...rest }) => ({
      ...rest, tier_decision: tierDecision, created_at: createdAt, changed_at: changedAt,
    })),
  );
} // prettier-ignore
