import 'reflect-metadata';
import { bootstrap } from '#platform';
import { inspection } from './inspection.definition.js';

await bootstrap(inspection);
