import { type Service } from '#contracts';
import { Database, type Migration } from '#database';
import { filesOf, FileStore } from '#files';
import { Applier } from '#messaging';
import {
  ConsoleLogger,
  type DynamicModule,
  type INestApplicationContext,
  Module,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Arrivals } from './arrivals.js';
import { type Config, Settings } from './config.js';
import { type CountyLoad } from './county-folder.js';
import { DeadLetterController } from './dead-letter.controller.js';
import { type Job } from './jobs.js';
import { Served } from './served.js';

export interface ServiceDefinition {
  service: Service;
  title: string;
  /** `import.meta.url` of the module that exports it under the service's name; without it every job runs in the service's own process. */
  url?: string;
  module: Type;
  entities: Type[];
  migrations: Migration[];
  /** Classes with `@OnEvent` methods. */
  events?: Type[];
  /** Providers that do work no request waits for. */
  jobs?: Type<Job>[];
  /** Tables whose `sha256` names a file: what none of them names is swept away. A service without files leaves it out. */
  fileTables?: readonly string[];
  /** Deploy step: reads and checks what a county starts with, from the files of a folder. @throws FolderError with every fault */
  load?: (folder: string) => Promise<CountyLoad>;
} // prettier-ignore

@Module({ controllers: [DeadLetterController] })
export class PlatformModule {
  static with(
    database: Database,
    applier: Applier,
    files: FileStore,
    served: Served,
    arrivals: Arrivals,
    env: NodeJS.ProcessEnv,
  ): DynamicModule {
    return {
      module: PlatformModule,
      global: true,
      providers: [
        { provide: Database, useValue: database },
        { provide: Applier, useValue: applier },
        { provide: FileStore, useValue: files },
        { provide: Served, useValue: served },
        { provide: Arrivals, useValue: arrivals },
        { provide: Settings, useValue: new Settings(env) },
      ],
      exports: [Database, Applier, FileStore, Served, Arrivals, Settings],
    };
  }
}

/** What keeps a service from starting is said once, by whoever starts it. */
export class StartLogger extends ConsoleLogger {
  override error(message: unknown, ...more: [stackOrContext?: string, context?: string]): void {
    if (more.at(-1) !== 'ExceptionHandler') super.error(message, ...more);
  }
}

/** A service without its routes and its bus: for a step, or for work apart from it. */
export async function openContext(
  definition: ServiceDefinition,
  { databaseUrl, files, env = {}, handlerLimitMs }: Pick<Config, 'databaseUrl' | 'files' | 'env' | 'handlerLimitMs'>,
  served: Served,
  poolSize: number,
): Promise<{ database: Database; applier: Applier; app: INestApplicationContext; close: () => Promise<void> }> {
  const { service, entities, module } = definition;
  const database = new Database({ service, url: databaseUrl, entities, poolSize });
  await database.open();
  const applier = new Applier(service, database, handlerLimitMs);
  @Module({ imports: [module, PlatformModule.with(database, applier, filesOf(files, service), served, new Arrivals(), env)] })
  class Root {}
  const app = await NestFactory.createApplicationContext(Root, { logger: new StartLogger({ logLevels: ['error'] }), abortOnError: false });
  return {
    database, applier, app,
    close: async () => {
      await app.close();
      await database.close();
    },
  };
} // prettier-ignore
