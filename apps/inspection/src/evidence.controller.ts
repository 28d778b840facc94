import { type Caller as DatabaseCaller, Database, type Tx } from '#database';
import { fileKinds, type FileMime, FileStore, sendFile } from '#files';
import {
  afterOf, Caller, fileUploadOf, IsInstant, NumberOfForm, oneOf, type Page, PageOf, pageOf, PageQuery, Roles,
} from '#platform'; // prettier-ignore
import { Controller, Get, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiProduces, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger'; // prettier-ignore
import { IsNumber, Max, Min, ValidateIf } from 'class-validator';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { evidenceLimits, EvidenceService, evidenceView, type Shown } from './evidence.service.js';
import { Position } from './inspection.controller.js';

const mimes = Object.keys(fileKinds) as FileMime[];

/** A position is whole or not there. */
const placed = ({ latitude, longitude, accuracyMetres }: EvidenceFields): boolean =>
  [latitude, longitude, accuracyMetres].some((one) => one !== undefined);

/** What stands beside the file in the form. */
export class EvidenceFields {
  @ApiProperty({
    type: String,
    format: 'date-time',
    description:
      '拍摄时间,以设备时钟为准,不作判断;`addedAt` 为服务器时间,与督导时间相差过大的见 `warning` · when it was taken, by the device’s clock, which nobody judges; `addedAt` is the server’s time, and `warning` tells what lies far from the visit',
    example: '2026-11-23T09:31:00+08:00',
  })
  @IsInstant()
  takenAt: string;

  @ApiPropertyOptional({ type: Number, minimum: -90, maximum: 90, description: '纬度,度,WGS84;与 `longitude` 同时填写;只存档,不与主体的位置比对 · degrees, WGS84; together with `longitude`; kept, and not compared with where the establishment is', example: 36.7934 }) // prettier-ignore
  @ValidateIf(placed)
  @NumberOfForm()
  @IsNumber()
  @Min(-90)
  @Max(90)
  latitude?: number;

  @ApiPropertyOptional({ type: Number, minimum: -180, maximum: 180, description: '经度,度,WGS84;与 `latitude` 同时填写 · degrees, WGS84; together with `latitude`', example: 116.7581 }) // prettier-ignore
  @ValidateIf(placed)
  @NumberOfForm()
  @IsNumber()
  @Min(-180)
  @Max(180)
  longitude?: number;

  @ApiPropertyOptional({ type: Number, minimum: 0, maximum: 100_000, description: '定位误差,米;有坐标时才填 · how many metres the position may be off; only together with a position', example: 12 }) // prettier-ignore
  @ValidateIf(({ accuracyMetres }: EvidenceFields) => accuracyMetres !== undefined)
  @NumberOfForm()
  @IsNumber()
  @Min(0)
  @Max(100_000)
  accuracyMetres?: number;
}

class EvidenceForm extends EvidenceFields {
  @ApiProperty({
    type: String,
    format: 'binary',
    description: `JPEG、PNG、WebP 或 PDF(以内容为准),最大 ${evidenceLimits.bytes / 1_048_576} MB · JPEG, PNG, WebP or PDF by its content, at most ${evidenceLimits.bytes / 1_048_576} MB`,
  })
  file: unknown;
}

export class Evidence {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({
    type: Number,
    description: '总是 1:证据不可更改 · always 1: evidence is not changed',
    example: 1,
  })
  version: number;
  @ApiProperty({ type: String, format: 'uuid' })
  inspectionId: string;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: '所属整改事项;null:督导时的证据 · of which correction; null: of the visit itself',
    example: null,
  })
  correctiveActionId: string | null;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      '督导人;整改的为现在的包保干部,没有则为 null · who made the visit; of a correction, who answers for it now, null where nobody does',
  })
  officialId: string | null;
  @ApiProperty({
    type: String,
    description: '文件内容的 SHA-256,十六进制 · SHA-256 of the bytes, in hex',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  })
  sha256: string;
  @ApiProperty({
    enum: mimes,
    description: '文件类型,以内容为准 · kind of the file, by its content',
    example: 'image/jpeg',
  })
  mime: FileMime;
  @ApiProperty({ type: Number, example: 2481093 })
  sizeBytes: number;
  @ApiProperty({
    type: String,
    format: 'date-time',
    description: '拍摄时间,以设备时钟为准 · when it was taken, by the device’s clock',
  })
  takenAt: Date;
  @ApiProperty({
    type: Position,
    nullable: true,
    description:
      '拍摄位置,WGS84,由设备报告;只存档,不与主体的位置比对;没有则为 null · where it was taken, WGS84, as the device said: it is kept, and not compared with where the establishment is; null where nobody said',
  })
  position: Position | null;
  @ApiProperty({
    type: String,
    description: '账号编号 · id of the account',
    example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  })
  addedBy: string;
  @ApiProperty({ type: String, format: 'date-time', description: '服务器时间 · the server’s time' })
  addedAt: Date;
  @ApiProperty({
    enum: ['taken-far-from-visit'],
    type: String,
    nullable: true,
    description:
      '提示复核:拍摄时间与督导时间(visitedAt)相差 24 小时以上,可能是设备时钟不准,或不是此次督导的照片;null:没有提示 · to be looked at: it was taken more than 24 hours from the visit (visitedAt): the device’s clock may be wrong, or the photo another visit’s; null: nothing to say',
    example: null,
  })
  warning: string | null;
}

