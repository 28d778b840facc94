import 'reflect-metadata';
import { bootstrap } from '#platform';
import { registry } from './registry.definition.js';

await bootstrap(registry);
