import { foundationOf, retention, retries } from '#database';
import {
  ChangeController,
  PolicyController,
  policyLoader,
  type ServiceDefinition,
} from '#platform';
import { Module } from '@nestjs/common';
import { AssignmentController } from './assignment.controller.js';
import { AssignmentEvents } from './assignment.events.js';
import { IndicatorController } from './assignment.indicators.js';
import { AssignmentCap, Induction, UndertakingText } from './assignment.policies.js';
import { AssignmentService } from './assignment.service.js';
import { GapController } from './gap.controller.js';
import { premises } from './migrations/0002-premises.js';
import { officials } from './migrations/0003-officials.js';
import { premisesSequence } from './migrations/0004-premises-sequence.js';
import { undertakings } from './migrations/0005-undertakings.js';
import { rosterParts } from './migrations/0007-import-parts.js';
import { proposalCatchingUp } from './migrations/0102-proposal-catching-up.js';
import { newestFirst } from './migrations/0103-newest.js';
import { officialPost } from './migrations/0104-official-post.js';
import { proposalEnd } from './migrations/0105-proposal-end.js';
import { OfficialController } from './official.controller.js';
import { OfficialService } from './official.service.js';
import { ProposalController } from './proposal.controller.js';
import { RosterImportController } from './roster-import.controller.js';
import { RosterImports } from './roster.service.js';
import { UndertakingController } from './undertaking.controller.js';
import { UndertakingService } from './undertaking.service.js';

@Module({
  controllers: [
    RosterImportController,
    OfficialController,
    ProposalController,
    AssignmentController,
    GapController,
    IndicatorController,
    UndertakingController,
    PolicyController,
    ChangeController,
  ],
  providers: [
    AssignmentEvents,
    AssignmentService,
    OfficialService,
    RosterImports,
    UndertakingService,
  ],
})
class AssignmentModule {}

export const assignment: ServiceDefinition = {
  service: 'assignment',
  title: '包保关系 · Assignment: who answers for what',
  url: import.meta.url,
  module: AssignmentModule,
  entities: [],
  migrations: [
    ...foundationOf('assignment'),
    premises,
    officials,
    premisesSequence,
    undertakings,
    rosterParts,
    retention('assignment', ['change', 'personal_read']),
    retries('assignment'),
    proposalCatchingUp,
    newestFirst,
    officialPost,
    proposalEnd,
  ],
  events: [AssignmentEvents],
  jobs: [RosterImports],
  fileTables: ['undertaking_copy'],
  load: policyLoader(AssignmentCap, Induction, UndertakingText),
};
