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

  /** The whole public state, as every other service copies it. */
  state(): DataOf<typeof EstablishmentRegistered> {
    const { id: establishmentId, division, name, kind, tier, status, address } = this;
    return { establishmentId, division, name, kind, tier, status, address };
  }
}

const rowsOf = (some: Establishment[]): string =>
  JSON.stringify(
    some.map(({ tierDecision, createdAt, changedAt, ...rest }) => ({
      ...rest, tier_decision: tierDecision, created_at: createdAt, changed_at: changedAt,
    })),
  ); // prettier-ignore

/** By hand, as it is the hottest write: TypeORM's insert takes twice as long. Sent: it has happened when the transaction has. */
export function insertEstablishments(tx: Tx, made: Establishment[]): void {
  if (made.length > 0)
    tx.send(
      `insert into establishment select * from jsonb_populate_recordset(null::establishment, $1)`,
      [rowsOf(made)],
    );
}

/** Writes what an import can change, of rows that this transaction has locked. Sent, like the insert. */
export function changeEstablishments(tx: Tx, changed: Establishment[]): void {
  if (changed.length > 0)
    tx.send(
      `update establishment e set version = n.version, name = n.name, uscc = n.uscc, licence = n.licence, address = n.address,
         kind = n.kind, area = n.area, diners = n.diners, latitude = n.latitude, longitude = n.longitude,
         tier = n.tier, tier_decision = n.tier_decision, changed_at = n.changed_at
       from jsonb_populate_recordset(null::establishment, $1) n where e.id = n.id`,
      [rowsOf(changed)],
    );
}
