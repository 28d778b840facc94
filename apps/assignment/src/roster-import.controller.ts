import { Database } from '#database';
import { importRoutes } from '#platform';
import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RosterImports } from './roster.service.js';

@ApiTags('roster-imports')
@Controller('roster-imports')
export class RosterImportController extends importRoutes(
  { zh: '包保干部名单', en: 'a roster of officials' },
  ['county-admin', 'office'],
) {
  constructor(database: Database, imports: RosterImports) {
    super(database, imports as never);
  }
}
