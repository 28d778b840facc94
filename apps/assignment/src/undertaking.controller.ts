import { type Level, levels, tiers } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import { fileKinds, FileStore, kindOf, sendFile } from '#files';
import {
  Form,
  afterOf,
  Caller,
  DomainError,
  holdFile,
  IsDivision,
  Line,
  oneOf,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
  Roles,
  Together,
  uploadOf,
  IdFilter,
  PlaceFilter,
} from '#platform';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiOperation,
  ApiProduces,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Listed } from './undertaking.document.js';
import {
  copyKinds,
  type OpenedUndertakings,
  type UndertakingCopy as Copy,
  staleReasons,
  UndertakingService,
  undertakingStates,
  type UndertakingView,
  undertakingView,
} from './undertaking.service.js';

const copyMaxBytes = 10 * 1024 * 1024;
const sha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

@Together({ minProperties: 1 })
export class OpenUndertakings {
  @ApiPropertyOptional({
    type: String,
    description:
      '任职于该地区的包保干部:6、9 或 12 位代码 · the officials whose post is in this place: 6, 9 or 12 digits',
    example: '371425101',
  })
  @IsOptional()
  @IsDivision()
  division?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    description: '只限这一名包保干部 · for this official alone',
    example: '0193f0c2-7d1e-7c3a-9a51-3c1b7a2f4e11',
  })
  @IsOptional()
  @IsUUID()
  officialId?: string;
}

export class SignUndertaking {
  @ApiProperty({
    type: String,
    description: '本人姓名 · the official’s own name, typed',
    example: '王秀英',
  })
  @Line(100)
  signedName: string;

  @ApiProperty({
    type: String,
    pattern: '^[0-9a-f]{64}$',
    description:
      '所读承诺书的 SHA-256,见 `documentSha256` · SHA-256 of the document that was read: `documentSha256`',
    example: sha256,
  })
  @Form(
    /^[0-9a-f]{64}$/,
    '须为 64 位小写十六进制 SHA-256 · $property must be a SHA-256 of 64 lower-case hex digits',
  )
  documentSha256: string;
}

class UndertakingsOpened implements OpenedUndertakings {
  @ApiProperty({
    type: Number,
    description: '有包保任务的干部人数 · officials who answer for any establishment',
    example: 68,
  })
  officials: number;
  @ApiProperty({
    type: Number,
    description: '其中新生成承诺书的 · among these: an undertaking was opened',
    example: 3,
  })
  opened: number;
  @ApiProperty({
    type: Number,
    description: '其中已有承诺书的 · among these: they have one for their list already',
    example: 65,
  })
  kept: number;
}

class ListedEstablishment implements Listed {
  @ApiProperty({ type: String, format: 'uuid', example: '0193f0c2-7d1e-7c3a-9a51-3c1b7a2f4e12' })
  establishmentId: string;
  @ApiProperty({ type: String, example: '老王饭店' })
  name: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({ enum: tiers, example: 'D' })
  tier: Listed['tier'];
}

export class UndertakingCopy implements Copy {
  @ApiProperty({ type: String, example: sha256 })
  sha256: string;
  @ApiProperty({
    enum: copyKinds,
    description: '文件类型,以内容为准 · kind of the file, by its content',
    example: 'application/pdf',
  })
  mime: Copy['mime'];
  @ApiProperty({ type: Number, description: '字节数 · size in bytes', example: 183204 })
  size: number;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T02:00:00.000Z' })
  uploadedAt: string;
  @ApiProperty({
    type: String,
    description: '账号编号 · id of the account',
    example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  })
  uploadedBy: string;
}

