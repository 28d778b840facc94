import { foundationOf, retries } from '#database';
import { PolicyController, type ServiceDefinition } from '#platform';
import { Module } from '@nestjs/common';
import { ChecklistController } from './checklist.controller.js';
import {
  CorrectiveActionController,
  CorrectiveActionSheetController,
} from './corrective-action.controller.js';
import { CorrectiveActionService } from './corrective-action.service.js';
import { DeadlineSweep } from './deadline.sweep.js';
import { EvidenceController } from './evidence.controller.js';
import { EvidenceService } from './evidence.service.js';
import { InspectionController, InspectionSheetController } from './inspection.controller.js';
import { InspectionEvents } from './inspection.events.js';
import { IndicatorController } from './inspection.indicators.js';
import { loadInspection } from './inspection.loader.js';
import { visits } from './migrations/0002-visits.js';
import { indicators } from './migrations/0099-indicators.js';
import { evidence } from './migrations/0003-evidence.js';
import { runs } from './migrations/0100-runs.js';
import { runPlace } from './migrations/0101-run-place.js';
import { newestRuns } from './migrations/0102-newest.js';
import { divisions } from './migrations/0103-divisions.js';
import { reminders } from './migrations/0104-reminders.js';
import { trainingDay } from './migrations/0108-training-day.js';
import { withdrawals } from './migrations/0107-withdrawals.js';
import { correctionEvidence } from './migrations/0106-correction-evidence.js';
import { visitsNear } from './migrations/0105-visits-near.js';
import { ObligationController, ObligationRunController } from './obligation.controller.js';
import { ObligationRuns, ObligationService } from './obligation.service.js';
import { Reminders } from './reminders.js';
import { VisitService } from './visit.service.js';

@Module({
  controllers: [
    ChecklistController,
    ObligationRunController,
    ObligationController,
    InspectionController,
    InspectionSheetController,
    EvidenceController,
    CorrectiveActionController,
    CorrectiveActionSheetController,
    IndicatorController,
    PolicyController,
  ],
  providers: [
    InspectionEvents,
    ObligationService,
    VisitService,
    EvidenceService,
    CorrectiveActionService,
    ObligationRuns,
    DeadlineSweep,
    Reminders,
  ],
})
class InspectionModule {}

export const inspection: ServiceDefinition = {
  service: 'inspection',
  title: '督导整改 · Inspection: visits, findings, corrections',
  module: InspectionModule,
  entities: [],
  migrations: [
    ...foundationOf('inspection'),
    visits,
    evidence,
    indicators,
    runs,
    retries('inspection'),
    runPlace,
    newestRuns,
    divisions,
    reminders,
    visitsNear,
    correctionEvidence,
    withdrawals,
    trainingDay,
  ],
  events: [InspectionEvents],
  fileTables: ['evidence'],
  jobs: [ObligationRuns, DeadlineSweep, Reminders],
  load: loadInspection,
};
