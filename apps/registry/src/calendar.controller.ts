import { type Caller as DatabaseCaller, Database } from '#database';
import { Caller, Roles } from '#platform';
import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';

class Holiday {
  @ApiProperty({ type: String, format: 'date', example: '2026-10-01' })
  on: string;

  @ApiProperty({ type: String, example: '国庆节' })
  name: string;
}

class CalendarYear {
  @ApiProperty({ type: Number, example: 2026 })
  year: number;

  @ApiProperty({ type: String, example: '371425' })
  division: string;

  @ApiProperty({ type: [Holiday] })
  holidays: Holiday[];

  @ApiProperty({ type: [String], description: '调休上班的周末 · weekend days that are worked', example: ['2026-10-10'] })
  workdays: string[];

  @ApiProperty({ type: String, description: '放假通知的出处 · where the holidays were announced', example: '国务院办公厅关于2026年部分节假日安排的通知' })
  source: string;
} // prettier-ignore

class CalendarList {
  @ApiProperty({ type: [CalendarYear] })
  items: CalendarYear[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: '总是 null:年份不多,一次全部返回 · always null: there are few years',
    example: null,
  })
  next: null;
}

@ApiTags('calendar')
@Controller('calendar-years')
export class CalendarController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'grid-worker', 'authority', 'auditor')
  @ApiOperation({ summary: '查询工作日历 · the years whose holidays are announced' })
  @ApiResponse({ status: 200, type: CalendarList })
  async list(@Caller() caller: DatabaseCaller): Promise<CalendarList> {
    return this.database.within(caller, async (tx) => ({
      items: await tx.query<CalendarYear>(
        `select year, division, holidays, workdays, source from calendar_year order by year`,
      ),
      next: null,
    }));
  }
}