export class Undertaking implements UndertakingView {
  @ApiProperty({ type: String, format: 'uuid', example: '0193f0c2-7d1e-7c3a-9a51-3c1b7a2f4e10' })
  id: string;
  @ApiProperty({
    type: String,
    description:
      '任职地区:县 6 位、乡镇 9 位、村 12 位 · where the post is: a county 6 digits, a township 9, a village 12',
    example: '371425101201',
  })
  division: string;
  @ApiProperty({
    type: Number,
    description: '版本,也是 ETag · its version, also the ETag',
    example: 1,
  })
  version: number;
  @ApiProperty({ type: String, format: 'uuid', example: '0193f0c2-7d1e-7c3a-9a51-3c1b7a2f4e11' })
  officialId: string;
  @ApiProperty({ type: String, example: '王秀英' })
  officialName: string;
  @ApiProperty({ type: String, example: '村党支部书记' })
  officialPost: string;
  @ApiProperty({ enum: levels, example: 'village' })
  officialLevel: Level;
  @ApiProperty({
    enum: undertakingStates,
    description:
      'open 待签、signed 已按现名单签署、stale 名单已变(不论签否)、superseded 已被新的取代 · open: to be signed; signed: for the list as it is; stale: the list has changed since, signed or not; superseded: a newer one took its place',
    example: 'open',
  })
  state: UndertakingView['state'];
  @ApiProperty({ type: Number, example: 12 })
  establishmentCount: number;
  @ApiProperty({
    type: String,
    description:
      '名单的 SHA-256:主体编号排序后每行一个 · SHA-256 of the list: the ids of its establishments, sorted, one a line',
    example: sha256,
  })
  listSha256: string;
  @ApiProperty({
    type: Number,
    description: '政策参数 `undertaking-text` 的版本 · version of the policy `undertaking-text`',
    example: 1,
  })
  textVersion: number;
  @ApiProperty({
    type: String,
    description: '签署即认可的声明 · what the official accepts by signing',
    example: '本人已逐户核对包保名单,自愿作出以上承诺,并接受监督。',
  })
  statement: string;
  @ApiProperty({
    type: String,
    description: '`…/document` 的 SHA-256 · SHA-256 of `…/document`',
    example: sha256,
  })
  documentSha256: string;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:30:00.000Z' })
  openedAt: Date;
  @ApiProperty({
    type: String,
    description: '账号编号 · id of the account',
    example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  })
  openedBy: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  signedAt: Date | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: '账号编号 · id of the account',
    example: null,
  })
  signedBy: string | null;
  @ApiProperty({ type: String, nullable: true, example: null })
  signedName: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  staleAt: Date | null;
  @ApiProperty({ enum: staleReasons, type: String, nullable: true, example: null })
  staleReason: UndertakingView['staleReason'];
  @ApiProperty({
    type: Number,
    nullable: true,
    description:
      '失效时名单增加的主体数 · how many establishments the list had gained when it became stale',
    example: null,
  })
  staleAdded: number | null;
  @ApiProperty({
    type: Number,
    nullable: true,
    description:
      '失效时名单减少的主体数 · how many establishments the list had lost when it became stale',
    example: null,
  })
  staleRemoved: number | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  supersededAt: Date | null;
  @ApiProperty({
    type: UndertakingCopy,
    nullable: true,
    description:
      '上传的签字件;没有则为 null · the scan of what was signed by hand; null where there is none',
    example: null,
  })
  copy: Copy | null;
}

export class WholeUndertaking extends Undertaking {
  @ApiProperty({
    type: [ListedEstablishment],
    description: '生成时的名单 · the list as it was when it was opened',
  })
  establishments: Listed[];
}

class UndertakingQuery extends PageQuery {
  @IdFilter()
  official?: string;

  @ApiPropertyOptional({
    enum: undertakingStates,
    description:
      '承诺书状态:open 待签、signed 已签、stale 名单已变(不论签否)、superseded 已被取代 · open: to be signed; signed; stale: the list has changed since, signed or not; superseded by a newer one',
  })
  @IsOptional()
  @IsIn(undertakingStates)
  state?: UndertakingView['state'];

  @PlaceFilter()
  division?: string;
}

class UndertakingPage extends PageOf(Undertaking) {}

@ApiTags('undertakings')
@Controller('undertakings')
export class UndertakingController {
  constructor(
    private readonly database: Database,
    private readonly undertakings: UndertakingService,
    private readonly files: FileStore,
  ) {}

