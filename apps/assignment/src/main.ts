import 'reflect-metadata';
import { bootstrap } from '#platform';
import { assignment } from './assignment.definition.js';

await bootstrap(assignment);
