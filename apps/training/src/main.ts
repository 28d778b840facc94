import 'reflect-metadata';
import { bootstrap } from '#platform';
import { training } from './training.definition.js';

await bootstrap(training);