  @Post()
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '为尚无承诺书的包保干部生成承诺书 · open an undertaking for each official who has none for his present list',
    description:
      '按地区、按包保干部,或两者同时限定。批准方案时会自动生成;主体关停后由镇街在此统一重新生成。重复提交不会再生成。文本见政策参数 `undertaking-text`。 · By place, by official, or both. The approval of a proposal does it by itself; after closures the office does it here for all of them at once. A repeat opens nothing. The words are the policy `undertaking-text`.',
  })
  @ApiBody({
    type: OpenUndertakings,
    examples: {
      place: { summary: '一个地区的包保干部 · the officials of a place', value: { division: '371425101' } },
      official: { summary: '一名包保干部,填 GET /officials 中的编号 · one official, with the id that GET /officials shows', value: { officialId: '0193f0c2-7d1e-7c3a-9a51-3c1b7a2f4e11' } },
    },
  })
  @ApiResponse({ status: 200, type: UndertakingsOpened })
  open(@Caller() caller: DatabaseCaller, @Body() body: OpenUndertakings): Promise<UndertakingsOpened> {
    return this.database.within(caller, (tx) => this.undertakings.open(tx, body.division, body.officialId));
  }

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询承诺书,包保干部只见本人的 · undertakings of your ground; an official sees his own' })
  @ApiResponse({ status: 200, type: UndertakingPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: UndertakingQuery): Promise<Page<Undertaking>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<Undertaking>(
        `select ${undertakingView} from undertaking
         where (division, id) > ($1, $2::uuid) and ($3::uuid is null or official_id = $3) and ($4::text is null or state = $4)
           and ($5::text is null or starts_with(division, $5))
         order by division, id limit $6`,
        [...afterOf(query), query.official ?? null, query.state ?? null, query.division ?? null, query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查看承诺书 · one undertaking with its list' })
  @ApiResponse({ status: 200, type: WholeUndertaking })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<WholeUndertaking> {
    return oneOf(await this.database.within(caller, (tx) =>
      tx.query<WholeUndertaking>(`select ${undertakingView}, establishments from undertaking where id = $1`, [id]),
    ));
  }

  @Get(':id/document')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({
    summary: '下载承诺书文本,供阅读、打印和签署 · the document to read, print and sign',
    description: '其 SHA-256 即 `documentSha256`,内容永不改变。 · Its SHA-256 is `documentSha256`: these bytes never change.',
  })
  @ApiProduces('text/html')
  @ApiResponse({ status: 200, schema: { type: 'string' } })
  async document(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const { document } = oneOf(await this.database.within(caller, (tx) =>
      tx.query<{ document: string }>(`select document from undertaking where id = $1`, [id]),
    ));
    void reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-disposition', `attachment; filename="undertaking-${id}.html"`)
      .header('content-security-policy', `sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'`);
    return document;
  }

  @Post(':id/signature')
  @HttpCode(200)
  @Roles('official')
  @ApiOperation({
    summary: '签署承诺书 · the official signs the very document that he read',
    description: '`documentSha256` 不是这份承诺书的:409 `document-differs`;名单已变化:409 `wrong-state`。 · If `documentSha256` is another document’s: 409 `document-differs`; if the list has changed since: 409 `wrong-state`.',
  })
  @ApiResponse({ status: 200, type: Undertaking })
  sign(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Body() { signedName, documentSha256 }: SignUndertaking,
  ): Promise<Undertaking> {
    return this.database.within(caller, (tx) => this.undertakings.sign(tx, id, signedName, documentSha256));
  }

  @Post(':id/copy')
  @HttpCode(200)
  @Roles('county-admin', 'office', 'official')
  @ApiOperation({
    summary: '上传签字件 · upload the scan of what was signed by hand',
    description: 'PDF、JPEG 或 PNG(以内容为准),最大 10 MB,以最新一份为准。上传不等于签署,签署见 `…/signature`。 · PDF, JPEG or PNG by its content, at most 10 MB; the newest counts. An upload does not sign: see `…/signature`.',
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({ schema: { type: 'object', required: ['file'], properties: { file: { type: 'string', format: 'binary' } } } })
  @ApiResponse({ status: 200, type: Undertaking })
  async upload(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Req() request: FastifyRequest,
  ): Promise<Undertaking> {
    const looking = { ...caller, readOnly: true, idempotency: undefined };
    await this.database.within(looking, (tx) => this.undertakings.one(tx, id)); // before 10 MB are read for nothing
    const { bytes, fileName, caller: uploader } = await uploadOf(request, caller, copyMaxBytes);
    const found = await kindOf(bytes);
    const mime = copyKinds.find((kind) => kind === found);
    if (!mime)
      throw new DomainError('file-kind', '内容不是 PDF、JPEG 或 PNG,或同时是多种文件。 · The content is no PDF, JPEG or PNG, or more than one thing at once.', [
        { pointer: '/file', rule: 'file-kind', value: fileName, remedy: '请上传 PDF、JPEG 或 PNG · send a PDF, JPEG or PNG' },
      ]);
    const { sha256, size } = await this.files.put(bytes);
    return this.database.within(uploader, async (tx) => {
      await holdFile(tx, this.files, sha256);
      return this.undertakings.keepCopy(tx, id, { sha256, mime, size });
    });
  }

  @Get(':id/copy')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '下载签字件,没有则为 404 · download the newest scan; 404 where there is none' })
  @ApiProduces(...copyKinds)
  @ApiResponse({ status: 200, schema: { type: 'string', format: 'binary' } })
  async copy(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { copy } = await this.database.within(caller, (tx) => this.undertakings.one(tx, id));
    const { sha256, mime } = oneOf(copy ? [copy] : []);
    await sendFile(reply, this.files, { sha256, mime, name: `undertaking-${id}.${fileKinds[mime]}` });
  }
} // prettier-ignore