class EvidencePage extends PageOf(Evidence) {}

@ApiTags('evidence')
@Controller()
export class EvidenceController {
  constructor(
    private readonly database: Database,
    private readonly evidence: EvidenceService,
    private readonly files: FileStore,
  ) {}

  @Post('inspections/:id/evidence')
  @Roles('official')
  @ApiOperation({
    summary: '上传督导证据 · add a photo or paper to a visit',
    description: `由督导人本人上传,每次督导最多 ${evidenceLimits.perVisit} 份。同一督导的同一文件视为同一份证据:重复上传得到原有的一份,也是 201。 · By the official who made the visit; at most ${evidenceLimits.perVisit} a visit. The same file for the same visit is the same evidence: a repeat gets the first one again, with 201 too.`,
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: EvidenceForm })
  @ApiResponse({ status: 201, type: Evidence })
  async add(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Req() request: FastifyRequest,
  ): Promise<Evidence> {
    return this.keep(caller, request, (tx) => this.evidence.visit(tx, id));
  }

  @Post('corrective-actions/:id/evidence')
  @Roles('official', 'office')
  @ApiOperation({
    summary: '上传整改照片或材料 · add a photo or paper of what was mended',
    description: `由包保干部或食安办上传,销号前均可,每项整改最多 ${evidenceLimits.perVisit} 份。同一整改的同一文件视为同一份:重复上传得到原有的一份,也是 201。 · By the official or the office, until the correction is closed; at most ${evidenceLimits.perVisit} a correction. The same file for the same correction is the same evidence: a repeat gets the first one again, with 201 too.`,
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: EvidenceForm })
  @ApiResponse({ status: 201, type: Evidence })
  async attach(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Req() request: FastifyRequest,
  ): Promise<Evidence> {
    return this.keep(caller, request, (tx) => this.evidence.correction(tx, id));
  }

  private async keep(
    caller: DatabaseCaller,
    request: FastifyRequest,
    shownOf: (tx: Tx) => Promise<Shown>,
  ): Promise<Evidence> {
    const upload = await fileUploadOf(request, caller, evidenceLimits.bytes, EvidenceFields);
    const looking = { ...caller, readOnly: true, idempotency: undefined };
    const kept = await this.database.within(looking, async (tx) => this.evidence.mayAdd(tx, await shownOf(tx), upload.sha256)); // prettier-ignore
    if (!kept) await this.files.put(upload.bytes);
    return this.database.within(upload.caller, async (tx) => this.evidence.add(tx, await shownOf(tx), upload)); // prettier-ignore
  }

  @Get('inspections/:id/evidence')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询督导证据 · photos and papers of a visit' })
  @ApiResponse({ status: 200, type: EvidencePage })
  async page(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<Page<Evidence>> {
    return this.list(caller, query, (tx) => this.evidence.visit(tx, id));
  }

  @Get('corrective-actions/:id/evidence')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询整改照片和材料 · photos and papers of a correction' })
  @ApiResponse({ status: 200, type: EvidencePage })
  async pageOfCorrection(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<Page<Evidence>> {
    return this.list(caller, query, (tx) => this.evidence.correction(tx, id));
  }

  private async list(
    caller: DatabaseCaller,
    query: PageQuery,
    shownOf: (tx: Tx) => Promise<Shown>,
  ): Promise<Page<Evidence>> {
    const [division, id] = afterOf(query);
    const all = await this.database.within(caller, async (tx) => this.evidence.of(tx, await shownOf(tx))); // prettier-ignore
    const rest = all.filter((one) => one.division > division || (one.division === division && one.id > id)); // prettier-ignore
    return pageOf(rest, query, (one) => one.id);
  }

  @Get('evidence/:id')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({
    summary: '查看一份证据的信息 · one piece of evidence: what it is, when and where it was taken',
  })
  @ApiResponse({ status: 200, type: Evidence })
  one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Evidence> {
    return this.database.within(caller, async (tx) =>
      oneOf(await tx.query<Evidence>(`select ${evidenceView} from evidence where id = $1`, [id])),
    );
  }

  @Get('evidence/:id/file')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '下载督导证据 · download the file of a piece of evidence' })
  @ApiProduces(...mimes)
  @ApiResponse({
    status: 200,
    schema: { type: 'string', format: 'binary' },
    headers: {
      ETag: {
        description: '文件内容的 SHA-256 · SHA-256 of the bytes',
        schema: { type: 'string' },
      },
    },
  })
  async file(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { sha256, mime } = await this.one(caller, id);
    await sendFile(reply, this.files, { sha256, mime, name: `evidence-${id}.${fileKinds[mime]}` });
  }
}
